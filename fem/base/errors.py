"""Kinds of failure, and the exit code each of them ends with.

| exit code | class         | meaning                                                  |
|-----------|---------------|----------------------------------------------------------|
| 0         |               | done                                                     |
| 1         | `CaseError`   | the user's input: case file, mesh, option, folder        |
| 2         | `RunError`    | the solver or the machine: no convergence, disk full ... |
| 3         | `Interrupted` | stopped on request; `hostplate resume` goes on           |

A message names the place, the value, the reason and the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

#: Names that a message lists at most.
MOST_NAMES = 80
#: Words of pydantic -> ours, as of bounds of quantities. Reasons of our own stay as they are.
WORDS = {
    "Input should be": "must be", "greater than or equal to": "at least", "greater than": "above",
    "less than or equal to": "at most", "less than": "below",
}  # fmt: skip


class HostplateError(Exception):
    """Base of all errors that are meant for the reader, not for a debugger.

    Attributes:
        exit_code: what the process ends with when the error reaches the command line.
    """

    exit_code = 2


class CaseError(HostplateError):
    """The input cannot be run as written; nothing was started and nothing was written."""

    exit_code = 1


class RunError(HostplateError):
    """The run failed although its input was accepted."""

    exit_code = 2


class Interrupted(HostplateError):  # noqa: N818  (a request, not a fault)
    """The run was asked to stop; the last checkpoint is complete and can be resumed."""

    exit_code = 3


def causes(error: Any) -> Iterator[Any]:
    """Errors of pydantic in our words, without "too short" lists whose entries were refused.

    Args:
        error: its `ValidationError`.
    """
    items = error.errors(include_url=False)
    for item in items:
        inner = [i for i in items if i["loc"][: len(item["loc"])] == item["loc"]]
        if item["type"] != "too_short" or len(inner) == 1:
            reason = item["msg"]
            for theirs, ours in WORDS.items() if item["type"] != "value_error" else ():
                reason = reason.replace(theirs, ours)
            yield item | {"msg": reason}


def not_text(error: UnicodeDecodeError) -> str:
    """Place, value and way out of a file that is no text."""
    line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
    return f"line {line} is not UTF-8 text (byte 0x{byte:02x}); save the file as UTF-8"


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause such as ``did you mean 'Cu'?`` or ``known: 'Cu', 'Li'``, for use in messages.

    Args:
        name: what the user wrote.
        known: the names that would have been valid.
    """
    choices = sorted(set(known))
    if not choices:
        return "none is known here"
    lower = {choice.lower(): choice for choice in choices}
    close = [lower[hit] for hit in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    if close:
        return "did you mean " + " or ".join(repr(hit) for hit in close) + "?"
    shown = ", ".join(repr(choice) for choice in choices[:MOST_NAMES])
    more = len(choices) - MOST_NAMES
    return f"known: {shown}" + (f" and {more} more" if more > 0 else "")
