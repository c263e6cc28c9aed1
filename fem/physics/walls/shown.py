r"""Overpotential, coverage and film thickness of walls, for files.

    eta = phi_s - phi_l - R i_n,   coverage = 1 - exp(-q/q_cov),   film_thickness = q V_m/(zF)

at the nodes of walls, from what is solved for there. Nothing reads them but files and figures, so
they are neither kept with the state nor restored. A node that several surfaces share has the
coverage and the film of the one that is named last.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import dfem, la
from fem.mesh.domain import on_side
from fem.physics.walls.interface import Interface
from fem.setup.electrode import Electrode
from fem.system.system import System

__all__ = ["Shown"]

Array = npt.NDArray[np.float64]


class Shown:
    """Fields of walls that are written and nothing else.

    Args:
        s: the system, with all its unknowns.
        interface: the electrodes.
        thickness: of dense metal per plated charge density, V_m/(zF), m per C/m2.
        i_n: the current density at wall nodes, A/m2, brought up to date by the caller.
    """

    def __init__(self, s: System, interface: Interface, thickness: float, i_n: Any):
        self.s, self.i_n, self.thickness = s, i_n, thickness
        self.space, layer = i_n.function_space, s.layer
        assert layer is not None
        self.nodes: list[tuple[Electrode, npt.NDArray[np.int32]]] = [
            (e, s.domain.nodes_on(self.space, layer, walls=e.walls, faces=e.faces))
            for e in interface.plating
        ]
        self.q = s.unknowns.get("q")
        names = ["eta"] * self._has_potentials(interface)
        if self.q is not None:
            names += ["film_thickness"]
            names += ["coverage"] * any(not e.covered for e in interface.plating)
        self.fields = {name: dfem.Function(self.space, name=name) for name in names}
        s.vectors |= {name: (field, layer) for name, field in self.fields.items()}
        self.means: dict[tuple[int, str], Array] = {}
        self._gather(interface)

    def _has_potentials(self, interface: Interface) -> bool:
        """Both potentials are unknowns on whose nodes the walls lie."""
        need = {"phi_l"} | {"phi_s" for e in interface.plating if e.potential == "field"}
        return need <= self.s.unknowns.keys()

    def _gather(self, interface: Interface) -> None:
        """Numbers of surfaces at their nodes: R, ohm m2, and q_cov, C/m2; forms of what moves."""
        s = self.s
        self.behind: list[tuple[npt.NDArray[np.int32], Any, Array]] = []  # eta behind films
        for k, (e, on) in enumerate(self.nodes):
            plus = "+" if e.walls else ""
            R = interface.resistance(e, plus, "-" if e.walls else "")
            if "coverage" in self.fields and not e.covered:
                self.means[k, "q_cov"] = self._mean(e, e.q_cov, on)
            if R is None or "eta" not in self.fields:
                continue
            if isinstance(R, int | float):
                self.means[k, "R"] = np.full(len(on), float(R))
                continue
            form, area = self._integrated(
                e, lambda on_wall, e=e: interface.conditions(s, e, on_wall)[1])
            self.behind.append((on, form, area))

    def _integrated(self, e: Electrode, value: Any) -> tuple[Any, Array]:
        """Compiled <value, v> over a surface, and <1, v> at all owned nodes."""
        s, v = self.s, ufl.TestFunction(self.space)
        terms, areas = [], []
        for side, weight, measure in s.domain.lumped_on(e.walls, e.faces):
            weight = weight * on_side(v, side)
            terms.append(value(bool(side)) * weight * measure)
            areas.append(weight * measure)
        area = s.nodal(s.form(sum(areas[1:], areas[0])))
        return s.form(sum(terms[1:], terms[0])), np.where(area > 0.0, area, np.inf)

    def _mean(self, e: Electrode, value: Any, on: npt.NDArray[np.int32]) -> Array:
        """A number of a surface, at its nodes; of a field the mean of the facets around."""
        if isinstance(value, int | float):
            return np.full(len(on), float(value))
        form, area = self._integrated(e, lambda on_wall: on_side(value, "+" if on_wall else ""))
        return self._everywhere(self.s.nodal(form) / area)[on]

    def _everywhere(self, owned: Array) -> Array:
        """Values of owned nodes at those of other ranks as well (collective)."""
        work = dfem.Function(self.space)
        work.x.array[: len(owned)] = owned
        work.x.scatter_forward()
        return np.asarray(work.x.array)

    def update(self) -> None:
        """Bring the fields up to date (collective)."""
        if "eta" in self.fields:
            self._overpotential()
        if self.q is None:
            return
        q = np.maximum(self.q.value.x.array, 0.0)
        self.fields["film_thickness"].x.array[:] = self.thickness * q
        if "coverage" in self.fields:
            share = self.fields["coverage"].x.array
            for k, (e, on) in enumerate(self.nodes):
                share[on] = 1.0 if e.covered else -np.expm1(-q[on] / self.means[k, "q_cov"])

    def _overpotential(self) -> None:
        s, eta = self.s, self.fields["eta"].x.array
        phi_l = self._seen("phi_l")
        fields = any(e.potential == "field" for e, _ in self.nodes)
        phi_s = self._seen("phi_s") if fields else np.zeros_like(phi_l)
        for k, (e, on) in enumerate(self.nodes):
            eta[on] = (phi_s[on] if e.potential == "field" else 0.0) + s.get_voltage() - phi_l[on]
            if (R := self.means.get((k, "R"))) is not None:
                eta[on] -= R * self.i_n.x.array[on]
        for on, form, area in self.behind:
            eta[on] = self._everywhere(s.nodal(form) / area)[on]

    def _seen(self, name: str) -> Array:
        """An unknown at the nodes of the layer, from whichever rank has it (collective)."""
        s, u, layer = self.s, self.s.unknowns[name], self.s.layer
        assert layer is not None
        at = np.full(len(s.domain.mesh.geometry.x), -1, dtype=np.int32)
        vertices = s.domain.vertices(u.space, u.part)
        at[vertices[vertices >= 0]] = np.flatnonzero(vertices >= 0)
        index = at[s.domain.vertices(self.space, layer)]
        work, count = dfem.Function(self.space), dfem.Function(self.space)
        work.x.array[index >= 0] = u.value.x.array[index[index >= 0]]
        count.x.array[index >= 0] = 1.0
        for f in (work, count):
            f.x.scatter_reverse(la.InsertMode.add)
            f.x.scatter_forward()
        return np.asarray(work.x.array / np.maximum(count.x.array, 1.0))
