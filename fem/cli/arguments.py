"""Common parts of several commands: arguments of a case, and loading it."""

from __future__ import annotations

import argparse
import contextlib
import gc
from collections.abc import Iterator
from typing import Any

#: Variables set to 1 unless they are set: threads of short dot products cost twice what they save.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
#: Lets ranks of MPICH that wait for others sleep; they spin, which takes the cores of those others.
SLEEPING_RANKS = "MPIR_CVAR_CH4_PROGRESS_THROTTLE"


def case_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the case, and changes of it, to what a command takes."""
    parser.add_argument("case", help="case file, or name of a case of the catalogue")
    set_argument(parser, "change one value, e.g. protocol.0.duration='2 h'; may be repeated")


def set_argument(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add `--set`, which changes values of a case, to what a command takes."""
    parser.add_argument(
        "--set", dest="overrides", metavar="PATH=VALUE", action="append", default=[], help=meaning
    )


def hooks_argument(parser: argparse.ArgumentParser) -> None:
    """Add the permission to execute a case's own Python to what a command takes."""
    parser.add_argument(
        "--hooks", action="store_true", help="execute the Python that the case names in [hooks]"
    )


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Import without looking for garbage: there is none, among half a million objects.

    Nor is it looked for among them later on.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def load_case(options: argparse.Namespace) -> Any:
    """The case that these arguments ask for."""
    with loading():
        from fem.case.case import Case

        return Case.load(options.case, options.overrides, hooks=getattr(options, "hooks", False))


def duration(text: str) -> float:
    """A time with its unit, s."""
    from fem.values.units import parse_quantity

    try:
        return parse_quantity(text, "s")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
