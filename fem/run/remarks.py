"""Remarks on what is no error: collected, printed once, kept in `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from fem.base.errors import CaseError
from fem.case import depth, names
from fem.case.summary import assumed_zero, dead_walls
from fem.compat import MPI
from fem.materials import library
from fem.setup import edges, pieces
from fem.setup.idle import idle
from fem.setup.kinetics import PASSIVE_SHARE
from fem.study.build import CONDUCTIVITY_SHARE, Model

__all__ = ["Remarks", "film_per_charge"]

THICK_FILM = 0.1
"""Share of the smallest pore or fibre above which a film moves the walls; here they stand still."""
STEEP_CELL = 0.2
"""Change of c across one cell, as a share of c0, from which a mesh counts as too coarse."""
WIDE_CELL = 0.75
"""Size of a cell over lambda from which a front is not resolved; of a mesh of lambda/2 all are
below it."""
SIDE_SHARE = 0.01
"""Share of the charge that passed from which one should know that it made no metal."""
_DIAMETERS = ("fibre_diameter", "pore_diameter", "wire_diameter")


def film_per_charge(data: library.Metal) -> float:
    """Thickness of dense metal per plated charge density, V_m/(zF), m per C/m2."""
    return float(data.molar_volume) / (data.z * FARADAY)


class Remarks:
    """Warnings of one run.

    Args:
        model: what is solved.
        say: prints a line.
    """

    def __init__(self, model: Model, say: Callable[[str], None]):
        self.model, self.say = model, say
        self.said: dict[str, str] = {}
        self.diameter = min(_lengths(model.domain.sidecar.get("parameters", {})), default=None)
        self.film = film_per_charge(model.case.metal_data)
        self.c_low, self.c_high = np.inf, -np.inf
        for key, text in self._of_the_model():
            self.add(key, text)

    @property
    def texts(self) -> list[str]:
        """All of them, in the order in which they came up."""
        return list(self.said.values())

    def add(self, key: str, text: str) -> None:
        """A warning; said when its key is new, brought up to date later."""
        if key not in self.said:
            self.say(f"warning: {text}")
        self.said[key] = text

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        low, high = (float(c) if np.isfinite(c) else None for c in (self.c_low, self.c_high))
        return {"said": self.said, "c_low": low, "c_high": high}

    def take(self, kept: dict[str, Any]) -> None:
        """Go on from `state`; nothing is said again."""
        self.said = kept.get("said", {}) | self.said
        low, high = kept.get("c_low"), kept.get("c_high")
        if low is not None and high is not None:
            self.c_low, self.c_high = min(low, self.c_low), max(high, self.c_high)

    def _of_the_model(self) -> Iterator[tuple[str, str]]:
        model = self.model
        if model.capped:
            yield "sigma", (
                f"sigma of {', '.join(model.capped)} was lowered to {CONDUCTIVITY_SHARE:g} times "
                "the ionic conductivity, which changes no potential visibly"
                + ("; necks and gaps of metal need four times the width of its front (see "
                   "docs/growth.md)" if model.metal else "")
            )
        for text in (*model.domain.sidecar.get("remarks", ()), *assumed_zero(model.case)):
            yield text, text
        for text in idle(model.case, model.domain, model.electrons.regions if model.electrons else
                         (), model.ions.regions):
            yield text, text
        yield from ((text, text) for text in dead_walls(model.case))
        yield from (("tail, foreseen", text) for text in depth.notes(vars(model.case)))
        for text in names.unmatched(vars(model.case), model.domain.regions, model.case.places()):
            yield text, text
        bare = [b for b in edges.insulated(model.case, model.domain) if b != "sides"]
        if bare:
            yield "insulated", f"boundaries without a condition are insulated: {', '.join(bare)}"
        yield from pieces.remarks(model.floating)
        yield from self._wide_cells(walls=True)
        yield from self._panes()
        for observer in model.observers:
            yield from observer.remarks(closely=False)

    def _panes(self) -> Iterator[tuple[str, str]]:
        """Single-ion conductors that displaced electrolyte would have to pass."""
        ions, domain = self.model.ions, self.model.domain
        panes = sorted({
            name for wall in domain.walls for name in wall
            if {*wall} <= {*ions.regions} and {*wall} & {*ions.salty} and name not in ions.salty
        })
        if panes and "salt_out" in self.model.system.salt_sinks:
            yield "panes", (
                f"no liquid passes {', '.join(panes)}: electrolyte that metal displaces leaves on "
                "one side and as much comes in on the other, as if it flowed around by way of the "
                "counter electrode; growth.displacement = 'none' keeps it where it is"
            )

    def require(self, c_low: float, c_high: float) -> None:
        """Check a state against all measured tables, which are never extrapolated.

        Raises:
            CaseError: what lies outside which table.
        """
        for electrolyte in self.model.electrolytes:
            electrolyte.require(c_low, c_high, self.model.case.temperature)
        for place, table in self.model.c_tables.items():
            try:
                table.curve.require(c_low, c_high)
            except CaseError as error:
                raise CaseError(f"{place}: {error}") from None

    def look(self, c_low: float, c_high: float) -> None:
        """Compare an accepted state with the ranges in which the data were measured."""
        self.c_low, self.c_high = min(c_low, self.c_low), max(c_high, self.c_high)
        T = self.model.case.temperature
        for electrolyte in self.model.electrolytes:
            for c in (self.c_low, self.c_high):
                for text in electrolyte.outside(c, c, T):
                    symbol = text.split(" = ")[0]
                    end = "" if symbol.endswith("T") else f" {c == self.c_low}"
                    self.add(symbol + end, text)
                self._unranged(electrolyte, c)

    def _unranged(self, electrolyte: library.Electrolyte, c: float) -> None:
        """A t_plus that leaves [0, 1], of which nobody says where it was measured."""
        law = electrolyte.t_plus
        if not law.variables or electrolyte.has("c_range"):
            return
        low, high = law.c_table or (c, c)
        value = law(min(max(c, low), high), self.model.case.temperature)
        if not 0.0 <= value <= 1.0:
            self.add(f"t_plus {electrolyte.name} {value > 1.0}", (
                f"electrolyte {electrolyte.name!r}: t_plus = {value:.3g} at c = {c:.4g} mol/m^3, "
                "taken as measured; a c_range would say where it was"
            ))

    def look_closely(self, voids: Sequence[dict[str, Any]] = ()) -> None:
        """What costs a pass over the mesh: films, fronts, salt across cells (collective).

        Args:
            voids: pores that metal has closed, see `fem.physics.metal.voids.Voids.found`.
        """
        s, comm = self.model.system, self.model.domain.comm
        for key, text in (*self._wide_cells(walls=False), *_closed_pores(voids)):
            self.add(key, text)
        for observer in self.model.observers:
            for key, text in observer.remarks(closely=True):
                self.add(key, text)
        if "q" in s.unknowns and self.diameter is not None:
            q = comm.allreduce(float(np.max(s.unknowns["q"].owned, initial=0.0)), op=MPI.MAX)
            if self.film * q > THICK_FILM * self.diameter:
                self.add("film", (
                    f"the metal film reaches {1e6 * self.film * q:.3g} um, above "
                    f"{THICK_FILM:.0%} of the smallest diameter {1e6 * self.diameter:.3g} um: the "
                    "walls would have moved"
                ))
        for text in self._at_separator():
            self.add("separator", text)
        side, passed = (abs(float(s.charges[k][0])) if k in s.charges else 0.0
                        for k in ("side", "absolute"))
        if side > SIDE_SHARE * passed:
            self.add("side", (
                f"{side / passed:.1%} of the charge that passed made or took no metal: bare walls "
                f"pass a side reaction, {PASSIVE_SHARE:g} of the metal's conductance at "
                "equilibrium, which counts where currents are small or times long"
            ))
        if "c" in s.unknowns:
            u = s.unknowns["c"]
            rise = np.ptp(u.value.x.array[u.space.dofmap.list], axis=1)
            worst = comm.allreduce(float(rise.max(initial=0.0)), op=MPI.MAX) / self.model.ions.c0
            if worst > STEEP_CELL:
                self.add("coarse", (
                    f"the salt changes by {worst:.0%} of c0 across one cell: the mesh is too "
                    "coarse there; compare with `hostplate converge`"
                ))

    def _at_separator(self) -> Iterator[str]:
        """Whether metal lies on what ions pass and metal does not."""
        model, domain = self.model, self.model.domain
        if model.metal is None:
            return
        xi, pores = model.system.unknowns["xi"], {*model.metal.regions}
        others = {*model.ions.regions} - pores
        touching = [
            domain.nodes_on(xi.space, xi.part, walls=[wall], side="-" if wall[0] in others else "+")
            for wall in domain.walls if others & {*wall} and pores & {*wall}
        ]
        nodes = np.unique(np.concatenate([*touching, np.empty(0, dtype=np.int32)]))
        nodes = nodes[xi.value.x.array[nodes] >= 0.5]
        places = xi.space.tabulate_dof_coordinates()[nodes][:, : domain.dim].tolist()
        found = [place for rank in domain.comm.allgather(sorted(places)[:1]) for place in rank]
        if found:
            at = ", ".join(f"{1e6 * x:.4g}" for x in min(found))
            yield (
                f"metal lies on a separator, at ({at}) um and elsewhere: there it stops, and no "
                "current passes from one to the other, while real metal may grow on through the "
                "pores of the separator"
            )

    def _wide_cells(self, walls: bool) -> Iterator[tuple[str, str]]:
        """Whether cells are too wide for a front, where metal may start or where it is now."""
        metal, nuclei, domain = self.model.metal, self.model.nuclei, self.model.domain
        if metal is None:
            return
        xi = self.model.system.unknowns["xi"]
        nodes, at = xi.space.dofmap.list, xi.value.x.array
        if walls:
            starts: list[Any] = [*metal.films, *(s for n in (nuclei.seeds if nuclei else ())
                                      for s in n.surfaces)]
            on = np.zeros(len(at))
            on[domain.nodes_on(xi.space, xi.part, walls={w for f in starts for w in f.walls},
                               faces={w for f in starts for w in f.faces})] = 1.0
            here = on[nodes].any(axis=1)
        else:
            here = np.ptp(at[nodes], axis=1) > 0.1
        x = xi.space.tabulate_dof_coordinates()[nodes[here]][..., : domain.dim]
        measure = np.abs(np.linalg.det(x[:, 1:] - x[:, :1])) / math.sqrt(domain.dim + 1)
        h = math.sqrt(2) * measure ** (1 / domain.dim)  # side of the regular simplex
        worst = domain.comm.allreduce(float(h.max(initial=0.0)), op=MPI.MAX)
        if worst > WIDE_CELL * metal.interface_width:
            half = 0.5e6 * metal.interface_width
            yield "front", (
                f"{'where metal may start' if walls else 'the front of the metal'} has cells of "
                f"{1e6 * worst:.3g} um, above interface_width/2 = {half:.3g} um: it is not "
                f"resolved; take geometry sizes (size, size_wall) of {half:.3g} um, or a larger "
                "growth.interface_width"
            )


def _closed_pores(voids: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """How many closed pores there are, and where the largest is."""
    if voids:
        place = max(voids, key=lambda void: float(void["volume"]))["place"]
        yield "closed pores", (
            f"{len(voids)} closed pore{'s' if len(voids) > 1 else ''}, the largest at "
            f"({', '.join(f'{1e6 * x:.4g}' for x in place)}) um: no ions get in or out, so nothing "
            "grows there"
        )


def _lengths(parameters: Any) -> Iterator[float]:
    """Diameters anywhere in the parameters of a mesh, m."""
    if isinstance(parameters, dict):
        for key, value in parameters.items():
            if key in _DIAMETERS and isinstance(value, int | float):
                yield float(value)
            else:
                yield from _lengths(value)
    elif isinstance(parameters, list):
        for value in parameters:
            yield from _lengths(value)
