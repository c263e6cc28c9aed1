"""Temperature, and the heat that moves it."""
