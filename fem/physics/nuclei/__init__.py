"""Nuclei: where and when metal appears on walls."""
