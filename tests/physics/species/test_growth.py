"""Metal that grows among ions which move each by itself, against the salt and closed forms."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.compat import MPI
from fem.results.result import Result
from fem.run.session import resume, run
from tests.physics.metal.test_displacement import CELL
from tests.physics.species.solutions import IONS
from tests.run.test_recover import largest_gap, stop_after
from tests.verification.cells import IDEAL, RT_F, kinetics

Reached = Callable[..., None]
#: Diffusivity of the salt, m2/s: so slow that its ends differ by a third within 3 um of metal.
SLOW = 4e-12
J = 30.0  # A/m2
PLATE = {"step": "plate", "current_density": f"{J} A/m^2", "duration": "100 s"}
STRIP = PLATE | {"step": "strip", "duration": "40 s"}


def growing(**changes: Any) -> dict[str, Any]:
    """A strip with a layer of metal under 12 um of liquid; `changes` replace whole entries."""
    data = copy.deepcopy(CELL) | {
        "materials": {"even": IDEAL | {"D": f"{SLOW} m^2/s"}},
        "kinetics": [kinetics(name, 30.0) for name in ("metal", "counter", "host_bottom")],
        "protocol": [PLATE, STRIP],
        "time": {"dt0": "0.5 s", "tolerance": 2e-3},
    }
    data["geometry"] |= {"width": "1 um", "size": "0.5 um"}
    return data | changes


def ion(name: str, z: int, c0: float, D: float, **more: Any) -> dict[str, Any]:
    """An ion with its own diffusivity, m2/s."""
    return {"name": name, "z": z, "D": f"{D!r} m^2/s", "c0": f"{c0!r} mol/m^3"} | more


def solved(data: dict[str, Any], folder: Path) -> Result:
    """The run of a case, whose balances close."""
    Case.from_dict(data).run(folder)
    found = Result(folder)
    assert max(found.summary["closures"].values()) < 1e-8
    return found


def gaps(one: Result, other: Result) -> dict[str, float]:
    """Largest differences of voltage (RT/F) and metal ions (c0) where both have the same times."""
    a, b = one.series, other.series
    assert np.allclose(a["t"], b["t"], rtol=1e-3)
    same = np.abs(a["t"] - b["t"]) < 1e-9 * a["t"][-1] + 1e-12
    units = {"voltage": RT_F, "c_min": 1000.0, "c_max": 1000.0}
    return {k: float(np.abs(a[k] - b[k])[same].max()) / u for k, u in units.items()}


def test_two_ions_grow_as_their_salt(tmp_path: Path) -> None:
    """With what D and t_plus of the salt say of its ions: 1e-4 on cells of lambda/2."""
    data = growing(protocol=[PLATE | {"duration": "60 s"}])
    salt = solved(data, tmp_path / "salt")
    ions = solved(data | IONS, tmp_path / "ions")
    found = gaps(salt, ions)
    drop = salt.series["c_max"].max() - salt.series["c_min"].min()
    print("two ions grow", found, drop, ions.summary["closures"])
    assert drop > 200.0
    assert max(found.values()) < 1e-4
    assert len(ions.series["t"]) == len(salt.series["t"])


def test_ions_that_stay_with_their_liquid_stay_even(tmp_path: Path) -> None:
    """Three ions of which only the metal's moves, t_plus 1: c0 everywhere, and back in the cell."""
    still = 1e-24  # m2/s
    ions = [ion("Li", 1, 800.0, 3e-10, plates=True), ion("S", 1, 400.0, still),
            ion("A", -1, 1200.0, still)]  # fmt: skip
    found = solved(growing(ion=ions, time={"dt0": "10 s", "tolerance": 0.02}, **IONS), tmp_path)
    apart = [abs(found.series[name] / 800.0 - 1.0).max() for name in ("c_min", "c_max")]
    print("three ions stay", apart, found.summary["closures"]["ions"])
    assert max(apart) < 1e-10


@pytest.mark.full
def test_anions_of_one_kind_are_one(tmp_path: Path, reached: Reached) -> None:
    """Two anions with one diffusivity are their sum; cycles and a restart included."""
    D = SLOW / (2 * 0.6), SLOW / (2 * 0.4)
    two = [ion("Li", 1, 1000.0, D[0], plates=True), ion("A", -1, 1000.0, D[1])]
    three = [two[0], ion("A", -1, 300.0, D[1]), ion("B", -1, 700.0, D[1])]
    found = [solved(growing(ion=ions, **IONS), tmp_path / str(len(ions))) for ions in (two, three)]
    reached("two equal anions against one", max(gaps(*found).values()), most=1e-7)
    with stop_after(6):
        run(Case.from_dict(growing(ion=three, **IONS)), tmp_path / "stopped")
    resume(tmp_path / "stopped")
    reached("stopped and resumed, all arrays", largest_gap(tmp_path / "3", tmp_path / "stopped"),
            most=1e-11)  # fmt: skip


def bumped(folder: str) -> dict[str, list[float]]:
    """A bump that is plated and stripped among three ions: all steps; runs on every rank."""
    ions = [ion("Li", 1, 800.0, SLOW, plates=True), ion("S", 1, 200.0, 2 * SLOW),
            ion("A", -1, 1000.0, 3 * SLOW)]  # fmt: skip
    bump = {"expression": "h + b*exp(-(x/w)^2)", "unit": "m", "h": "3 um", "b": "2 um",
            "w": "2 um"}  # fmt: skip
    data = growing(ion=ions, initial={"metal_layer": bump}, solver={"rtol": 1e-12}, **IONS)
    data["geometry"] |= {"width": "6 um"}
    data["protocol"] = [PLATE | {"duration": "10 s"}, STRIP | {"duration": "5 s"}]
    series = Case.from_dict(data).run(folder, comm=MPI.COMM_WORLD).series
    names = ("t", "voltage", "plated", "c_min", "c_max", "c_least", "tip")
    return {name: np.asarray(series[name]).tolist() for name in names}


@pytest.mark.full
def test_ranks_grow_the_same(mpirun: Any, tmp_path: Path, reached: Reached) -> None:
    """1, 2, 3 ranks: each step of a bump."""
    alone = bumped(str(tmp_path / "1"))
    for n in (2, 3):
        found = mpirun(n, bumped, str(tmp_path / str(n)), timeout=1800)
        gaps = [np.abs(np.subtract(found[name], alone[name])).max() / np.abs(alone[name]).max()
                for name in alone]  # fmt: skip
        reached(f"steps, {n} ranks", len(found["t"]), least=8)
        reached(f"one rank against {n}, relative", float(max(gaps)), most=1e-9)
