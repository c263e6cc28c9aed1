"""Pictures of finished runs; needs a result folder, not a solver."""
