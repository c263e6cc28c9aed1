"""Style of fields: names, units, colours and fonts, the same in every figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.contract.physics import Field

__all__ = ["LOOK", "Scaled", "scaled", "time_label"]

INK, FAINT, RULE = "#222222", "#8a8a8a", "#d9d9d9"
METAL, DEAD = "#43576b", "#c0392b"
PORE, SOLID, INSULATOR = "#eef3f7", "#c9c6c1", "#e6d3a3"

#: Matplotlib settings of all figures.
LOOK: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 220,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "figure.dpi": 110,
}

LINES = ("#20567a", "#c8553d", "#5b8c5a", "#8d6a9f", "#c9a227")


#: Range of a potential below which a picture of it shows nothing but round-off, V.
EQUIPOTENTIAL = 1e-6
#: Share of the largest current of one sign that the other must have for a picture to show signs.
BOTH_SIGNS = 1e-3
#: Prefix of each shown unit, the same in all pictures of all runs as long as numbers in it lie
#: between these.
USUAL, BETWEEN = {"V": "m", "A/cm²": "m", "C/cm²": "m", "m": "µ", "mol/L": ""}, (1e-3, 1e4)

#: Spread of a field over its level below which ticks would differ in their last digits only: it is
#: shown less that level.
LEVEL_SHARE = 1e-4
_PREFIXES = ((1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"), (1.0, ""), (1e3, "k"),
             (1e6, "M"))


@dataclass(frozen=True)
class Scaled:
    """Numbers in a readable unit: shown = (value - offset) * factor, or its magnitude.

    Attributes:
        colours: other ones than the field's, with zero in the middle; empty if the field's serve.
    """

    factor: float
    offset: float
    label: str
    low: float
    high: float
    magnitude: bool
    colours: str = ""

    def __call__(self, values: npt.NDArray) -> npt.NDArray:
        """Convert SI values."""
        shown = (np.asarray(values) - self.offset) * self.factor
        return np.abs(shown) if self.magnitude else shown


def scaled(values: npt.NDArray, style: Field) -> Scaled:
    """Unit and limits in which these SI values of a field read well."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        values = np.zeros(1)
    low, high = float(values.min()), float(values.max())
    offset, label, spread = 0.0, style.label, (high - low) / (max(abs(low), abs(high)) or 1.0)
    level = style.offset and style.unit == "V" and high - low < EQUIPOTENTIAL
    if level or (style.offset and 1e-13 < spread < 1e-2):
        offset = float(values.mean())
    elif not style.magnitude and 1e-9 < spread < LEVEL_SHARE:
        offset = float(f"{values.mean() * style.factor:.6g}") / style.factor
    shown = (values - offset) * style.factor
    both = style.magnitude and min(-low, high) > BOTH_SIGNS * max(-low, high)
    if style.magnitude and not both:
        shown = np.abs(shown)
    if both:
        label = label.replace("|", "")
    size = float(np.abs(shown).max())
    scale, prefix = _prefix(style.shown_unit, size)
    if offset and not style.offset:  # the level is of interest as well
        label += f" $-$ {offset * style.factor:.6g} {_typeset(style.shown_unit)}"
    elif level or offset:
        symbol = label[label.index("$") + 1 : label.rindex("$")]
        label = f"{label} $-\\ \\langle {symbol}\\rangle$"
        if level:  # round-off, in one colour, wherever the potential is zero
            label += ", equipotential"
            label += f" to {_in_volts(high - low)}" if high > low else ""
            scale, prefix = 1e-6, "µ"
            shown = np.array([-EQUIPOTENTIAL, EQUIPOTENTIAL])
    low, high = float(shown.min()) / scale, float(shown.max()) / scale
    if both:
        low, high = min(low, -high), max(high, -low)
    elif high - low <= 1e-3 * high and style.magnitude:  # the same everywhere: compare with zero
        low, high = 0.0, 1.25 * high or 1.0
    elif high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = 0.5 * abs(high) or 0.5
        low, high = low - pad, high + pad
    unit = f"{prefix}{_typeset(style.shown_unit)}"
    if unit:
        label = f"{label} ({unit})"
    magnitude = style.magnitude and not both
    return Scaled(
        style.factor / scale, offset, label, low, high, magnitude, "RdBu_r" if both else "")


def _typeset(unit: str) -> str:
    return unit.replace("^2", "²").replace("^3", "³")


def _prefix(unit: str, size: float) -> tuple[float, str]:
    """Size of a prefix and its letter: the usual one of the unit, where numbers read well in it.

    What has no unit has no prefix: a milli alone reads as a metre.
    """
    if not unit:
        return 1.0, ""
    sizes = {letter: s for s, letter in _PREFIXES}
    usual = USUAL.get(unit.replace("^2", "²"))
    if usual is not None and (size == 0.0 or BETWEEN[0] <= size / sizes[usual] < BETWEEN[1]):
        return sizes[usual], usual
    fits = [(s, p) for s, p in _PREFIXES if size >= 0.9999 * s]
    return fits[-1] if fits else _PREFIXES[0] if size > 0.0 else (1.0, "")


def _in_volts(size: float) -> str:
    """A small voltage in words, such as `3.2 nV`."""
    scale, letter = next(((s, p) for s, p in reversed(_PREFIXES) if size >= 0.9999 * s),
                         (1e-12, "p"))
    return f"{size / scale:.3g} {letter}V"


def time_label(t: float) -> tuple[float, str]:
    """Seconds per shown unit and the unit, for times up to t."""
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if t >= (0.5 if unit == "s" else 1.5) * size:
            return size, unit
    return 1e-3, "ms"


def show_time(t: float, last: float | None = None, digits: int = 4) -> str:
    """A time in words, such as `1.5 h`; in the unit of a last one if that is given."""
    if t == 0 and last is None:
        return "0 s"
    size, unit = time_label(t if last is None else last)
    return f"{t / size:.{digits}g} {unit}"


def caption(figure: Any, text: str) -> None:
    """Lines below the figure, no wider than it, in place of a title."""
    figure.text(0.01, -0.005, text, ha="left", va="top", fontsize=7.5, color=FAINT, wrap=True)


def stretches(size: Any) -> Any:
    """Factors of the sides of a box (3D) that make none less than a sixth of the longest."""
    size = np.asarray(size, dtype=float)
    return np.maximum(1.0, size.max() / 6.0 / np.maximum(size, 1e-300))


def round_length(size: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is no longer than a size."""
    power = 10.0 ** np.floor(np.log10(size))
    return float(max(k for k in (1.0, 2.0, 5.0) if k * power <= size * (1 + 1e-9)) * power)


def shortened(name: str, letters: int) -> str:
    """A name with its middle left out if it has more letters than that."""
    if len(name) <= letters:
        return name
    kept = letters - 1
    return f"{name[: kept - kept // 2]}…{name[-(kept // 2) :]}"
