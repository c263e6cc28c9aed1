"""Unknowns, their rows, and reactions lumped at nodes."""
