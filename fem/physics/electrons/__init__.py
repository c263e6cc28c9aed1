"""Electrons in everything that conducts them."""
