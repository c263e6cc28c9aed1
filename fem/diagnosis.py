"""Why a step could not be taken: which field, in which row, where, and what happens there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from .compat import cell_vertices, is_of_compiler
from .model import Model
from .solve import Outcome, Stage
from .system import Unknown

__all__ = ["Trouble"]

Array = npt.NDArray[np.float64]
#: Unknown -> what its row balances.
ROWS = {
    "phi_s": "electron balance",
    "phi_l": "ion balance",
    "c": "salt balance",
    "q": "charge of the film",
    "xi": "metal of the front",
}


@dataclass(frozen=True)
class Trouble:
    """How a try to make a step ended, and the node that stands out.

    Attributes:
        converged: then the step was given up because of its local error or change.
        reason: of the nonlinear solver, one phrase.
        residual: largest row residual over the cell current.
        dt: size of the step, s.
        field: unknown whose row (or error) is the worst.
        place: coordinates of its node, m; empty without one.
        regions: around the node; two of them meet at a wall.
        value, change: of the field there and what the step added, in the field's unit.
        reaction, fluxes, storage: what the row's residual there is made of, A (2D: A/m); reactions
            and other currents through walls and boundaries, transport, change in time.
    """

    converged: bool
    reason: str
    residual: float
    dt: float
    field: str = ""
    place: tuple[float, ...] = ()
    regions: tuple[str, ...] = ()
    value: float = float("nan")
    change: float = float("nan")
    reaction: float = 0.0
    fluxes: float = 0.0
    storage: float = 0.0

    @classmethod
    def of(cls, model: Model, stages: Sequence[Stage], outcome: Outcome) -> Trouble:
        """Look at the iterate that is there now, before it is undone (collective)."""
        s = model.system
        comm: Any = model.domain.comm
        best: tuple[float, int, tuple[Any, ...]] = (-1.0, comm.rank, ())
        for number, stage in enumerate(stages):
            for k, name in enumerate(stage.names):
                u = s.unknowns[name]
                if outcome.converged and not u.differential:
                    continue
                raw = stage.raw.get(name)
                if raw is None:  # an earlier stage failed
                    continue
                if outcome.converged:
                    size = np.abs(u.value.x.array - u.old[0].x.array)[: len(raw)] / u.scale
                else:
                    size = np.abs(raw)
                    size[stage.fixed[k]] = 0.0
                size = np.where(np.isfinite(size), size, np.inf)
                if not len(size) or not size.max() > best[0]:
                    continue
                node = int(np.argmax(size))
                value, old = (f.x.array[node] for f in (u.value, u.old[0]))
                best = (float(size[node]), comm.rank, (
                    number, k, node,
                    (name, *_place(model, u, node), float(value), float(value - old)),
                ))  # fmt: skip
        _, owner, found = max(comm.allgather(best), key=lambda entry: entry[:2])
        if not found:
            return cls(outcome.converged, outcome.reason, outcome.residual, s.dt)
        number, k, node, seen = found
        there: tuple[float, ...] = ()
        if not outcome.converged:
            terms = _terms(stages[number], k)
            mine = tuple(float(term[node]) for term in terms) if comm.rank == owner else ()
            there = comm.bcast(mine, root=owner)
        return cls(outcome.converged, outcome.reason, outcome.residual, s.dt, *seen, *there)

    @property
    def where(self) -> str:
        """Field, row, place and terms as one clause."""
        if not self.field:
            return "no field stands out"
        at = ", ".join(f"{1e6 * x:.4g}" for x in self.place)
        between = " and ".join(self.regions)
        side = f"between {between}" if len(self.regions) > 1 else f"in {between}"
        row = ROWS.get(self.field, "its row")
        what = "changes most" if self.converged else f"has the largest residual ({row})"
        told = (
            f"{self.field} {what} at ({at}) um, {side}, where it is {self.value:.4g} and the step "
            f"of {self.dt:.3g} s adds {self.change:.2g}"
        )
        terms = {"reaction": self.reaction, "fluxes": self.fluxes, "storage": self.storage}
        given = ", ".join(f"{name} {value:.2g} A" for name, value in terms.items() if value)
        return f"{told}; its terms there: {given}" if given else told

    def content(self) -> dict[str, Any]:
        """As `diagnosis.json` keeps it."""
        return {
            "converged": self.converged, "reason": self.reason, "residual": self.residual,
            "field": self.field, "row": ROWS.get(self.field, ""), "place": list(self.place),
            "regions": list(self.regions), "value": self.value, "change": self.change,
            "reaction": self.reaction, "fluxes": self.fluxes, "storage": self.storage,
        }  # fmt: skip


def _terms(stage: Stage, k: int) -> tuple[Array, Array, Array]:
    """Reactions (and boundaries), fluxes and storage in a row's residual, A at owned nodes.

    Collective. NaN for the first two where the form of the first cannot be compiled.
    """
    s, name = stage.system, stage.names[k]
    row: Any = s.forms.get(stage.rows[k])
    edges = ufl.Form([i for i in row.integrals() if i.integral_type() != "cell"]) if row else None

    def smooth() -> Array:
        return stage.nodal_or_zero(stage.residuals)[k]

    with s.at_rest():
        still = smooth()
        reaction = np.zeros(len(still))
        if edges is not None and edges.integrals():
            try:
                reaction = s.nodal(s.form(edges))
            except Exception as error:
                if not is_of_compiler(error):
                    raise
                reaction[:] = np.nan
        reacts = stage.local.residual()[name]
    storage = smooth() - still + stage.local.residual()[name] - reacts
    return reaction + reacts, still - reaction, storage


def _place(model: Model, u: Unknown, node: int) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Coordinates of a node and the names of the regions around it, of this rank's cells."""
    domain = model.domain
    corners, tags = cell_vertices(domain.mesh), domain.cell_tag_array
    here, corner = np.argwhere(u.space.dofmap.list[: len(u.part.cells)] == node)[0]
    vertex = corners[u.part.cells[here], corner]
    around = np.unique(tags[(corners == vertex).any(axis=1)])
    names = sorted(name for name, tag in domain.regions.items() if tag in around)
    place = tuple(domain.mesh.geometry.x[vertex][: domain.dim].tolist())
    return place, tuple(names)
