"""Retention beyond what was simulated, where the efficiency of cycles has come to rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fem import theory

__all__ = ["END_SHARE", "extrapolated"]

#: Fewest cycles of constant efficiency that anything is extrapolated from.
FEWEST = 5
#: Largest spread of what they lose, over their mean loss, that counts as constant.
CONSTANT_SPREAD = 0.01
#: Share of the capacity at which the life of a cell is said to end.
END_SHARE = 0.8


def extrapolated(
    cycles: Sequence[Mapping[str, Any]], counter: str
) -> dict[str, Any]:
    """Cycles from now until `END_SHARE` of the capacity is left, which nobody has simulated.

    Q_n = Q_0 for n* = (N/P - 1)/(1 - CE) cycles, then CE^(n - n*), with CE that of the metal, what
    is neither dead nor in the SEI of what was plated: a cathode gets back all that it gave as long
    as there is spare metal. N/P counts the metal that is there to be cycled: what stays live when a
    cycle has ended, and what a foil holds; what a cathode keeps below its cut-off is none.

    Args:
        cycles: rows of a run, complete but perhaps for the last.
        counter: `foil`, `cathode`, or `endless`: then N/P is that of no excess.

    Returns:
        `of`: what it is; and `cycles`, `efficiency`, `n_p`, `cycles_of_excess`,
        `cycles_to_80_percent`, or `why` there are none.
    """
    last = [row for row in cycles if row["plated"] and row["stripped"]][-FEWEST:]
    efficiency = [1.0 - (row["gain_dead"] + row["gain_sei"]) / row["plated"] for row in last]
    of = f"extrapolated from the last {FEWEST} cycles, not simulated"
    if len(last) < FEWEST:
        return {"of": of, "why": f"{len(last)} cycles; {FEWEST} of constant efficiency are needed"}
    mean = sum(efficiency) / FEWEST
    loss, spread = 1.0 - mean, max(efficiency) - min(efficiency)
    if not 0.0 < loss < 1.0:
        return {"of": of, "why": f"the efficiency is {mean:.6g}: nothing is lost"}
    if spread > CONSTANT_SPREAD * loss:
        return {
            "of": of,
            "why": f"the efficiency is not constant: it spreads by {spread:.2g} where {loss:.2g} "
            f"is lost, more than {CONSTANT_SPREAD:.0%} of that",
        }
    plated = float(last[-1]["plated"])
    live, held = float(last[-1]["metal_live"]), float(last[-1]["metal_counter"])
    n_p = {"foil": (live + held) / plated, "cathode": 1.0 + live / plated, "endless": 1.0}[counter]
    n_p = max(n_p, 1.0)
    return {
        "of": of, "cycles": FEWEST, "efficiency": mean, "n_p": n_p,
        "cycles_of_excess": theory.cycles_of_excess(mean, n_p),
        "cycles_to_80_percent": theory.cycles_to(END_SHARE, mean, n_p),
    }  # fmt: skip
