"""Which physics a case has, and how they become one system."""
