"""Oddities of a start, and reasons why a step could not be begun or taken: cause, row, place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import RunError
from fem.compat import MPI, cell_vertices, is_of_compiler
from fem.mesh.components import components
from fem.run.following import MIN_DENSITY
from fem.run.segments import Segment
from fem.solver.options import Outcome
from fem.solver.stage import Stage
from fem.study.build import Model
from fem.system.part import Cause, Warn
from fem.system.system import System
from fem.system.unknown import Unknown
from fem.values.properties import varies
from fem.values.units import shown_point

__all__ = ["Trouble", "causes", "odd_start"]

Array = npt.NDArray[np.float64]
NOT_JOINED = (
    "parts not joined: no electrolyte reaches from the counter electrode to a conductor that "
    "is connected to the collector; check regions and mesh"
)
#: Ohmic drop in the electrolyte above which a current may be in another unit, V.
MAX_OHMIC_DROP = 3.0
#: Voltage above which one that is held may be in another unit, V.
MAX_HELD_VOLTAGE = 10.0


def odd_start(model: Model, segment: Segment, current: float, *, once: bool) -> Iterator[Warn]:
    """Warnings of a segment just begun at a voltage that no cell has, or without a current.

    A path for the current is looked for where it seems to lack. Collective.

    Args:
        model: with the potentials of the start.
        segment: what is imposed.
        current: of the cell, A (2D: A/m).
        once: the start is the whole study.

    Raises:
        RunError: there is no path for the current that is imposed, or that is all the study asks
            for; the potentials have no meaning.
    """
    s, held = model.system, segment.voltage is not None
    voltage = s.get_voltage()
    if held and not once and abs(voltage) > MAX_HELD_VOLTAGE:
        yield Warn("volts", f"{segment.label}: {voltage:.4g} V is held, which no cell has; check "
                   "the unit of voltage")
    drop = abs(voltage - s.rest)  # opposite a cathode some volts are no drop
    without = abs(current) / model.area <= MIN_DENSITY
    if not (without if held else segment.sign and drop > MAX_OHMIC_DROP):
        return
    if joined(model):
        if not held:
            yield Warn("volts", f"{segment.label}: the current needs {voltage:.4g} V at its start, "
                       "which no cell has; check the unit of current_density, conductivities and "
                       "lengths")
    elif held and not once:
        yield Warn("not joined", f"{segment.label}: no path joins the electrodes, and the voltage "
                   f"held drives no current; {NOT_JOINED}")
    else:
        raise RunError(f"start of {segment.name} at t = {s.t:g} s: nothing carries a current "
                       f"(voltage {voltage:.4g} V); {NOT_JOINED}")


def causes(model: Model, segment: Segment) -> str:
    """Causes that may keep a protocol step from starting, each with a finding (collective)."""
    apart = not joined(model)
    found = [Cause("parts not joined", apart, NOT_JOINED if apart else
                   "electrolyte joins collector and counter electrode")]
    found += [cause for observer in model.observers for cause in observer.causes(segment)]
    found += _units(model, segment, any(c.name == "initial.c" for c in found))
    tested = "tested: " + "; ".join(cause.found for cause in found)
    likely = ", ".join(cause.name for cause in found if cause.likely)
    return tested + (f". Likely: {likely}" if likely else ". None of these is the cause")


def _units(model: Model, segment: Segment, dilute: bool) -> Iterator[Cause]:
    """Voltages that no cell has: a current, a film or a voltage in another unit."""
    density = segment.control(0.0, 1.0).current
    if density:
        density = abs(density)
        low, high = model.domain.ends
        T = model.case.temperature
        at_start = (kappa for ask in model.system.reports.conductivities for kappa in ask(T))
        drop = density * float(high - low) / max(at_start, default=model.setup.kappa)
        shown = f"{density:.4g} A/m^2 = {density / 10:.4g} mA/cm^2 would drop "
        shown += f"{drop:.3g} V in the electrolyte"
        for k, entry in enumerate(model.case.kinetics):
            if entry.film_resistance is not None and not varies(entry.film_resistance):
                through = density * float(entry.film_resistance.at())
                if through > MAX_OHMIC_DROP:
                    yield Cause("film", True, f"film: the current would drop {through:.3g} V in "
                                f"kinetics.{k}.film_resistance; check its unit")
        odd = drop > MAX_OHMIC_DROP and not dilute
        yield Cause("unit", odd, f"unit: {shown}; check the unit of current_density" if odd
                    else shown)
    elif segment.voltage is not None:
        held = float(segment.voltage.at(t=0.0))
        odd = abs(held - model.system.rest) > MAX_OHMIC_DROP
        yield Cause("unit", odd, f"unit: {held:g} V are held; check the unit of voltage" if odd
                    else f"{held:g} V are held")


def joined(model: Model) -> bool:
    """Electrolyte reaches from a boundary that feeds it to a conductor of the collector."""
    domain, setup = model.domain, model.setup
    corners = cell_vertices(domain.mesh)
    solids = [name for name in setup.conductors if name not in setup.pores]
    at_collector = np.zeros(len(corners), dtype=bool)
    at_collector[domain.cells_along("collector")] = True
    tied = domain.in_regions(name for name in solids if model.case.region(name).connected)
    driven = _parts_at(model, domain.in_regions(solids), at_collector | tied)
    near = np.zeros(len(domain.mesh.geometry.x), dtype=bool)
    near[corners[driven]] = True
    touches = near[corners].any(axis=1) | at_collector
    feeds = np.zeros(len(corners), dtype=bool)
    for name in {"counter", *setup.edges.phi_l, *setup.edges.into_electrolyte}:
        feeds[domain.cells_along(name)] = True
    fed = _parts_at(model, domain.in_regions(setup.ionic), feeds)
    return bool(domain.comm.allreduce(bool((fed & touches).any()), op=MPI.LOR))


def _parts_at(
    model: Model, on: npt.NDArray[np.bool_], at: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Marked cells of the connected parts that have a cell in `at`."""
    label, _ = components(model.domain.mesh, on)
    here = np.unique(label[on & at])
    every = np.unique(np.concatenate(model.domain.comm.allgather(here)))
    return on & np.isin(label, every)


