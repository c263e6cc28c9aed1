"""What all builders mesh with: primitives, level sets, gmsh, the tagged mesh itself."""
