"""Events of a run: what has happened, in which protocol step, when, and what it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fem.run.segments import Segment
from fem.study.build import Model
from fem.system.part import Event
from fem.values.units import shown_point

__all__ = ["Events", "words"]

#: Units of what every event has, and of metal or room that is left.
_UNITS = {"t": "s", "t_in_segment": "s", "voltage": "V", "left": "C/m^2"}


class Events:
    """All events of a run, as its summary keeps them.

    What an event ends is said by its kind, where a physics declares one, else by the event itself.

    Args:
        model: whose physics declare kinds of events.
        log: prints a line.

    Attributes:
        noted: an entry for each, the oldest first.
    """

    def __init__(self, model: Model, log: Callable[[str], None]):
        self.model, self.log = model, log
        self.kinds = model.case.guests.registry.events
        self.noted: list[dict[str, Any]] = []

    def restore(self, kept: Iterable[dict[str, Any]]) -> None:
        """Go on from those of a checkpoint; what ended its run, whatever the case says, is dropped.

        A resumed run tries again.
        """
        self.noted = []
        for entry in kept:
            declared = self._declared_end(entry["event"])
            if (entry.get("ends") if declared is None else declared) != "run":
                self.noted.append(entry)

    def note(self, event: Event, segment: Segment, number: int, start: float) -> None:
        """Keep an event with the present time and voltage, and print it (collective).

        Args:
            event: what has happened.
            segment: in which it has.
            number: of the segment.
            start: time at which that began, s.
        """
        s = self.model.system
        entry: dict[str, Any] = {
            "event": event.name, "segment": segment.name, "number": number, **segment.place,
            "t": s.t, "t_in_segment": s.t - start, "voltage": s.get_voltage(), **event.numbers,
        }  # fmt: skip
        if event.ends and self._declared_end(event.name) is None:
            entry["ends"] = event.ends
        self.noted.append(entry)
        self.log(f"event {event.name}: {words(entry)}")

    @property
    def over(self) -> bool:
        """An event has ended the run."""
        return any(self._ends(entry) == "run" for entry in self.noted)

    def ended(self, number: int) -> bool:
        """An event has ended the protocol step of a segment within that segment."""
        return any(self._ends(e) == "step" and e["number"] == number for e in self.noted)

    def is_late(self, event: Event) -> bool:
        """End of a run that is over already: nothing to be noted."""
        kind = self.kinds.get(event.name)
        return kind is not None and kind.ends == "run" and self.over

    @property
    def names(self) -> set[str]:
        """Names of the events so far."""
        return {entry["event"] for entry in self.noted}

    def _ends(self, entry: Mapping[str, Any]) -> str:
        """End that a noted event brings: that of the `run`, of the `step`, or none."""
        declared = self._declared_end(entry["event"])
        if declared is None:
            return str(entry.get("ends", ""))
        return str(declared(vars(self.model.case)) if callable(declared) else declared)

    def _declared_end(self, name: str) -> Any:
        """End that the kind of an event declares; None if it leaves that to the event."""
        kind = self.kinds.get(name)
        return None if kind is None else kind.ends


def words(entry: Mapping[str, Any]) -> str:
    """An event of the summary in a line; what has no unit there is in SI."""

    def word(name: str, value: Any) -> str:
        if name == "place" and isinstance(value, list):
            return shown_point(value)
        text = f"{value:.6g}" if isinstance(value, float) else f"{value}"
        return f"{text} {_UNITS.get(name, '')}".rstrip()

    return ", ".join(f"{k} = {word(k, v)}" for k, v in entry.items() if k != "event")
