"""Remarks on what is no error: collected, printed once, kept in `summary.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fem.case import depth, liquids, names
from fem.case.summary import assumed_zero, dead_walls
from fem.setup import edges, pieces
from fem.setup.idle import idle
from fem.setup.setup import CONDUCTIVITY_SHARE
from fem.study.build import Model

__all__ = ["Remarks"]


class Remarks:
    """Warnings of one run.

    Args:
        model: what is solved.
        log: prints a line.
    """

    def __init__(self, model: Model, log: Callable[[str], None]):
        self.model, self.log = model, log
        self.logged: dict[str, str] = {}
        for key, text in self._of_the_model():
            self.add(key, text)

    @property
    def texts(self) -> list[str]:
        """All of them, in the order in which they came up."""
        return list(self.logged.values())

    def add(self, key: str, text: str, once: bool = False) -> None:
        """Add a warning; printed when its key is new, brought up to date later, but for `once`."""
        if key not in self.logged:
            self.log(f"warning: {text}")
        elif once:
            return
        self.logged[key] = text

    def restore(self, kept: dict[str, str]) -> None:
        """Go on from those of a checkpoint; nothing is printed again."""
        self.logged = kept | self.logged

    def _of_the_model(self) -> Iterator[tuple[str, str]]:
        model = self.model
        if model.capped:
            yield "sigma", (
                f"sigma of {', '.join(model.capped)} was lowered to {CONDUCTIVITY_SHARE:g} times "
                "the ionic conductivity, which changes no potential visibly"
                + ("; necks and gaps of metal need four times the width of its front (see "
                   "docs/growth.md)" if {*model.capped} - {*model.domain.regions} else "")
            )
        for text in (*model.domain.sidecar.get("remarks", ()), *assumed_zero(model.case)):
            yield text, text
        for text in idle(model.setup):
            yield text, text
        yield from ((text, text) for text in dead_walls(model.case))
        yield from (("tail, foreseen", text) for text in depth.notes(vars(model.case)))
        yield from ((text, text) for text in liquids.notes(vars(model.case)))
        for text in names.unmatched(vars(model.case), model.domain.regions, model.case.places()):
            yield text, text
        if bare := edges.insulated(model.case, model.domain):
            yield "insulated", f"boundaries without a condition are insulated: {', '.join(bare)}"
        yield from pieces.remarks(model.floating)
        for observer in model.observers:
            yield from observer.remarks(closely=False)

    def check_closely(self) -> None:
        """Warnings that cost a pass over the mesh (collective)."""
        for observer in self.model.observers:
            for key, text in observer.remarks(closely=True):
                self.add(key, text)
