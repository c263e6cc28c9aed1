"""The families of geometries, and the layers they are made of."""
