"""Report of a result: one page of HTML that holds everything, without a network.

Question, answer in one line, what decides, the voltage by its parts, pictures, balances, the mesh,
the case, all numbers that are assumed, what is not in the model, and what made the result.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError
from fem.base.folder import write_text
from fem.case.case import Case
from fem.case.entries import used_materials
from fem.contract.physics import named
from fem.contract.registry import with_own
from fem.materials.library import rows
from fem.post.figures import draw
from fem.post.metrics import declared
from fem.post.split import LOOKS
from fem.post.spread import rests
from fem.post.style import show_time
from fem.results.result import Result
from fem.run.why import meanings, titled

__all__ = ["answer", "report"]

#: Answer of `hostplate why` in a result folder.
WHY = "why.json"

#: Template of the page, for jinja2.
PAGE = Path(__file__).with_name("report.html")


def report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a finished result; figures that are not there are drawn.

    Args:
        folder: of the result.
        out: the file; default `report.html` in the folder.

    Raises:
        CaseError: the run has not finished, or jinja2 is not installed.
    """
    try:
        from jinja2 import Environment
    except ImportError:
        raise CaseError("report: needs jinja2; install it, or hostplate with the extra `report`"
                        ) from None
    result = Result(folder)
    if not result.summary:
        raise CaseError(f"{folder}: no summary.json; the run has not finished")
    template = Environment(autoescape=True).from_string(PAGE.read_text(encoding="utf-8"))
    page = template.render(**_content(result))
    file = out or folder / "report.html"
    write_text(file, page + "\n")
    return file


def _content(result: Result) -> dict[str, Any]:
    """Content of the page by name."""
    summary = result.summary
    case = Case.load(result.folder / "case.toml")
    if not any((result.folder / "figures").glob("*.png")):
        draw(result.folder)
    registry = with_own()
    materials = rows(*used_materials(case))
    status = summary.get("data_status", {})
    closures = summary.get("closures", {})
    parts, voltage, when = _with_current(result)
    made = ("command", "date", "host", "ranks", "physics_hash")
    versions = summary.get("versions", {}) | {k: summary[k] for k in made if k in summary}
    return {
        "title": summary.get("title", result.folder.name),
        "source": case.source,
        "notes": case.notes,
        "answer": answer(result),
        "warnings": summary.get("warnings", []),
        "why": _why(result.folder), "titled": titled, "meanings": meanings,
        "parts": _parts(parts, voltage),
        "when": when,
        "metrics": [
            (name, _number(value), declared()[name].unit, declared()[name].doc)
            for name, value in result.metrics().items() if name in declared()
        ],
        "events": [(e["event"], f"t = {show_time(float(e['t']))}")
                   for e in summary.get("events", ())],
        "pictures": [
            (file.stem, registry.figures[file.stem].doc if file.stem in registry.figures else "",
             base64.b64encode(file.read_bytes()).decode())
            for file in sorted((result.folder / "figures").glob("*.png"))
        ],
        "limit": f"{case.solver.closure_limit:.0e}",
        "closures": [(n, f"{v:.1e}", registry.columns[n].doc if n in registry.columns else "")
                     for n, v in closures.items()],
        "mesh": list(_mesh(result, case)),
        "assumed": [(f"{kind} {who}", datum, given, source)
                    for kind, who, datum, given, _, source, state in materials
                    if state == "assumed"],
        "counts": ", ".join(f"{n} numbers {state}" for state, n in status.items()),
        "absent": list(_absent(case)),
        "case": case.to_toml(),
        "versions": versions.items(),
    }


