"""Command on channels: channel."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from fem.base.errors import CaseError

#: Option, unit, default, meaning.
_QUANTITIES = (
    ("radius", "m", None, "radius of a cylinder"),
    ("half-width", "m", None, "half the width of a slit, instead"),
    ("charge", "C/m^2", None, "charge of the walls per area"),
    ("D", "m^2/s", None, "salt diffusivity of the bulk electrolyte"),
    ("temperature", "K", "298.15 K", "temperature of the liquid"),
    ("low", "mol/m^3", "1 mol/m^3", "least salt of the table"),
    ("high", "mol/m^3", "2 mol/L", "most salt of the table"),
)
_NEEDED = ("charge", "D")


def _channel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="csv file to write")
    for name, unit, default, text in _QUANTITIES:
        about = f"{text}, {unit}" + (f" (default {default})" if default else "")
        parser.add_argument(f"--{name}", default=default, required=name in _NEEDED, help=about)
    parser.add_argument("--eps-r", type=float, required=True, help="permittivity of the liquid")
    parser.add_argument("--t-plus", type=float, required=True, help="t_plus of the electrolyte")
    parser.add_argument("--z", type=int, default=1, help="charge number of both ions (default 1)")
    parser.add_argument("--rows", type=int, default=40, help="rows of the table (default 40)")
    parser.epilog = (
        "Each row is a nonlinear Poisson problem on the cross-section; a region reads this as\n"
        "channel of [[fixed_charge]]. Negative quantities take an equals sign.\n\n"
        'example:\n  hostplate channel pores.csv --radius "5 nm" --charge="-0.05 C/m^2" \\\n'
        '      --eps-r 78.5 --D "3e-10 m^2/s" --t-plus 0.4'
    )
    parser.set_defaults(call=_do_channel)


def _do_channel(options: argparse.Namespace) -> None:
    import numpy as np

    from fem.physics.charged.channel import Channel, write
    from fem.theory.space_charge import debye_length
    from fem.values.units import shown_length

    given = {name: _quantity(options, name, unit) for name, unit, _, _ in _QUANTITIES}
    sizes = [given[name] for name in ("radius", "half-width") if given[name] is not None]
    if len(sizes) != 1:
        raise CaseError("channel: needs --radius of a cylinder or --half-width of a slit, one of "
                        "them")
    (size,), low, high, D, T, charge = (
        sizes, *(given[name] or 0.0 for name in ("low", "high", "D", "temperature", "charge"))
    )
    wrong = [
        f"channel: --{name} {shown}: {rule}" for name, shown, fits, rule in (
            ("charge", charge, charge != 0.0, "walls without charge shift no ions"),
            ("eps-r", options.eps_r, 1.0 <= options.eps_r < math.inf, "a number, at least 1"),
            ("t-plus", options.t_plus, 0.0 < options.t_plus < 1.0,
             "between 0 and 1, as of ions that move by themselves"),
            ("z", options.z, 1 <= options.z <= 4, "1 to 4"),
            ("rows", options.rows, 2 <= options.rows <= 200, "2 to 200"),
            ("high", f"{high:g} mol/m^3", high > low, f"must be above --low, {low:g} mol/m^3"),
            *((n, f"{v:g}", v > 0.0, "must be above 0") for n, v in (
                ("radius" if given["radius"] is not None else "half-width", size or 0.0), ("D", D),
                ("low", low), ("temperature", T))),
        ) if not fits
    ]  # fmt: skip
    if wrong:
        raise CaseError("\n".join(wrong))
    if options.file.exists():
        raise CaseError(f"{options.file} already exists; nothing was written: choose another name")
    channel = Channel(size or 0.0, charge, options.eps_r, given["radius"] is not None, options.z, T)
    try:
        table = write(options.file, channel, np.geomspace(low, high, options.rows), D,
                      options.t_plus)
    except OSError as error:
        raise CaseError(f"{options.file} cannot be written: {error.strerror}") from None
    except ValueError as error:
        raise CaseError(f"channel: {error}") from None
    ends = [shown_length(float(debye_length(c, options.eps_r, T, options.z)), 2)
            for c in (low, high)]
    print(
        f"{options.file}: {options.rows} rows; t_plus {table['t_plus'][0]:.3g} at {low:g} mol/m^3 "
        f"(Debye length {ends[0]}) to {table['t_plus'][-1]:.3g} at {high:g} "
        f"({ends[1]}); charge {channel.density:.3g} C/m^3 of liquid"
    )


def _quantity(options: argparse.Namespace, name: str, unit: str) -> float | None:
    """An option as a number in SI; None if it is not given.

    Raises:
        CaseError: it is no quantity of this unit.
    """
    from fem.values.units import parse_quantity

    text = getattr(options, name.replace("-", "_"))
    if text is None:
        return None
    try:
        return parse_quantity(text, unit)
    except ValueError as error:
        raise CaseError(f"channel: --{name} {text!r}: {error}") from None
