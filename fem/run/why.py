r"""Answer to what decides: ingredients of a case switched off, in all combinations, one solve each.

With metric m and ingredients k of a set N

    main effect   m(N) - m(N without k)        what is lost without it
    last in       m(only k) - m(none)          what it does alone
    Shapley       sum over S without k of |S|! (n - |S| - 1)!/n! (m(S and k) - m(S))

Shapley's shares add up to m(N) - m(none). Where main effect and last in differ in sign, ingredients
act on each other, and the largest of the pairs m(N) - m(-k) - m(-l) + m(-k -l) says which. An
effect below 3 times the change of m on a mesh of half the size is none. Each state is one solve:
`secondary` with the salt as at the start, `steady` with its gradient; metal on walls is that of the
start, so this is what decides at the beginning of a plating, not what has become of it.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError, RunError
from fem.base.folder import write_text
from fem.case.case import Case
from fem.materials import material
from fem.results.comparison import numbers
from fem.results.result import Result
from fem.values.units import parse_quantity

__all__ = ["Ingredient", "effects", "ingredients", "table", "why"]

Data = dict[str, Any]
Corner = frozenset[str]

#: Metrics that are asked for, as the summary has them.
METRICS = {"B": "metrics.bottom_up", "voltage": "voltage", "max/mean": "metrics.max_mean"}
#: Most ingredients: 2^5 solves.
MOST = 5
#: Times an exchange current density is multiplied by to be no resistance.
FASTER = 100.0
#: Conductivity of electrons that resists nothing, S/m; solids are capped anyway.
HUGE = "1e9 S/m"


@dataclass(frozen=True)
class Ingredient:
    """Something of a case that can be switched off.

    Attributes:
        name: of it.
        off: what it is then.
        switch: changes a case's data in place.
    """

    name: str
    off: str
    switch: Callable[[Data], None]


def ingredients(case: Case) -> list[Ingredient]:
    """Ingredients that a case has, most telling first."""
    found = []
    barriers = any(e.eta_nuc is not None for e in case.kinetics) or any(
        pair.get("eta_nuc", 0.0) for pair in _pairs(case).values())
    if barriers:
        found.append(Ingredient("barriers", "eta_nuc = 0", _all_walls("eta_nuc", "0 V")))
    for key in ("sigma", "bridge_sigma"):
        given = _given(case, key)
        if len({*given.values()}) > 1:
            mean = f"{sum(given.values()) / len(given):.6g} S/m"
            found.append(Ingredient(
                f"steps of {key}", f"their mean, {mean}", _regions({n: mean for n in given}, key)))
    conduct = {name: HUGE for name in _conductors(case)}
    bridged = {name: HUGE for name in _given(case, "bridge_sigma")}

    def conducting(data: Data) -> None:
        _regions(conduct, "sigma")(data)
        _regions(bridged, "bridge_sigma")(data)

    if conduct or bridged:
        found.append(Ingredient("resistance of electrons", f"sigma = {HUGE}", conducting))
    found.append(Ingredient("salt gradient", "c as at the start (secondary)",
                            lambda data: data.__setitem__("study", "secondary")))
    rates = _rates(case)
    if rates:
        def fast(data: Data) -> None:
            data.setdefault("kinetics", []).extend(
                {"surface": n, "i0": f"{FASTER * i0:.9g} A/m^2"} for n, i0 in rates.items())

        found.append(Ingredient("kinetics", f"i0 times {FASTER:g}", fast))
    if case.coatings:
        found.append(Ingredient("coatings", "none", lambda data: data.pop("coating", None)))
    if any(e.film_resistance is not None for e in case.kinetics):
        found.append(
            Ingredient("films", "none", _all_walls("film_resistance", "0 ohm*m^2")))
    return found


def _pairs(case: Case) -> dict[str, dict[str, float]]:
    """Numbers of the pair of each region's material with the metal."""
    out = {}
    for name in _conductors(case):
        pair = case.pair_data(str(case.regions[name].material), strict=False)
        out[name] = {k: float(v) for k, v in pair.numbers().items() if not callable(v)}
    return out


