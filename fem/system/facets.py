r"""Reactions of walls: kinetic laws in UFL, integrated over facets, as a few numbers a node.

Wall integrals are lumped at the nodes (`fem.compat.VERTEX_RULE`). What a reaction brings into any
row is then a sum over nodes, and so is its derivative by any unknown: with the direction "one more
unit of u at every node", d/du of (i_n, v) gives the slope of each node's current. Current and all
slopes are the components of one vector, assembled by one kernel that reads the state once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import basix.ufl
import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import dfem, seen_size
from fem.mesh.domain import Subdomain
from fem.mesh.spaces import space_on
from fem.system.forms import derived, sum_of
from fem.system.nodal import CELL, VOLTAGE
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["WallReaction"]

Array = npt.NDArray[np.float64]


class WallReaction:
    """Currents of some walls at their nodes.

    Args:
        system: whose unknowns it reads.
        name: for messages.
        layer: cells along the walls, on the electrolyte's side.
        walls, faces: those of the reaction, as `fem.mesh.domain` names them.
        integrals: what is integrated, by name: test function -> UFL form, A.
        rows: unknown (or `CELL`) -> (name of the integral, sign) that enters its row.
        electrons: where they come from: `field` (phi_s of the solid), `driven` (the cell voltage)
            or `ground`. All of these act through phi_s - phi_l; where phi_l is an unknown, that
            gives their slopes, else they are derived by the voltage, as phi_s goes along with it.

    Attributes:
        linear: no slope changes with an unknown.
    """

    def __init__(
        self, system: System, name: str, layer: Subdomain, walls: Sequence[tuple[str, str]],
        faces: Sequence[tuple[str, str]], integrals: Mapping[str, Callable[[Any], Any]],
        rows: Mapping[str, tuple[str, float]], electrons: str,
    ):
        self.name, self.drives = name, CELL in rows
        self.entries = dict(rows)
        self.rows = tuple(row for row in rows if row != CELL)
        through = {"field": ("phi_s", VOLTAGE), "driven": (VOLTAGE,), "ground": ()}[electrons]
        follows = "phi_l" in system.unknowns
        one = ufl.TestFunction(space_on(layer.mesh, ("Lagrange", 1)))
        parts: list[tuple[str, str, Any]] = []
        for what, integral in integrals.items():
            current = integral(one)
            parts.append((what, "", current))
            fields = [(u.name, u.value) for u in system.unknowns.values() if u.name not in through]
            if through and not follows:
                fields.append((VOLTAGE, system.voltage))
            slopes = [(what, name, derived(current, u, ufl.as_ufl(1.0))) for name, u in fields]
            parts += [part for part in slopes if not part[2].empty()]
        moving = {system.voltage, *(u.value for u in system.unknowns.values())}
        self.linear = not any(by and moving & {*form.coefficients()} for _, by, form in parts)
        cell = layer.mesh.basix_cell()
        space = space_on(
            layer.mesh, basix.ufl.element("Lagrange", cell, 1, shape=(len(parts),))
        )
        v = ufl.TestFunction(space)
        form = sum_of(ufl.replace(form, {one: v[k]}) for k, (_, _, form) in enumerate(parts))
        self.parts = {(what, by): k for k, (what, by, _) in enumerate(parts)}
        self.form = system.form(form)
        self.sums = np.zeros(seen_size(space))
        self.width = len(parts)
        slopes_of = {by for _, by in self.parts if by}
        self.moved = through if slopes_of & {"phi_l", VOLTAGE} else ()
        self.columns = (*sorted(slopes_of - {VOLTAGE}), *self.moved)
        flat = space_on(layer.mesh, ("Lagrange", 1))
        self.here = system.domain.nodes_on(flat, layer, walls=walls, faces=faces)
        corner = system.domain.vertices(flat, layer)[self.here]
        self.nodes = {
            name: _at_vertices(system, system.unknowns[name])[corner]
            for name in {*self.rows, *self.columns} - {VOLTAGE}
        }

    def currents(self) -> dict[str, Array]:
        """Currents into each row, A, this rank's share; evaluates the slopes as well."""
        self.sums[:] = 0.0
        dfem.assemble_vector(self.sums, self.form)
        self.values = self.sums.reshape(-1, self.width)[self.here].T
        return {
            row: sign * self.values[self.parts[what, ""]]
            for row, (what, sign) in self.entries.items()
        }

    def slopes(self) -> dict[tuple[str, str], Array]:
        """Derivatives of `currents`, A per unit of each unknown, at the state of its last call."""
        out = {}
        for row, (what, sign) in self.entries.items():
            for (of, by), k in self.parts.items():
                if of == what and by:
                    slope = sign * self.values[k]
                    if by != VOLTAGE:
                        out[row, by] = slope
                    if by in ("phi_l", VOLTAGE):
                        slope = slope if by == VOLTAGE else -slope
                        out |= dict.fromkeys(((row, up) for up in self.moved), slope)
        return out


def _at_vertices(s: System, u: Unknown) -> npt.NDArray[np.int32]:
    """Local degree of freedom of an unknown at every geometry node of the mesh, -1 without one."""
    vertices = s.domain.vertices(u.space, u.part)
    out = np.full(len(s.domain.mesh.geometry.x), -1, dtype=np.int32)
    out[vertices] = np.arange(len(vertices), dtype=np.int32)
    return out