@dataclass(frozen=True)
class Trouble:
    """End of a failed try to make a step, and the node that stands out.

    Attributes:
        converged: then the step was rejected because of its local error or change.
        reason: of the nonlinear solver, one phrase.
        residual: largest row residual over the cell current.
        dt: size of the step, s.
        field: unknown whose row (or error) is the worst. balance: what that row balances.
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
    balance: str = ""

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
        known = model.fields.get(seen[0])
        trouble = cls(outcome.converged, outcome.reason, outcome.residual, s.dt, *seen, *there)
        return replace(trouble, balance=known.balance if known else "")

    @property
    def where(self) -> str:
        """Field, row, place and terms as one clause."""
        if not self.field:
            return "no field stands out"
        at = shown_point(self.place)
        between = " and ".join(self.regions)
        side = f"between {between}" if len(self.regions) > 1 else f"in {between}"
        row = self.balance or "its row"
        what = "changes most" if self.converged else f"has the largest residual ({row})"
        clause = (
            f"{self.field} {what} at {at}, {side}, where it is {self.value:.4g} and the step "
            f"of {self.dt:.3g} s adds {self.change:.2g}"
        )
        terms = {"reaction": self.reaction, "fluxes": self.fluxes, "storage": self.storage}
        given = ", ".join(f"{name} {value:.2g} A" for name, value in terms.items() if value)
        return f"{clause}; its terms there: {given}" if given else clause

    def why(self, s: System, tolerance: float) -> tuple[str, str]:
        """Reason why no step is taken, as what follows "no step above ...", and the way out.

        Args:
            s: the system.
            tolerance: of local errors.
        """
        if not self.converged:
            return (f"converged ({self.reason}, residual {self.residual:.1e})",
                    "Refine the mesh there or lower [time] dt_min")
        limited = any(np.isfinite(u.largest_change) for u in s.unknowns.values())
        also = " or changes a field too much" if limited else ""
        return (f"is accurate: each converges, but its local error is above [time] tolerance = "
                f"{tolerance:g}{also}",
                "Lower [time] dt_min or raise tolerance, or refine the mesh there")

    def content(self) -> dict[str, Any]:
        """Content of `diagnosis.json`."""
        found = asdict(self)
        return {"row": found.pop("balance"), **found}


def _terms(stage: Stage, k: int) -> tuple[Array, Array, Array]:
    """Reactions (and boundaries), fluxes and storage in a row's residual, A at owned nodes.

    Collective. NaN for the first two where the form of the first cannot be compiled.
    """
    s, name = stage.system, stage.names[k]
    row: Any = s.forms.get(stage.rows[k])
    edges = ufl.Form([i for i in row.integrals() if i.integral_type() != "cell"]) if row else None

    def smooth() -> Array:
        return stage.nodal_or_zero(stage.residuals)[k]

    with s.time.at_rest():
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