def _conductors(case: Case) -> list[str]:
    """Entries of regions whose material conducts electrons."""
    own = case.fillings
    return [
        name for name, region in case.regions.items() if region.material
        and float(getattr(material(region.material, own, cation=case.metal), "sigma", 0.0) or 0.0)
    ]


def _given(case: Case, key: str) -> dict[str, float]:
    """Numbers that regions give for a key, S/m."""
    found = {}
    for name, region in case.regions.items():
        value = getattr(region, key)
        if value is not None and not getattr(value, "variables", None):
            found[name] = float(value.at() if hasattr(value, "at") else value)
    return found


def _rates(case: Case) -> dict[str, float]:
    """Exchange current density of each region's walls, A/m2: the case's, else the library's."""
    rates = {name: pair["i0_ref"] for name, pair in _pairs(case).items() if "i0_ref" in pair}
    for entry in case.to_dict().get("kinetics", []):
        if entry["surface"] != "counter" and isinstance(entry.get("i0"), str):
            rates[entry["surface"]] = parse_quantity(entry["i0"], "A/m^2")
    return rates


def _all_walls(key: str, value: str) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        data.setdefault("kinetics", []).append({"surface": "*", key: value})

    return switch


def _regions(values: Mapping[str, str], key: str) -> Callable[[Data], None]:
    def switch(data: Data) -> None:
        for name, value in values.items():
            data.setdefault("regions", {}).setdefault(name, {})[key] = value

    return switch


def why(folder: Path, *, only: Sequence[str] = (), quiet: bool = True) -> dict[str, Any]:
    """Solve all combinations for the case of a result; writes `why.json` and `why/` beside it.

    Args:
        folder: of a result.
        only: names of ingredients; default the first five that the case has.
        quiet: no line for each solve.

    Raises:
        CaseError: no such ingredient, or a study that is no state of a cell.
        RunError: the state with all ingredients cannot be solved.
    """
    case = Case.load(folder / "case.toml")
    if case.study not in ("primary", "secondary", "steady", "tertiary"):
        raise CaseError(f"why: study {case.study!r} has no state that one solve gives; ask a "
                        "secondary, steady or tertiary study of the same case")
    known = {i.name: i for i in ingredients(case)}
    if lost := [name for name in only if name not in known]:
        raise CaseError(f"why: no ingredient {lost[0]!r}; this case has: {', '.join(known)}")
    chosen = [known[name] for name in only] or list(known.values())[:MOST]
    left_out = [name for name in known if name not in {i.name for i in chosen}]
    corners: dict[Corner, dict[str, float]] = {}
    everything = frozenset(i.name for i in chosen)
    for on in (frozenset(c) for n in range(len(chosen), -1, -1)
               for c in itertools.combinations(sorted(everything), n)):
        corners[on] = _solve(case, chosen, on, folder, quiet)
    finer = _solve(case, chosen, everything, folder, quiet, finer=True)
    error = {name: abs(finer[name] - corners[everything][name]) for name in METRICS
             if name in finer and name in corners[everything]}
    names = [name for name in METRICS if all(name in c for c in corners.values())]
    found = {name: effects({on: c[name] for on, c in corners.items()}) for name in names}
    answer = {
        "method": "Each ingredient switched off in all combinations, one secondary or steady solve "
        f"each ({len(corners)}); an effect below 3 times the change on a mesh of half the size is "
        "none. Shown: main effect (Shapley share). "
        + (f"Left out: {', '.join(left_out)}." if left_out else ""),
        "metrics": names,
        "error": error,
        "all": corners[everything], "none": corners[frozenset()],
        "rows": [
            {"name": i.name, "off": i.off, "numbers": {m: found[m][i.name] for m in names},
             "effects": {m: _shown(found[m][i.name], error.get(m)) for m in names}}
            for i in chosen
        ],
    }  # fmt: skip
    write_text(folder / "why.json", json.dumps(answer, indent=2) + "\n")
    return answer


