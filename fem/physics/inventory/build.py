"""From [inventory] of a case to its books."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fem.materials import library
from fem.physics.inventory.ledger import Books
from fem.physics.inventory.losses import Losses, stranded_share
from fem.physics.inventory.stack import weights
from fem.physics.inventory.table import Inventory
from fem.results.result import Result
from fem.setup.setup import Setup
from fem.values.properties import number, varies

__all__ = ["build"]


def build(setup: Setup, table: Inventory) -> Iterator[Books]:
    """The books of a case, with the losses that it gives.

    Raises:
        CaseError: the run that gives them has none.
    """
    numbers, stated = _losses(table)
    pores = {}
    for name in setup.ionic:
        filling = setup.fillings[name]
        if isinstance(filling.material, library.Electrolyte):
            porosity = 1.0 if filling.porosity is None else filling.porosity
            pores[name] = 1.0 if varies(porosity) else number(porosity)
    resolved = not any(filling.porous for filling in setup.fillings.values())
    hosted = resolved and setup.domain.host is not None
    weigh = None
    if table.stack is not None:
        weights(setup, table.stack, 0.0)  # what is missing is said before the run begins
        weigh = functools.partial(weights, setup, table.stack)
    yield Books(numbers, stated, setup.case.metal_data, pores, hosted, weigh)


def _losses(table: Inventory) -> tuple[Losses, dict[str, Any]]:
    """Losses, and what a result says of where they are from."""
    stated: dict[str, Any] = {}
    given = {"stranded": 0.0, "decay": 0.0, "sei": 0.0}
    if (dead := table.dead) is not None and dead.from_ is not None:
        folder = Path(dead.from_)
        given["stranded"] = stranded_share(folder)
        stated["dead"] = {
            "law": "fraction", "share": given["stranded"], "status": dead.status,
            "source": f"resolved run {str(folder)!r}, {Result(folder).summary.get('title', '')!r}",
            "mesh_hash": Result(folder).summary.get("mesh_hash", ""),
        }  # fmt: skip
    elif dead is not None:
        given["stranded"], given["decay"] = dead.share or 0.0, dead.rate or 0.0
        key = "share" if dead.law == "fraction" else "rate"
        stated["dead"] = {
            "law": dead.law, key: getattr(dead, key), "status": dead.status, "source": dead.source
        }  # fmt: skip
    if table.sei is not None:
        given["sei"] = table.sei.share
        stated["sei"] = {
            "law": "fraction", "share": table.sei.share, "status": table.sei.status,
            "source": table.sei.source,
        }  # fmt: skip
    return Losses(**given), stated
