"""Cases with fixed charge: what their headers say comes out; the command that makes a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fem.case.files import find_case
from fem.results.result import Result

Solve = Callable[..., Result]
NEUTRAL = "fixed_charge=[]"


def depleted(result: Result) -> float:
    """Time at which the salt had run out, s; infinite if it had not."""
    assert result.summary["closures"]["salt"] < 1e-8
    events = {e["event"]: e["t"] for e in result.summary["events"]}
    return float(events.get("depletion", np.inf))


@pytest.mark.full
def test_charged_channels_help_in_dilute_electrolyte(
    solve: Solve, reached: Callable[..., None]
) -> None:
    """Times of depletion at 0.1 mol/L with and without charge, and at 1 mol/L.

    Without charge times are the same at 1 mol/L, with the current in proportion.
    """
    strong = ('materials.dilute.c0="1 mol/L"', 'protocol.0.current_density="144.73 mA/cm^2"')
    times = [depleted(solve("nanochannel_separator", *more))
             for more in ((), (NEUTRAL,), strong)]  # fmt: skip
    known = {"0.1 mol/L": 6.16, "0.1 mol/L, no charge": 2.20, "1 mol/L": 2.43}
    for (what, value), found in zip(known.items(), times, strict=True):
        reached(f"depletion, {what}", found, least=0.99 * value, most=1.01 * value, unit="s")


@pytest.mark.full
def test_anchored_anions_carry_the_current_on(
    solve: Solve, reached: Callable[..., None]
) -> None:
    """Beyond the neutral limit: no depletion; without charge, and with the other sign, there is."""
    other = 'fixed_charge.0.density="2e7 C/m^3"'
    plain, none, wrong = (solve("anion_anchor", *more) for more in ((), (NEUTRAL,), (other,)))
    assert depleted(plain) == np.inf
    ends = plain.summary
    reached("plated for", ends["t"], least=60.0, most=60.0, unit="s")
    reached("voltage", ends["voltage"], least=-0.713 * 1.002, most=-0.713 * 0.998, unit="V")
    reached("salt left", ends["c_min"], least=0.99 * 40.1, most=1.01 * 40.1, unit="mol/m^3")
    for what, known, found in (("no charge", 5.29, none), ("other sign", 2.89, wrong)):
        reached(f"depletion, {what}", depleted(found), least=0.99 * known, most=1.01 * known,
                unit="s")  # fmt: skip


def test_anchored_anions_lower_the_drop_at_rest(solve: Solve) -> None:
    """At 0.9 of the neutral limit the steady cell needs 63 mV less with them."""
    steady = 'study="steady"', 'protocol=[{step="plate", current_density="86.8 mA/cm^2"}]'
    drops = [solve("anion_anchor", *steady, *more).summary["voltage"] for more in ((), (NEUTRAL,))]
    assert drops == pytest.approx([-0.589, -0.652], rel=2e-3)


def test_command_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table of the case is what the command writes; wrong options are reported together."""
    from fem.cli.main import main

    file = tmp_path / "pores.csv"
    command = ["channel", str(file), "--radius", "5 nm", "--charge=-0.05 C/m^2",
               "--eps-r", "78.5", "--t-plus", "0.4"]  # fmt: skip
    assert main([*command, "--D", "3e-10 m^2/s"]) == 0
    assert "charge -2e+07 C/m^3 of liquid" in capsys.readouterr().out
    shipped = find_case("nanochannel_separator").with_suffix(".csv")
    now, then = (np.genfromtxt(f, delimiter=",", skip_header=5) for f in (file, shipped))
    assert now.shape == (40, 6) and now == pytest.approx(then, rel=1e-5)
    assert main([*command, "--D", "3e-10 m^2/s"]) == 1
    assert "already exists" in capsys.readouterr().err
    assert main([*command, "--D", "0 m^2/s", "--rows", "1", "--eps-r", "inf"]) == 1
    wrong = capsys.readouterr().err
    assert "--eps-r inf: a number" in wrong
    assert "--rows 1: 2 to 200" in wrong and "--D 0: must be above 0" in wrong