def _solve(
    case: Case, chosen: Sequence[Ingredient], on: Corner, folder: Path, quiet: bool,
    finer: bool = False,
) -> dict[str, float]:
    """Metrics of one state; an earlier answer is read again."""
    from fem.run.session import run

    data = copy.deepcopy(case.to_dict())
    study = case.study if case.study == "primary" else "secondary"
    data["study"] = "steady" if "salt gradient" in on else study
    data["protocol"] = data["protocol"][:1]
    for name in ("time", "probe", "initial"):
        data.pop(name, None)
    data["output"] = {"figures": False}
    for ingredient in (i for i in chosen if i.name not in on):
        ingredient.switch(data)
    if finer and "geometry" in data:
        from geometries.resolution import refined

        data["geometry"] = refined(case.sized_geometry or {}, 0.5)
    elif finer:
        data["mesh"]["refine"] = data["mesh"].get("refine", 0) + 1
    bits = "".join("1" if i.name in on else "0" for i in chosen)
    where = folder / "why" / ("finer" if finer else f"on_{bits}")
    try:
        solved = run(Case.from_dict(data, folder=folder), where, overwrite=True, quiet=True)
    except RunError as error:
        what = "all ingredients" if len(on) == len(chosen) else f"only {', '.join(sorted(on))}"
        raise RunError(f"why: the state with {what} cannot be solved: {error}; leave an ingredient "
                       "out with --only") from None
    if not quiet:
        print(f"{bits}{' finer' if finer else ''}: {', '.join(sorted(on)) or 'none'}", flush=True)
    flat = numbers(Result(where).summary)
    del solved
    return {name: flat[key] for name, key in METRICS.items() if key in flat}


def effects(corners: Mapping[Corner, float]) -> dict[str, dict[str, Any]]:
    """Main effect, last-in effect, Shapley share and strongest partner of each ingredient.

    Args:
        corners: metric for each set of ingredients that are on.
    """
    everything = max(corners, key=len)
    n, full, nothing = len(everything), corners[everything], corners[frozenset()]
    out: dict[str, dict[str, Any]] = {}
    for k in sorted(everything):
        rest = everything - {k}
        shapley = sum(
            math.factorial(len(s)) * math.factorial(n - len(s) - 1) / math.factorial(n)
            * (corners[s | {k}] - corners[s])
            for size in range(n) for s in map(frozenset, itertools.combinations(sorted(rest), size))
        )
        pairs = {m: full - corners[rest] - corners[everything - {m}] + corners[rest - {m}]
                 for m in sorted(rest)}
        main, last_in = full - corners[rest], corners[frozenset({k})] - nothing
        out[k] = {"main": main, "last_in": last_in, "shapley": shapley, "pairs": pairs,
                  "flips": main * last_in < 0.0}
    return out


def _shown(found: Mapping[str, Any], error: float | None) -> str:
    """An effect in words."""
    sizes = [abs(found[name]) for name in ("main", "last_in", "shapley")]
    if error is not None and max(sizes) <= 3.0 * error:
        return "none"
    main = "none" if error is not None and sizes[0] <= 3.0 * error else f"{found['main']:+.4g}"
    text = f"{main} ({found['shapley']:+.4g})"
    alone = error is None or sizes[1] > 3.0 * error
    if found["flips"] and alone and main != "none" and found["pairs"]:
        partner = max(found["pairs"], key=lambda m: abs(found["pairs"][m]))
        text += f"; alone {found['last_in']:+.4g}: acts with {partner}"
    return text


def table(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer as lines of text."""
    yield answer["method"]
    rows = [["ingredient", *answer["metrics"]]]
    rows += [[r["name"], *(r["effects"][m] for m in answer["metrics"])] for r in answer["rows"]]
    for what in ("all", "none"):
        rows.append([f"m({what})", *(f"{answer[what][m]:.6g}" for m in answer["metrics"])])
    rows.append(["3 x error", *(f"{3 * answer['error'].get(m, math.nan):.1e}"
                                for m in answer["metrics"])])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
