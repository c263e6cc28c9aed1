"""Results of a run: fields, the series, probes, the summary. Knows no equations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fem.base.errors import CaseError, RunError
from fem.base.folder import write_json, write_text
from fem.base.parallel import on_root
from fem.case.entries import used_materials
from fem.compat import dfem
from fem.contract.physics import TIMED
from fem.files.blocks import Block, PartBlock, region_field, wall_block
from fem.files.fields import FieldWriter
from fem.files.series import Series
from fem.mesh.domain import Domain, Subdomain
from fem.results import cycles
from fem.run.probes import Probes
from fem.solver.stepper import Step
from fem.study.build import Model

__all__ = ["Recorder", "Tally", "blocks_of", "declared", "what_was_solved", "written"]

#: Columns of the run itself: before those of the physics, and behind them.
FIRST_COLUMNS = {"t": "s", "dt": "s", "voltage": "V"}
LAST_COLUMNS = ("newton", "krylov", "rejected", "error")
#: Entries of the summary on the run itself.
SUMMARY = {
    "closures", "projected_area", "unknowns", "steps", "newton", "rejected", "krylov", "ranks",
    "mesh_hash", "physics_hash", "sigma_capped", "data_status", "probes",
}  # fmt: skip


@dataclass
class Tally:
    """Cost of a run so far, and its worst relative balance errors."""

    steps: int = 0
    newton: int = 0
    linear: int = 0
    rejected: int = 0
    worst: dict[str, float] = field(default_factory=dict)

    def add(self, step: Step, numbers: Mapping[str, float], closures: Iterable[str]) -> None:
        """Count an accepted step.

        Args:
            step: what it took.
            numbers: what was measured of it.
            closures: which of these are relative errors of balances.
        """
        self.steps += 1
        self.newton += step.newton
        self.linear += step.linear
        self.rejected += step.rejected
        for key in closures:
            self.worst[key] = float(np.maximum(self.worst.get(key, 0.0), abs(numbers[key])))


def declared(model: Any) -> dict[str, Any]:
    """Fields and figures of the physics of a model's case, and regions, for readers of results."""
    def declaration(entry: Any) -> dict[str, Any]:
        defaults = {f.name: f.default for f in dataclasses.fields(entry)}
        return {k: v for k, v in vars(entry).items() if k != "name" and v != defaults[k]}

    return {
        "fields": {f.name: declaration(f) for f in model.fields.values()},
        "figures": {f.name: f.maps for p in model.case.taking_part()
                    for f in p.figures if not f.draw},
        "regions": {name: int(number) for name, number in model.domain.regions.items()},
    }


def blocks_of(model: Any, fields: Mapping[str, tuple[Any, Subdomain]]) -> list[Block]:
    """Fields by the part that they live on (collective).

    A block has the name that the first of its fields asks for, or that of a field. Pores that a mat
    bridges out of the plane are no solid: they are a block of their own, `solid_bridge`. Regions
    that conduct nothing are a block without fields, for pictures.

    Args:
        model: that was solved.
        fields: by name, each with its part.
    """
    domain, known = model.domain, model.fields
    parts: dict[int, tuple[Subdomain, dict[str, Any]]] = {}
    for name, (function, part) in fields.items():
        parts.setdefault(id(part), (part, {}))[1][name] = function
    blocks: list[Block] = []
    grows = any(f in known and known[f].fills for f in fields)
    for part, here in parts.values():
        kinds = [known[f] for f in here if f in known]
        name = next((kind.block for kind in kinds if kind.block), min(here))
        conducts = any(kind.medium == "conductor" for kind in kinds)
        bridges = [n for n in part.regions if conducts and not grows
                   and model.case.region(n).bridge_sigma is not None]
        if bridges:
            rest = [n for n in part.regions if n not in bridges]
            blocks += [_some_regions(domain, part, here, regions, block) for regions, block in
                       ((rest, name), (bridges, f"{name}_bridge")) if regions]
            continue
        filled = any(kind.fills for kind in kinds)
        static = {} if filled else {"region": region_field(domain, part)}
        blocks.append(Block(name, part.mesh, here, static))
    shown = {name for u in model.system.unknowns.values() for name in u.part.regions}
    if rest := [name for name in domain.regions if name not in shown]:
        part = domain.subdomain(rest)
        blocks.append(Block("insulator", part.mesh, {}, {"region": region_field(domain, part)}))
    return blocks


