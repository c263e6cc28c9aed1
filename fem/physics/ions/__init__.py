"""Ions and salt in the electrolyte."""
