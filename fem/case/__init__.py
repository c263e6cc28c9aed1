"""The case file: its tables, how they are read, and what is checked before a run."""