def _some_regions(
    domain: Domain, part: Subdomain, fields: Mapping[str, Any], regions: Sequence[str], name: str
) -> PartBlock:
    """Some regions of a part as a block (collective)."""
    shown = domain.subdomain(regions)
    block = PartBlock(name, shown.mesh, {}, {"region": region_field(domain, shown)},
                      domain=domain, part=part, shown=shown)
    for field_name, function in fields.items():
        block.copy(field_name, function)
    return block


def written(model: Any) -> tuple[dict[str, tuple[Any, Subdomain]], list[tuple[Any, Any, Any]]]:
    """Unknowns, and memories that are declared as fields, each with the part it lives on.

    Returns:
        They, and of those that are stored less an offset what is written, what is stored, and it.
    """
    s, shifted = model.system, []
    found: dict[str, tuple[Any, Subdomain]] = {}
    for name, u in s.unknowns.items():
        function = u.value
        if u.offset is not None:
            function = dfem.Function(u.space, name=name)
            shifted.append((function, u.value, u.offset))
        found[name] = function, u.part
    for name, memory in s.memories.items():
        if name in model.fields:
            mesh = memory.function_space.mesh
            found[name] = memory, next(p for p in s.parts if p.mesh is mesh)
    return found | s.vectors, shifted


def what_was_solved(model: Any, probes: Probes) -> dict[str, Any]:
    """Entries of the summary on the problem and its data, and what probes read (collective)."""
    from fem.materials import status_counts

    mesh_hash = str(model.domain.sidecar.get("hash", ""))
    out: dict[str, Any] = {
        "unknowns": {n: int(u.space.dofmap.index_map.size_global)
                     for n, u in model.system.unknowns.items()},
        "ranks": model.domain.comm.size,
        "mesh_hash": mesh_hash,
        "physics_hash": model.case.physics_hash(mesh_hash),
        "data_status": status_counts(*used_materials(model.case)),
    }
    if probes.units:
        out["probes"] = {k.removeprefix("probe."): v for k, v in probes.values().items()}
    return out


