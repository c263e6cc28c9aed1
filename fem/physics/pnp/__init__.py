"""Ions with the charge they leave: Poisson, Nernst and Planck."""
