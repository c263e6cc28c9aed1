"""Spaces of functions on a mesh, each made once."""

from __future__ import annotations

from typing import Any

from fem.compat import dfem, dmesh

__all__ = ["space_on"]


def space_on(mesh: dmesh.Mesh, element: Any) -> dfem.FunctionSpace:
    """The space of an element on a mesh, the same one for all who ask for it (collective).

    In 3D a space of one number a vertex takes some 20 bytes a cell and its set-up as long as an
    integral; a growing deposit asks for sixteen of them on one mesh.

    Args:
        mesh: keeps the space.
        element: a family, a degree and, of vectors, a shape; or an element of Basix.
    """
    key = (*element, ()) if isinstance(element, tuple) and len(element) == 2 else element
    spaces = mesh.__dict__.setdefault("_spaces", {})
    if key not in spaces:
        spaces[key] = dfem.functionspace(mesh, element)
    return spaces[key]
