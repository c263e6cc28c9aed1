"""Solution of a system: stages, linear solvers and their matrices, time steps."""