def answer(result: Result) -> str:
    """The result in one line: the voltage and what takes most of it, and where the metal is."""
    summary, said = result.summary, []
    timed = summary.get("study") in ("tertiary", "growth")
    if "current_density" in summary:
        density = 0.1 * abs(float(summary["current_density"]))
        way = "plating" if float(summary["current_density"]) < 0.0 else "stripping"
        study = f"{summary['study']} study".capitalize()
        after = f"After {show_time(float(summary['t']))}" if timed else study
        said.append(f"{after}, {way} {density:.3g} mA/cm²" if density else f"{after}, at rest")
    studies = [p.study for p in with_own().physics if p.study is not None]
    places = [s.answer for s in studies if s.name == summary.get("study") and s.answer]
    said += [clause for place in places if (clause := named(place)(summary))]
    if "voltage" in summary:
        said.append(f"cell voltage {1e3 * float(summary['voltage']):.4g} mV")
    parts = {k: v for k, v in summary.get("voltage_parts", {}).items() if k in LOOKS}
    if parts and summary.get("voltage"):
        most = max(parts, key=lambda k: abs(parts[k]))
        share = parts[most] / sum(parts.values())
        said.append(f"{share:.0%} of it {LOOKS[most][0]}")
    found = result.metrics()
    thirds = {k: v for k, v in (found.get("share_third") or {}).items()}
    if thirds:
        where = max(thirds, key=lambda k: thirds[k])
        place = {"foil": "on the foil", "overflow": "above the host"}.get(
            where, f"in the {where} third of the host")
        kind = "metal" if summary.get("plated") else "current"
        said.append(f"{thirds[where]:.0%} of the {kind} {place} (B = {found['bottom_up']:.2f})")
    events = [e["event"] for e in summary.get("events", ())]
    said += [f"events: {', '.join(dict.fromkeys(events))}"] if events else []
    return "; ".join(said) + "."


def _with_current(result: Result) -> tuple[dict[str, float], float, str]:
    """Parts of the voltage and it, V, of the last step with a current; its time if others follow.

    Those of the last step where none had a current.
    """
    series, summary = result.series, result.summary
    on = [k for k, t in enumerate(series.get("t", ())) if not rests(result, float(t))]
    if not on or on[-1] == len(series["t"]) - 1:
        return summary.get("voltage_parts", {}), float(summary.get("voltage", 0.0)), ""
    row = on[-1]
    parts = {name: float(series[f"V_{name}"][row]) for name in LOOKS if f"V_{name}" in series}
    return parts, float(series["voltage"][row]), f", t = {show_time(float(series['t'][row]))}"


def _parts(parts: Mapping[str, float], voltage: float) -> list[tuple[str, str, str]]:
    """Words, mV and share of each part of the voltage, and their sum."""
    known = [(LOOKS[k][0], v) for k, v in parts.items() if k in LOOKS]
    total = sum(v for _, v in known)
    if not known or not total:
        return []
    return [(name, f"{round(1e3 * v, 4) + 0.0:.4f}", f"{v / total:.1%}") for name, v in known] + [
        ("sum", f"{1e3 * total:.4f}", f"cell voltage {1e3 * voltage:.4f} mV")]


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_number(v)}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{_number(min(value))} to {_number(max(value))}" if value else "none"
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _why(folder: Path) -> dict[str, Any] | None:
    path = folder / WHY
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _mesh(result: Result, case: Case) -> Iterator[tuple[str, str]]:
    """Facts about the mesh and about what the run took."""
    path, summary = result.folder / "mesh.json", result.summary
    mesh = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in ("family", "dimension", "cells", "nodes", "quality_min"):
        if name in mesh:
            yield name, str(mesh[name])
    if floating := mesh.get("floating_solids"):
        joined = any(r.connected or r.bridge_sigma is not None for r in case.regions.values())
        yield "solid bodies off the collector", (
            f"{floating}" + " in the plane; they join outside it" * joined)
    if "regions" in mesh:
        yield "regions", ", ".join(mesh["regions"])
    if "porosity" in mesh:
        yield "porosity", _number(mesh["porosity"])
    unknowns = summary.get("unknowns", {})
    each = ", ".join(f"{k} {v}" for k, v in unknowns.items())
    yield "unknowns", f"{sum(unknowns.values())} ({each})"
    for name in ("steps", "rejected", "newton", "krylov", "wall_seconds"):
        if name in summary:
            yield name, _number(summary[name])


def _absent(case: Case) -> Iterator[str]:
    """Things that this case leaves out, of all that can be in one."""
    here = {physics.name for physics in case.taking_part()}
    study = case.study
    if study in ("primary", "secondary"):
        yield "gradients of concentration: the salt stays as it is at the start"
    if study == "primary":
        yield "kinetics: walls drop nothing but their films"
    if study != "growth":
        yield "metal that takes room: films move no wall, close no pore and bridge nothing"
    for physics in with_own().physics:
        if physics.name not in here and physics.study is None and physics.table is not None:
            yield f"{physics.name}: {physics.doc}"
    yield "convection, double layers at walls, mechanics and gas, unless a physics above says so"
