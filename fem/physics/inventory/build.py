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
from fem.physics.inventory.table import Dead, Inventory, Sei
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
    dead, side = table.dead or Dead(), table.sei
    stranded = dead.share or 0.0 if dead.from_ is None else stranded_share(Path(dead.from_))
    losses = Losses(stranded, dead.rate or 0.0, 0.0 if side is None else side.share)
    return losses, {name: _stated(loss) for name, loss in table.losses.items()}


def _stated(loss: Dead | Sei) -> dict[str, Any]:
    """A loss and where it is from, for a summary."""
    if isinstance(loss, Dead) and loss.from_ is not None:
        folder = Path(loss.from_)
        run = Result(folder).summary
        return {
            "law": "fraction", "share": stranded_share(folder), "status": loss.status,
            "source": f"resolved run {str(folder)!r}, {run.get('title', '')!r}",
            "mesh_hash": run.get("mesh_hash", ""),
        }  # fmt: skip
    law = loss.law if isinstance(loss, Dead) else "fraction"
    key = "rate" if law == "decay" else "share"
    return {"law": law, key: getattr(loss, key), "status": loss.status, "source": loss.source}
