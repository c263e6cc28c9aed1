"""Meshes and pictures on disk: reading, conversion, whether a mesh is sound, writing."""
