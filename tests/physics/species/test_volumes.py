"""Stripping, a metal of two charges, ions that walls use up: against finite volumes in 1D."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import RunError
from fem.results.result import Result
from tests.physics.species.solutions import IONS
from tests.physics.species.volumes import Volumes
from tests.verification.cells import IDEAL, RT_F, L, case

I0 = 1000.0  # A/m2
#: Charge number of the metal -> (z, D in m2/s, c0 in mol/m3) of three ions.
KINDS = {
    1: [(1, 3e-10, 700.0), (1, 6e-10, 300.0), (-1, 4e-10, 1000.0)],
    2: [(2, 2e-10, 400.0), (1, 6e-10, 300.0), (-1, 4e-10, 1100.0)],
}
#: A metal ion, an anion that the foil consumes, and one that it does not.
EATEN = [(1, 3e-10, 1010.0), (-1, 6e-10, 10.0), (-1, 4e-10, 1000.0)]
FINE = {
    "family": "planar", "length": f"{1e6 * L:g} um", "width": "2 um", "size": "2 um",
    "size_width": "2 um", "size_collector": "0.3 um", "size_counter": "0.3 um", "growth": 1.15,
}  # fmt: skip


def cell(
    kinds: list[tuple[int, float, float]], protocol: list[dict[str, Any]], **second: Any
) -> dict[str, Any]:
    """A strip between two electrodes of mass action; `second` goes to the second ion."""
    z = kinds[0][0]
    metal = "Li" if z == 1 else "Mg"
    ions = [{"name": name, "z": z, "D": f"{D!r} m^2/s", "c0": f"{c0!r} mol/m^3"}
            for name, (z, D, c0) in zip((metal, "S", "A"), kinds, strict=True)]  # fmt: skip
    ions[0]["plates"], ions[1] = True, ions[1] | second
    walls = [{"surface": n, "i0": f"{I0} A/m^2", "alpha_a": z / 2, "alpha_c": z / 2,
              "c_ref": f"{kinds[0][2]} mol/m^3"} for n in ("collector", "counter")]  # fmt: skip
    return case(
        geometry=FINE, ion=ions, kinetics=walls, protocol=protocol, metal=metal,
        materials={"ideal": IDEAL | {"z": z}}, time={"dt0": "1 ms", "dt_min": "1e-9 s"}, **IONS
    )  # fmt: skip


def step(name: str, i: float, lasts: float) -> dict[str, Any]:
    """A step of the protocol, A/m2 and s."""
    return {"step": name, "current_density": f"{i} A/m^2", "duration": f"{lasts} s"}


@pytest.mark.parametrize("z", [2])
def test_plated_and_stripped(tmp_path: Path, z: int) -> None:
    """Three ions of their own diffusivities: range of the metal ion, and voltage."""
    i, plated, stripped = 300.0, 3.0, 4.0
    Case.from_dict(cell(KINDS[z], [step("plate", i, plated), step("strip", i, stripped)])).run(
        tmp_path)
    found = Result(tmp_path)
    assert max(found.summary["closures"].values()) < 1e-8
    t, series = found.series["t"], found.series
    plates = t <= plated * (1 + 1e-12)
    foil, counter, ends, rise = Volumes(KINDS[z], L).run(
        [(i, plated, t[plates & (t > 0)]), (-i, stripped, t[~plates] - plated)])
    c0, sign = KINDS[z][0][2], np.where(plates, 1.0, -1.0)[t > 0]
    eta = [2 / z * np.arcsinh(sign * i / (2 * I0 * np.sqrt(c[:, 0] / c0))) for c in (foil, counter)]
    off = {name: np.abs(series[name][t > 0] - c).max() / c0
           for name, c in zip(("c_min", "c_max"), ends.T, strict=True)}  # fmt: skip
    voltage = np.abs(series["voltage"][t > 0] / RT_F + rise + eta[0] + eta[1]).max()
    print(f"plated and stripped, z = {z}: {off} c0, {voltage:.1e} RT/F, {len(t)} rows")
    assert ends[:, 0].min() < 0.75 * c0
    assert max(off.values()) < 3e-3 and voltage < 6e-3


def test_a_wall_that_asks_for_more_than_there_is(tmp_path: Path) -> None:
    """A flux that does not vanish with c: the ion runs out when volumes say, and the run says why.

    They run out after 0.184 s.
    """
    eaten = {"on": "collector", "flux": "5e-4 mol/m^2/s"}
    data = cell(EATEN, [step("plate", 100.0, 3.0)], consumption=eaten)
    data["time"]["dt_min"] = "1e-7 s"
    with pytest.raises(RunError, match=r"Ion S has run out .* let ion.consumption.flux vanish"):
        Case.from_dict(data).run(tmp_path)
    end = Result(tmp_path).series["t"][-1]
    print(f"run out after {end:.5f} s")
    assert abs(end / 0.184 - 1) < 1e-2


@pytest.mark.full
@pytest.mark.parametrize("k", [2e-5, 1e-2])
def test_a_wall_that_takes_all_there_is(
    tmp_path: Path, k: float, reached: Callable[..., None]
) -> None:
    """A flux k c, from slow to one that leaves next to nothing: what was consumed."""
    eaten = {"on": "collector", "flux": {
        "expression": "k*c", "unit": "mol/m^2/s", "k": f"{k!r} m/s"}}  # fmt: skip
    Case.from_dict(cell(EATEN, [step("plate", 100.0, 3.0)], consumption=eaten)).run(tmp_path)
    found = Result(tmp_path)
    t = np.geomspace(1e-6, 3.0, 400)
    foil, _, _, _ = Volumes(EATEN, L, 240, (1, lambda c: k * c)).run([(100.0, 3.0, t)])
    taken = k * np.trapezoid(foil[:, 1], t)
    reached("consumed over that of volumes, -1", abs(found.summary["consumed_S"] / taken - 1),
            most=5e-3)  # fmt: skip
