"""Currents, charges and balances of the whole cell."""
