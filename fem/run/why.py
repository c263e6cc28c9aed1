r"""Answer to what decides: ingredients of a case switched off, in all combinations, one solve each.

With metric m and ingredients k of a set N

    main effect   m(N) - m(N without k)        what is lost without it
    last in       m(only k) - m(none)          what it does alone
    Shapley       sum over S without k of |S|! (n - |S| - 1)!/n! (m(S and k) - m(S))

Shapley's shares add up to m(N) - m(none). Where main effect and last in differ in sign, ingredients
act on each other; so do all whose m(N) - m(-k) - m(-l) + m(-k -l), what both do beyond the sum of
what each does, is not none. An effect below 3 times the change of m on a mesh of half the size is
none. Each state is one solve: `secondary` with the salt as at the start, `steady` with its
gradient; salt and metal on walls are those of the start, so this is what decides at the beginning
of a plating. A run whose metric left m(N) by more than the largest main effect says so. What cannot
be switched off because the host has no mesh then is left out. Or each is a whole run with its
protocol: what decides at its end; then half a time step counts in the error as well.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError, RunError
from fem.base.folder import write_text
from fem.case.case import Case
from fem.case.ingredients import ingredients
from fem.case.meshes import mesh_folder
from fem.contract.physics import Ingredient
from fem.contract.registry import with_own
from fem.results.comparison import numbers
from fem.results.result import Result

__all__ = ["effects", "table", "why"]

Corner = frozenset[str]

#: Metrics that are asked for, as the summary has them.
METRICS = {"B": "metrics.bottom_up", "voltage": "voltage", "max/mean": "metrics.max_mean"}
#: Ingredient that makes a state steady, where a case has secondary ones.
SALT = "salt gradient"
#: Most ingredients that are chosen where none are named: 2^5 solves, 2^3 runs.
MOST, MOST_OF_RUN = 5, 3
#: Studies that have states which one solve gives.
OF_STATES = ("primary", "secondary", "steady", "tertiary")
#: Effects below this many times the discretisation error are none.
TIMES_ERROR = 3.0
#: Least change of B, or relative one of max/mean, that a run is said to make by itself.
MOVED = 0.01


def why(
    folder: Path, *, only: Sequence[str] = (), whole: bool = False, quiet: bool = True
) -> dict[str, Any]:
    """Solve all combinations for the case of a result; writes `why.json` and `why/` beside it.

    Args:
        folder: of a result.
        only: names of ingredients; default the first that the case has.
        whole: each combination is a run with the case's protocol, not one state.
        quiet: no line for each solve.

    Raises:
        CaseError: no such ingredient, or a study that is no state of a cell.
        RunError: the state with all ingredients cannot be solved.
    """
    case = Case.load(folder / "case.toml")
    chosen, left_out = _chosen(case, folder, only, whole)
    everything = frozenset(i.name for i in chosen)
    solver = _Solver(case, chosen, folder, whole, quiet)
    corners = {
        on: solver.solve(on)
        for size in range(len(chosen), -1, -1)
        for on in map(frozenset, itertools.combinations(sorted(everything), size))
    }
    finer = [solver.solve(everything, finer=what) for what in (("mesh", "time") if whole else
                                                              ("mesh",))]
    error = {name: sum(abs(f[name] - corners[everything][name]) for f in finer)
             for name in METRICS
             if name in corners[everything] and all(name in f for f in finer)}
    names = [name for name in METRICS if all(name in c for c in corners.values())]
    found = {name: effects({on: c[name] for on, c in corners.items()}) for name in names}
    answer = {
        "method": _method(len(corners), whole, left_out),
        "metrics": names,
        "error": error,
        "all": corners[everything], "none": corners[frozenset()],
        **_later(folder, found, corners[everything], error, case.study == "tertiary" and not whole),
        "rows": [
            {"name": i.name, "off": i.off, "numbers": {m: found[m][i.name] for m in names},
             "effects": {m: _shown(found[m][i.name], error.get(m)) for m in names}}
            for i in chosen
        ],
        "pairs": [
            {"pair": [a.name, b.name], "numbers": sizes}
            for a, b in itertools.combinations(chosen, 2)
            if (sizes := {m: both for m in names if m in error
                          and abs(both := found[m][a.name]["pairs"][b.name])
                          > TIMES_ERROR * error[m]})
        ],
    }  # fmt: skip
    write_text(folder / "why.json", json.dumps(answer, indent=2) + "\n")
    return answer


def _chosen(
    case: Case, folder: Path, only: Sequence[str], whole: bool
) -> tuple[list[Ingredient], list[str]]:
    """Ingredients to be switched off, and those that are not, with the reason if there is one.

    Raises:
        CaseError: no such ingredient, none is left, or a study that is no state of a cell.
    """
    if case.study not in OF_STATES and not whole:
        raise CaseError(f"why: study {case.study!r} has no state that one solve gives; ask with "
                        "--run, which runs the case once for each combination, or ask a secondary, "
                        "steady or tertiary study of the same case")
    known = {i.name: i for i in ingredients(case, run=whole)}
    if not known:
        raise CaseError("why: nothing of this case can be switched off")
    if lost := [name for name in only if name not in known]:
        raise CaseError(f"why: no ingredient {lost[0]!r}; this case has: {', '.join(known)}")
    refused: dict[str, str] = {}
    if not whole and (reason := _never_secondary(case)) and SALT in known:
        refused[SALT] = f"{SALT} ({reason})"
        if SALT in only:
            raise CaseError(f"why: {refused[SALT]}; ask with --run")
        if not (known := {name: i for name, i in known.items() if name != SALT}):
            raise CaseError(f"why: nothing is left to be asked: {refused[SALT]}")
    most = MOST_OF_RUN if whole else MOST
    wanted = [known[name] for name in dict.fromkeys(only)]
    chosen, flat = _with_meshes(case, folder, wanted or [*known.values()], len(wanted) or most)
    refused |= flat
    if not chosen:
        raise CaseError(f"why: nothing is left to be asked: {'; '.join(refused.values())}")
    kept = {i.name for i in chosen}
    left_out = [refused.get(name, name) for name in {**known, **refused} if name not in kept]
    return chosen, left_out + ([] if whole else [*_unmet(case).values()])


def _method(solves: int, whole: bool, left_out: Sequence[str]) -> str:
    """Words for what was done."""
    kind = ("run with the protocol of the case" if whole else
            "secondary or steady solve of the beginning")
    text = (
        f"Each ingredient switched off in all combinations, one {kind} each ({solves}); an effect "
        f"below {TIMES_ERROR:g} times the change on a mesh of half the size"
        f"{' and with half the time step' if whole else ''} is none. Shown: main effect (Shapley "
        "share). "
    )
    return text + (f"Left out: {'; '.join(left_out)}." if left_out else "")


def _never_secondary(case: Case) -> str:
    """Reason why no state has the salt as at the start; empty if one has."""
    asking = [part.name for part in case.taking_part()
              if "secondary" not in part.studies and "steady" in part.studies]
    return f"with {', '.join(asking)} all states are steady, and have it" if asking else ""


def _unmet(case: Case) -> dict[str, str]:
    """Keys of [initial] that a state does not start from, and what stands for each."""
    initial, unmet = case.initial, {}
    if initial.from_ is not None:
        unmet["from"] = "initial.from (bare walls and the salt of the electrolyte in its place)"
    for key in {*type(initial).model_fields} & {*with_own().fields}:
        if getattr(getattr(initial, key), "variables", ()):
            unmet[key] = (f"initial.{key}, which varies in space (that of the electrolyte in its "
                          "place)")
    return unmet


def _later(
    folder: Path, found: Mapping[str, Mapping[str, Mapping[str, Any]]], start: Mapping[str, float],
    error: Mapping[str, float], timed: bool,
) -> dict[str, Any]:
    """End of the run of a result, and a word if its time changed more than any ingredient.

    Args:
        folder: of the result.
        found: effects of each ingredient by metric.
        start: metrics of the state with all ingredients.
        error: of each.
        timed: the result is one of a run in time, the states are of its beginning.
    """
    if not timed:
        return {}
    flat = numbers(Result(folder).summary)
    end = {name: flat[METRICS[name]] for name in found if METRICS[name] in flat}
    moved = [name for name, value in end.items() if name != "voltage" and abs(
        value - start[name]) > max([TIMES_ERROR * error.get(name, 0.0), MOVED * abs(start[name]),
                                    MOVED, *(abs(k["main"]) for k in found[name].values())])]
    said = ", ".join(f"{name} = {end[name]:.4g}, not {start[name]:.4g}" for name in moved)
    caution = (f"The run ended with {said}: what happens during it changes more than any "
               "ingredient does at its beginning; ask with --run what decides at its end.")
    return {"end": end, "caution": caution if moved else ""}


def _with_meshes(
    case: Case, folder: Path, wanted: Sequence[Ingredient], most: int
) -> tuple[list[Ingredient], dict[str, str]]:
    """The first ingredients in all whose combinations the host has a mesh; why others have none.

    Args:
        case: with all of them.
        folder: of its result.
        wanted: ingredients, most telling first.
        most: number of ingredients.
    """
    kept: list[Ingredient] = []
    refused: dict[str, str] = {}
    for new in wanted:
        if len(kept) == most:
            break
        try:
            if _reshapes(new, case):
                shaping = [i for i in kept if _reshapes(i, case)]
                for off in (c for n in range(len(shaping) + 1)
                            for c in itertools.combinations(shaping, n)):
                    data = copy.deepcopy(case.to_dict())
                    for ingredient in (*off, new):
                        ingredient.switch(data)
                    mesh_folder(Case.from_dict(data, folder=folder))
        except (CaseError, RunError) as error:
            refused[new.name] = f"{new.name} (no mesh without it: {' '.join(str(error).split())})"
        else:
            kept.append(new)
    return kept, refused


def _reshapes(ingredient: Ingredient, case: Case) -> bool:
    """Without this ingredient the host has another mesh."""
    data = copy.deepcopy(case.to_dict())
    ingredient.switch(data)
    return bool(data.get("geometry") != case.to_dict().get("geometry"))


class _Solver:
    """Solves a case with some of its ingredients, in folders beside its result.

    Args:
        case: with all of them.
        chosen: ingredients that are switched.
        folder: of the result.
        whole: runs with a protocol, not states.
        quiet: no line for each.
    """

    def __init__(
        self, case: Case, chosen: Sequence[Ingredient], folder: Path, whole: bool, quiet: bool
    ):
        self.case, self.chosen, self.folder = case, chosen, folder
        self.whole, self.quiet = whole, quiet

    def solve(self, on: Corner, finer: str = "") -> dict[str, float]:
        """Metrics with the ingredients `on`, on a finer `mesh` or in finer `time` if asked.

        Raises:
            RunError: it cannot be built or solved; says with which ingredients.
        """
        from fem.run.session import run

        bits = "".join("1" if i.name in on else "0" for i in self.chosen)
        where = self.folder / "why" / (f"finer_{finer}" if finer else f"on_{bits}")
        try:
            run(Case.from_dict(self._data(on, finer), folder=self.folder), where, overwrite=True,
                quiet=True)
        except (CaseError, RunError) as error:
            what = "all ingredients" if len(on) == len(self.chosen) else (
                f"only {', '.join(sorted(on))}" if on else "no ingredient")
            raise RunError(f"why: the state with {what} cannot be solved: {error}; leave an "
                           "ingredient out with --only") from None
        if not self.quiet:
            said = f" finer {finer}" if finer else ""
            print(f"{bits}{said}: {', '.join(sorted(on)) or 'none'}", flush=True)
        flat = numbers(Result(where).summary)
        return {name: flat[key] for name, key in METRICS.items() if key in flat}

    def _data(self, on: Corner, finer: str) -> dict[str, Any]:
        """The case as it is solved."""
        case = self.case
        data = copy.deepcopy(case.to_dict())
        data["output"] = {"figures": False}
        if not self.whole:
            study = case.study if case.study == "primary" else "secondary"
            data["study"] = "steady" if SALT in on or _never_secondary(case) else study
            data["protocol"] = [acting(data["protocol"])]
            for name in ("time", "probe"):
                data.pop(name, None)
            for name in _unmet(case):
                del data["initial"][name]
        for ingredient in (i for i in self.chosen if i.name not in on):
            ingredient.switch(data)
        if finer == "time":
            t = case.time
            data["time"] = data.get("time", {}) | {
                "tolerance": t.tolerance / 8.0, "dt0": f"{t.dt0 / 2.0:.12g} s"}
            if t.dt_max is not None:
                data["time"]["dt_max"] = f"{t.dt_max / 2.0:.12g} s"
        elif finer and "geometry" in data:
            from geometries.resolution import refined

            data["geometry"] = refined(case.sized_geometry or {}, 0.5)
        elif finer:
            data["mesh"]["refine"] = data["mesh"].get("refine", 0) + 1
        return data


def acting(steps: Sequence[Mapping[str, Any]]) -> Any:
    """The first step of a protocol that is no rest; of a cycle the first of its own."""
    every = [step for given in steps for step in given.get("steps", [given])]
    return next((step for step in every if step["step"] != "rest"), every[0])


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
    least = TIMES_ERROR * (error or 0.0)
    if error is not None and max(sizes) <= least:
        return "none"
    main = "none" if error is not None and sizes[0] <= least else f"{found['main']:+.4g}"
    text = f"{main} ({found['shapley']:+.4g})"
    alone = error is None or sizes[1] > least
    if found["flips"] and alone and main != "none" and found["pairs"]:
        partner = max(found["pairs"], key=lambda m: abs(found["pairs"][m]))
        text += f"; alone {found['last_in']:+.4g}: acts with {partner}"
    return text


def titled(metric: str) -> str:
    """Metric with its unit, if it has one, for the head of a table."""
    unit = with_own().unit(METRICS.get(metric, metric))
    return f"{metric} ({unit})" if unit else metric


def meanings(metrics: Sequence[str]) -> Iterator[str]:
    """Lines on metrics under a short name: their name in a summary, and its meaning."""
    known = with_own().metrics
    for metric in metrics:
        group, _, name = METRICS.get(metric, "").partition(".")
        if group == "metrics" and name in known:
            yield f"{metric} is {name}: {known[name].doc}"


def table(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer as lines of text."""
    yield answer["method"]
    yield from meanings(answer["metrics"])
    rows = [["ingredient", *map(titled, answer["metrics"])]]
    rows += [[r["name"], *(r["effects"][m] for m in answer["metrics"])] for r in answer["rows"]]
    for what in ("all", "none"):
        rows.append([f"m({what})", *(f"{answer[what][m]:.6g}" for m in answer["metrics"])])
    rows.append(["3 x error", *(f"{3 * answer['error'].get(m, math.nan):.1e}"
                                for m in answer["metrics"])])
    if answer.get("end"):
        rows.append(["end of the run", *(f"{answer['end'][m]:.6g}" if m in answer["end"] else "-"
                                         for m in answer["metrics"])])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    if answer["pairs"]:
        yield "pairs that act on each other, by what both do beyond the sum of each:"
        for row in answer["pairs"]:
            sizes = ", ".join(f"{m} {v:+.4g}" for m, v in row["numbers"].items())
            yield f"  {' and '.join(row['pair'])}: {sizes}"
    elif len(answer["rows"]) > 1:
        yield "no pair acts on each other beyond the error"
    if answer.get("caution"):
        yield answer["caution"]
