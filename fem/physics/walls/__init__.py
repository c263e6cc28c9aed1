"""Walls where electrons and ions meet."""
