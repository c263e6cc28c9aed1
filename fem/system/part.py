"""A piece of a physics: unknowns, terms in rows, and what is measured of them.

Every physics is made of parts. Those that measure something derive from `Observer`, too; a run asks
all of them in the order in which they were made.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from fem.base.errors import RunError, nearest

if TYPE_CHECKING:
    from fem.system.system import System

__all__ = ["Begun", "Cause", "Event", "Observer", "Part", "Warn", "check_needs", "titled"]


@runtime_checkable
class Part(Protocol):
    """A small object with data, that declares unknowns and adds rows.

    Attributes:
        provides: names that it defines.
        needs: names that others must define.
    """

    @property
    def provides(self) -> tuple[str, ...]:
        """Names that it defines."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names that it reads."""

    def declare(self, s: System) -> None:
        """Add the unknowns and define the names that `provides` promises."""

    def rows(self, s: System) -> None:
        """Add terms to rows; every name of `needs` is defined by now."""


def check_needs(parts: Sequence[Part], given: Iterable[str] = ()) -> None:
    """Every name that a part reads is provided by another one.

    Raises:
        RunError: which part lacks what, and what there is.
    """
    have = {name for p in parts for name in p.provides} | set(given)
    for p in parts:
        for name in (n for n in p.needs if n not in have):
            raise RunError(
                f"{titled(p)} needs {name!r}, which nothing provides here; {nearest(name, have)}"
            )


def titled(part: Part | Observer, method: str = "") -> str:
    """Class, method and origin of a part as its reader knows it: its physics, or a user's file."""
    module = type(part).__module__
    package, _, rest = module.partition(".physics.")
    if package == "fem" and rest:
        home = f"physics {rest.partition('.')[0]!r}"
    elif module.partition(".")[0] == "fem":
        home = module
    else:
        home = str(getattr(sys.modules.get(module), "__file__", None) or module)
    return f"{type(part).__name__}{'.' * bool(method)}{method} of {home}"


@dataclass(frozen=True)
class Event:
    """Something that has happened, as the summary keeps it.

    Attributes:
        name: of the event.
        numbers: what goes with it, SI; lists and texts may be among them.
        ends: the protocol step or the run that it ends, if any.
        jump: rates jump at it: the next step is of first order.
        once: it is reported the first time only.
        reason: why, in words; of one that leaves a run nothing to do.
        look: remarks of the whole mesh are asked for at it.
    """

    name: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    ends: Literal["run", "step", ""] = ""
    jump: bool = False
    once: bool = False
    reason: str = ""
    look: bool = False

    def __post_init__(self) -> None:
        """Refuse an end that no run knows."""
        if self.ends not in ("run", "step", ""):
            raise RunError(f"event {self.name!r}: ends = {self.ends!r}; give 'run', 'step' or ''")


class Warn(NamedTuple):
    """Warning: printed when its key is new, kept in the summary.

    Attributes:
        key: under which it is known.
        text: the remark; brought up to date when it comes again.
        once: it stays as it was the first time.
    """

    key: str
    text: str
    once: bool = False


class Cause(NamedTuple):
    """Something that may keep a protocol step from starting, and that was looked into.

    Attributes:
        name: in a word or two.
        likely: it may well be the reason.
        found: what was found, as a clause.
    """

    name: str
    likely: bool
    found: str


class Begun(NamedTuple):
    """The segment that a run is in: one thing that is imposed.

    Attributes:
        segment: what is imposed (`fem.run.segments.Segment`).
        t: time at which it began, s.
        charge: that had passed then, C (2D: C/m).
        fresh: it begins now; else a run is resumed within it.
    """

    segment: Any
    t: float
    charge: float
    fresh: bool = True


class Observer:
    """Base of parts that measure. All methods are collective, and all may be left as they are.

    An observer that reads the system and adds nothing to it needs neither `declare` nor `rows`.

    A step that was found may still be rejected: ledgers that `step` fills count from `accept` on.
    Numbers that have to outlive the run stand in `System.kept`.

    Attributes:
        s: the system.
        makes: those of its physics' optional columns that it makes.
        lands: its `share` is met down to the smallest step, as a cut-off is; shares of others
            shorten no step below ten times that.
    """

    provides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    lands: bool = False

    def declare(self, s: System) -> None:
        """Add unknowns, and define the names of `provides`; keep the system."""
        self.s = s

    def rows(self, s: System) -> None:
        """Add terms to rows, and make what is measured; other parts have declared theirs."""

    def begin(self) -> None:
        """Take the present state as the reference of balances; not called by a resumed run."""

    def recall(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Take up a state that was restored from a checkpoint.

        Args:
            events: that the run has noted, as the summary keeps them.
        """

    def impose(self, begun: Begun) -> None:
        """Note what is imposed from now on; potentials that fit are not found yet."""

    def ready(self, segment: Any) -> str | None:
        """Give the current of a segment something to act on, before potentials are looked for.

        Returns:
            Why it cannot begin, if so, in a few words; `causes` says more.
        """
        del segment
        return None

    def wake(self) -> bool:
        """Begin what the potentials just found would start; True: they must be found again."""
        return False

    def causes(self, segment: Any) -> Iterable[Cause]:
        """Reasons why a segment (`fem.run.segments.Segment`) may not start, each looked into."""
        del segment
        return ()

    def lasts(self, density: float) -> float:
        """Time for which what reacts lasts at a flat wall that draws a current, s.

        After a jump by that current nothing here changes much in a far shorter time, which says
        how short steps may have to be. 0 if that is not known; infinite if nothing runs out.

        Args:
            density: of the current, A/m2.
        """
        del density
        return math.inf

    def adopt(self, ledgers: Mapping[str, Any], kept: Mapping[str, float]) -> None:
        """Take up what another run has left, after its unknowns were taken over (collective).

        Args:
            ledgers: of it; those of this run begin with 0.
            kept: its `System.kept`, from which what its unknowns are counted may follow.
        """

    def step(self, scale: float) -> Mapping[str, float]:
        """Measure the step just solved, before `System.accept`.

        Args:
            scale: cell current that errors are compared with, A.

        Returns:
            The columns of its physics, SI; those per area for the whole cell.
        """
        del scale
        return {}

    def accept(self) -> None:
        """Make the ledgers of `step` the accepted ones."""

    def share(self) -> float | None:
        """Share of the step just solved after which something happens; None: go on."""
        return None

    def first_events(self) -> Iterable[Event | Warn]:
        """Events and warnings of the state that a run begins with; potentials fit it."""
        return ()

    def events(self) -> Iterable[Event | Warn]:
        """Events and warnings of the last accepted step.

        Raises:
            RunError: a state that the run must not go on from.
        """
        return ()

    def nothing_to_do(self) -> Event | None:
        """Say that what is imposed has nothing to act on.

        Asked before its first step, and after each that no other event has ended.

        Raises:
            RunError: and it would not end by itself.
        """
        return None

    def show(self) -> None:
        """Bring memories that are written as fields up to date."""

    def summary(self) -> Mapping[str, Any]:
        """Entries of the summary on the present state, beside the columns."""
        return {}

    def outlook(self, cycles: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Entries of the summary that follow from a run's cycles.

        Args:
            cycles: a row each, as the summary has them.
        """
        del cycles
        return {}

    def remarks(self, *, closely: bool) -> Iterable[tuple[str, str]]:
        """Warnings, each with a key under which it is printed once.

        Args:
            closely: at the end of the run, of its last state; else when the model is built.
        """
        del closely
        return ()

    def stuck(self) -> Event | str | None:
        """Reason why no step can be taken: an event that ends the run as a result, or a way out."""
        return None
