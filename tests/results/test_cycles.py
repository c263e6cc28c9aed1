"""Voltages of cycles, read from the series of a run."""

from __future__ import annotations

from pathlib import Path

from fem.results.cycles import half_voltages


def test_rows_before_there_was_a_second_cycle_are_of_the_first(tmp_path: Path) -> None:
    """One cycle was run, then resumed with two: the column has no number before."""
    rows = ["nan,-10.0,1.0,-0.1", "nan,10.0,1.0,0.2", "2.0,-10.0,1.0,-0.3", "2.0,10.0,1.0,0.5"]
    series = tmp_path / "series.csv"
    titles = "cycle,current_density [A/m2],dt [s],voltage [V]"
    series.write_text("\n".join([titles, *rows]) + "\n")
    found = half_voltages(series)
    assert [found[k]["hysteresis"] for k in (1, 2)] == [0.2 + 0.1, 0.5 + 0.3]


def test_a_rest_at_half_of_the_charge_is_no_way(tmp_path: Path) -> None:
    """Two pulses as long as each other: at half of the charge the voltage is that of the first.

    The current of a rest is rounding, of either sign; its voltage is not one of plating.
    """
    rows = ["-10.0,1.0,-0.1", "-6e-16,9.0,0.01", "-10.0,1.0,-0.3", "-4e-16,9.0,0.02"]
    series = tmp_path / "series.csv"
    titles = "current_density [A/m2],dt [s],voltage [V]"
    series.write_text("\n".join([titles, *rows]) + "\n")
    assert half_voltages(series) == {1: {"voltage_plating": -0.1}}
