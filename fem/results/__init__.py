"""Result folders, read only: their numbers, and two side by side."""
