"""Inspection of a mesh: its numbers and its pictures."""
