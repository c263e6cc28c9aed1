"""Cases of systems that the reviews name, small ones: what their headers say comes out.

As in `test_catalogue`: each check names its control and its quantity; the margins exceed three
times what halving h and dt moved (numbers in the headers).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable

import numpy as np
import pytest

from fem import theory
from fem.results.result import Result

Solve = Callable[..., Result]
Reached = Callable[..., None]

NO_NUCLEATION = (
    'kinetics=[{surface="host_*", eta_nuc="0 V"}, {surface="collector", eta_nuc="0 V"}]'
)


def shares(result: Result, *regions: str) -> list[float]:
    """Shares of regions in the current."""
    return [float(result.summary["share_by_region"].get(name, 0.0)) for name in regions]


def series(result: Result) -> dict[str, np.ndarray]:
    """Columns of series.csv by their name without the unit."""
    with (result.folder / "series.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key.split(" [")[0]: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def between(result: Result, field: str, low: float, high: float) -> float:
    """Mean of a pore field at the height `high` less that at `low`, each within 2 % of both."""
    y, values = result.points("pore")[:, 1], result.array(field, block="pore")
    near = 0.02 * (high - low)
    return float(values[np.abs(y - high) < near].mean() - values[np.abs(y - low) < near].mean())


def test_depletion_passes_its_three_stages_as_the_series_says(solve: Solve) -> None:
    """Exact: the series of two parallel electrodes at 1.2 J*; measured 0.3 of 1000 mol/m3."""
    cell = (100e-6, 1000.0, 3e-10, 0.4)
    J = 1.2 * float(theory.limiting_current(*cell))
    result = solve("depletion_stages")
    (event,) = result.summary["events"]
    assert event["event"] == "depletion"
    assert event["t"] == pytest.approx(theory.depletion_time(J, *cell), rel=1e-3)
    columns = series(result)
    t, c = columns["t"], columns["probe.c_collector"]
    exact = np.asarray(theory.closed_cell_concentration(100e-6, t, J, *cell))
    assert np.abs(c - exact).max() < 1.0
    endless = 1000.0 * (1 - np.sqrt(t / float(theory.sand_time(J, *cell[1:]))))
    parts = t[c - endless > 10.0][0]  # 1 % of c0
    tenth = t[c < 100.0][0]
    assert parts == pytest.approx(2.835, abs=0.06)  # a step is at most 0.05 s
    assert tenth == pytest.approx(3.97, abs=0.06)
    assert parts < tenth < event["t"]


@pytest.mark.full
def test_a_framework_five_times_as_resistive_as_copper_shifts_nothing(
    solve: Solve, reached: Reached
) -> None:
    """Controls: copper, and a frame poorer than the electrolyte, which does shift."""
    thirds = [
        list(solve("resistive_framework", *change).summary["current_by_third"].values())
        for change in (
            (),
            (
                "regions.host_frame.sigma=5.8e7 S/m",
                "regions.electrolyte_frame.bridge_sigma=2.9e6 S/m",
            ),
            ("regions.electrolyte_frame.bridge_sigma=0.05 S/m",),
        )
    ]
    frame, copper, poor = (np.array(row) for row in thirds)
    reached("largest change of a third, copper", float(np.abs(frame - copper).max()), most=1e-6)
    reached("bottom third, 0.05 S/m (0.1 + frame)", poor[2], least=frame[2] + 0.1)


@pytest.mark.full
def test_seeds_beat_the_gradient_at_half_of_the_ionic_drop(solve: Solve, reached: Reached) -> None:
    """Control: the same seeds everywhere; quantity: difference at which both halves share alike."""
    even = shares(solve("seeds_against_gradient", "kinetics.0.eta_nuc=14 mV"), "host_bare")[0]
    as_is = shares(solve("seeds_against_gradient"), "host_bare")[0]
    reached("upper half, same seeds", even, least=0.99)
    reached("upper half, seeds below 4 mV easier", as_is, most=0.01)
    points = []
    for eta in (13.0, 12.5):
        result = solve("seeds_against_gradient", f"kinetics.0.eta_nuc={eta} mV")
        points.append((shares(result, "host_bare")[0], 14.0 - eta))
    (a, x), (b, y) = points
    reversal = x + (a - 0.5) / (a - b) * (y - x)
    drop = 1e3 * between(solve("seeds_against_gradient", NO_NUCLEATION), "phi_l", 0.0, 80e-6)
    reached("reversal over ionic drop", reversal / drop, least=0.4, most=0.65)


@pytest.mark.full
def test_a_graded_film_sends_the_current_where_it_is_thin(solve: Solve, reached: Reached) -> None:
    """Controls: no film, and the gradient the other way round; margin 0.2."""
    layers = ("host_top", "host_bottom")
    rich_top = shares(solve("lif_gradient_foam"), *layers)
    rich_bottom = shares(
        solve(
            "lif_gradient_foam",
            "kinetics.0.film_resistance=0 ohm*m^2",
            "kinetics.2.film_resistance=0.03 ohm*m^2",
        ),
        *layers,
    )
    none = shares(solve("lif_gradient_foam", NO_NUCLEATION), *layers)
    reached("bottom, rich at the top (0.2 + no film)", rich_top[1], least=none[1] + 0.2)
    reached("top, rich at the bottom (0.2 + no film)", rich_bottom[0], least=none[0] + 0.2)


@pytest.mark.full
def test_a_gradient_of_lithium_nitride_moves_nothing_as_a_film(
    solve: Solve, reached: Reached
) -> None:
    """Controls: no film, and one 300 times as resistive; quantity: largest change of a share."""
    layers = ("host_top", "host_middle", "host_bottom", "collector")
    none = np.array(shares(solve("li3n_gradient", "coatings=[]"), *layers))
    as_is = np.array(shares(solve("li3n_gradient"), *layers))
    films = zip(layers[:3], ("0.001", "0.003", "0.01"), strict=True)
    text = ", ".join(
        f'{{surface="{name}", eta_nuc="0 V", film_resistance="{film} ohm*m^2"}}'
        for name, film in films
    )
    text += ', {surface="collector", eta_nuc="0 V"}'
    thick = np.array(shares(solve("li3n_gradient", "coatings=[]", f"kinetics=[{text}]"), *layers))
    reached("largest change of a share, Li3N", float(np.abs(as_is - none).max()), most=0.003)
    reached("largest change, 300 times", float(np.abs(thick - none).max()), least=0.05)


@pytest.mark.full
def test_a_dense_side_at_the_separator_plates_there(solve: Solve, reached: Reached) -> None:
    """Controls: an even host and the reversed one; quantity: share of the upper half."""
    halves = {
        kind: shares(
            solve(
                "jfg_reversed_pores",
                f"geometry.layers.0.porosity={below}",
                f"geometry.layers.1.porosity={above}",
            ),
            "host_dense",
        )[0]
        for kind, below, above in (("as is", 0.92, 0.8), ("even", 0.86, 0.86), ("rev", 0.8, 0.92))
    }
    reached("dense above (0.1 + even)", halves["as is"], least=halves["even"] + 0.1)
    reached("dense below (even - 0.1)", halves["rev"], most=halves["even"] - 0.1)


@pytest.mark.full
def test_holes_in_sheets_lower_the_overpotential(solve: Solve, reached: Reached) -> None:
    """Control: the same open share as one gap every 20 um; margins 2 mV, 30 mol/m3."""
    holes = solve("holey_graphene")
    plain = solve("holey_graphene", "geometry.layers.0.pitch=20 um")
    gain = 1e3 * (holes.summary["voltage"] - plain.summary["voltage"])
    reached("overpotential saved by holes", gain, least=2.0, most=4.0, unit="mV")
    drops = [between(result, "c", 0.0, 20e-6) for result in (holes, plain)]
    reached("salt drop, plain less holes", drops[1] - drops[0], least=30.0, unit="mol/m^3")


@pytest.mark.full
def test_small_pores_lower_the_local_current_but_do_not_even_it_out(
    solve: Solve, reached: Reached
) -> None:
    """Control: a foam; quantities: mean i_n on copper, largest over mean."""
    foam = solve(
        "small_pore_cu",
        "geometry.width=250 um",
        "geometry.layers.0.pitch=250 um",
        "geometry.layers.0.diameter=200 um",
        "geometry.layers.0.thickness=300 um",
        "geometry.size=10 um",
        "geometry.size_wall=2 um",
    )
    means, peaks = [], []
    for result in (solve("small_pore_cu"), foam):
        summary = result.summary
        current, area = (summary[f"{k}_by_region"]["host_copper"] for k in ("current", "area"))
        means.append(abs(current) / area)
        peaks.append(float(np.abs(result.array("i_n", block="walls")).max()) / means[-1])
    reached("mean i_n, foam over small pores", means[1] / means[0], least=10.0, most=25.0)
    reached("largest over mean, small less foam", peaks[0] - peaks[1], least=0.5)


@pytest.mark.full
def test_no_single_exchange_current_fits_a_series_of_currents(
    solve: Solve, reached: Reached
) -> None:
    """Control: slow walls; quantity: largest over smallest i0 that the five points ask for."""
    slow = 'kinetics=[{surface="host_*", eta_nuc="0 V", i0="0.1 A/m^2"}, '
    slow += '{surface="collector", eta_nuc="0 V", i0="0.1 A/m^2"}, '
    slow += '{surface="counter", i0="0.9 A/m^2"}]'
    spreads = []
    for change in ((), (slow,)):
        columns = series(solve("rate_series", *change))
        last = [np.flatnonzero(columns["segment"] == k)[-1] for k in range(5)]
        i0 = [
            -columns["current_density"][k]
            / (2 * math.sinh(-columns["voltage"][k] / (4 * 0.025693)))
            for k in last
        ]
        spreads.append(max(i0) / min(i0))
    reached("largest over smallest i0", spreads[0], least=1.1, most=1.25)
    reached("the same, slow walls", spreads[1], least=1.5, most=1.8)

