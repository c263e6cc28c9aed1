"""How a system is solved: stages, linear solvers and their matrices, time steps."""
