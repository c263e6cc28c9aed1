"""Vectors for files: currents, fluxes and fields of a physics as means over cells."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import ufl

from fem.compat import cell_vertices, dfem
from fem.mesh.spaces import space_on
from fem.system.part import Observer
from fem.system.system import System

__all__ = ["CellMeans", "downhill"]


class CellMeans(Observer):
    """A vector that is written and nothing else: neither kept nor restored, nor read by a row.

        v_K = int_K v dV / |K|

    It is the mean of what stands in the rows, by their own quadrature, so that sums over a cut
    agree with the currents that were solved for. Rings of an axisymmetric mesh count by their area
    in the plane.

    Args:
        name: of the field.
        unknown: on whose part of the mesh it lives.
        pieces: system -> (vector, measure) of each group of regions.
    """

    def __init__(
        self, name: str, unknown: str, pieces: Callable[[System], Iterable[tuple[Any, Any]]]
    ):
        self.name, self.unknown, self.pieces = name, unknown, pieces

    def rows(self, s: System) -> None:
        """Make the field and compile its integral over cells (collective)."""
        part = s.unknowns[self.unknown].part
        dim = s.domain.dim
        space = space_on(part.mesh, ("DG", 0, (dim,)))
        self.field = dfem.Function(space, name=self.name)
        test = ufl.TestFunction(space)
        terms = [ufl.inner(vector, test) * dx for vector, dx in self.pieces(s)]
        self.form = s.form(sum(terms[1:], terms[0]))
        corners = part.mesh.geometry.x[cell_vertices(part.mesh)][:, :, :dim]
        volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / math.factorial(dim)
        owned = part.mesh.topology.index_map(dim).size_local
        self.volume = np.empty(owned)
        self.volume[space.dofmap.list[:owned, 0]] = volume[:owned]
        s.vectors[self.name] = self.field, part

    def show(self) -> None:
        """Bring the field up to date (collective)."""
        sums = self.s.nodal(self.form).reshape(len(self.volume), -1)
        self.field.x.array[: sums.size] = (sums / self.volume[:, None]).ravel()


def downhill(s: System, fields: Mapping[str, str]) -> tuple[CellMeans, ...]:
    """Make fields that are the negative gradient of an unknown, as E = -grad phi.

    Args:
        s: declared already.
        fields: name -> that of a potential; others than unknowns are left out.
    """
    return tuple(
        CellMeans(name, source, functools.partial(_slope, source))
        for name, source in fields.items() if source in s.unknowns
    )


def _slope(source: str, s: System) -> list[tuple[Any, Any]]:
    u = s.unknowns[source]
    return [(-ufl.grad(u.value), s.domain.dx(u.part.regions))]