class Recorder:
    """Writers of one run.

    Args:
        model: its fields are written.
        probes: of the model.
        folder: claimed.
        series: number of the field series; a resumed run opens a new one.
        cycles: how many cycles the protocol has; their number is recorded if there are several.
    """

    def __init__(
        self, model: Model, probes: Probes, folder: Path, series: int = 1, *, cycles: int = 0
    ):
        self.model, self.probes = model, probes
        self.folder, self.series, self.cycles = folder, series, cycles
        self.comm = model.domain.comm
        self.last: float | None = None
        self.found: dict[str, float] = {}  # columns of the physics at the last step
        units = {name: field.unit for name, field in model.fields.items()}
        self.writer = FieldWriter(
            self.comm, folder, self._blocks(), series, pvd=model.case.output.pvd, units=units,
            regions=model.domain.regions,
        )
        write_json(self.comm, folder / "fields" / "fields.json", declared(model))
        self.table = Series(self.comm, folder / "series.csv", self._columns(), resume=series > 1)

    def _blocks(self) -> list[Block]:
        """Blocks of all parts, and that of the walls."""
        model, layer = self.model, self.model.system.layer
        found, self.shifted = written(model)
        blocks = blocks_of(model, {n: on for n, on in found.items() if on[1] is not layer})
        if layer is None:
            return blocks
        walls = [w for e in model.setup.surfaces.plating for w in e.walls]
        faces = [f for e in model.setup.surfaces.plating for f in e.faces]
        block = wall_block(model.domain, walls, faces)
        for name, (function, part) in found.items():
            if part is layer:
                block.carry(name, function, part)
        return [*blocks, block]

    def _columns(self) -> dict[str, str]:
        """Columns of `series.csv` with their units."""
        cycle = ("cycle",) if self.cycles > 1 else ()
        last = dict.fromkeys(("segment", *cycle, *LAST_COLUMNS), "")
        own = self.model.columns
        if taken := sorted(own.keys() & {*FIRST_COLUMNS, *last, "cycle"}):
            raise CaseError(f"columns {', '.join(taken)} of the case's physics: the run has such "
                            "columns already; rename them")
        return FIRST_COLUMNS | {c.name: c.unit for c in own.values()} | last | self.probes.units

    def truncate(self, t: float) -> None:
        """Forget what an interrupted run wrote later than the checkpoint that is taken up."""
        self.table.truncate(t)
        self.writer.truncate(t)
        self.probes.truncate(self.folder, t)
        self.last = t

    def fields(self) -> None:
        """Fields and profiles of the accepted state (collective)."""
        s = self.model.system
        for observer in self.model.observers:
            observer.show()
        for shown, stored, offset in self.shifted:
            shown.x.array[:] = stored.x.array + offset()
        self.writer.write(s.t)
        if self.last != s.t:
            self.probes.write_lines(self.folder, s.t)
        self.last = s.t

    def step(
        self, step: Step, numbers: Mapping[str, float], segment: int, cycle: int = 0
    ) -> None:
        """A row of the series, with the numbers of segment and cycle (collective)."""
        area, s = self.model.area, self.model.system
        self.found = {
            c.name: numbers[c.name] / (area if c.per_area else 1.0)
            for c in self.model.columns.values()
        }
        values = {
            **self.probes.values(),
            "t": s.t,
            "dt": step.dt,
            "voltage": s.get_voltage(),
            "segment": segment,
            "cycle": cycle,
            "newton": step.newton,
            "krylov": step.linear,
            "rejected": step.rejected,
            "error": step.error,
        } | self.found
        self.table.add({name: values[name] for name in self.table.names})

    def write_cycles(self, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Write `cycles.csv`, a row per cycle (collective).

        Args:
            found: what the run has counted of each cycle.

        Returns:
            The rows, with the voltages that the series has.
        """
        self.table.sync()
        units = {column.name: column.unit for column in self.model.columns.values()}

        def write() -> list[dict[str, Any]]:
            rows = cycles.completed(found, self.folder / "series.csv")
            write_text(self.folder / "cycles.csv", (f"{s}\n" for s in cycles.lines(rows, units)))
            return rows

        return on_root(self.comm, write)

    def summary(self, tally: Tally) -> dict[str, Any]:
        """The numbers that characterise the present state (collective)."""
        model, s = self.model, self.model.system
        run: dict[str, Any] = {"title": model.case.title, "study": model.case.study}
        if model.case.study in TIMED:  # else steps lead to a state that has no time
            run["t"] = s.t
        run["voltage"] = s.get_voltage()
        own: dict[str, Any] = {}
        events: list[dict[str, Any]] = []
        last = {n: v for n, v in self.found.items() if n in model.columns and model.columns[n].last}
        for found in (*(o.summary() for o in model.observers), last):
            events += found.get("events", ())
            if taken := sorted(found.keys() & {*run, *own, *SUMMARY}):
                raise RunError(f"summary: {', '.join(taken)} stand there already; a physics must "
                               "give them other names")
            own |= {name: value for name, value in found.items() if name != "events"}
        return run | own | {
            "closures": tally.worst,
            "projected_area": model.area,
            **{k: v for k, v in asdict(tally).items() if k not in ("worst", "linear")},
            "krylov": tally.linear,
            "sigma_capped": model.capped,
            **what_was_solved(model, self.probes),
            "events": events,
        }
