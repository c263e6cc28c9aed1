"""A mesh with names: regions and walls, points in cells, connected parts, distances."""
