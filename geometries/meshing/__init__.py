"""Meshing tools of all builders: primitives, level sets, gmsh, the tagged mesh itself."""
