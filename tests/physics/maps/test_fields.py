"""Fields with closed forms: bodies in a uniform field, bosses on a plane, slabs, layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.physics.maps.drawn import body, boss, case, driven

# Tip field of conducting bosses over the far field: half ellipses 1 + a; half prolate spheroids
# 1/N with N their depolarising factor (1 for a sphere's third).
ELLIPSES = {1.0: 2.0, 3.0: 4.0}
SPHEROIDS = {1.0: 3.0, 2.0: 5.76156, 3.0: 9.19883, 5.0: 17.91441, 10.0: 49.29537}


@pytest.mark.parametrize(("aspect", "axisymmetric", "known"), [
    *((a, False, v) for a, v in ELLIPSES.items()), *((a, True, v) for a, v in SPHEROIDS.items()),
])  # fmt: skip
def test_tip_of_a_boss(
    tmp_path: Path, aspect: float, axisymmetric: bool, known: float
) -> None:
    mesh = boss(tmp_path, aspect)
    given = case(mesh, driven(tip="collector"), mesh={"axisymmetric": axisymmetric})
    result = given.run(tmp_path / "r")
    assert result.summary["enhancement"] == pytest.approx(known, rel=1e-2)
    assert result.summary["flux_balance"] < 1e-10


@pytest.mark.parametrize(("kind", "key", "thin", "thick"), [
    ("conduction", "resistance", "1e-12 ohm*m^2", "10 ohm*m^2"),
    ("electrostatics", "capacitance", "1e4 F/m^2", "1e-9 F/m^2"),
])  # fmt: skip
def test_a_layer_that_drops_nothing_leaves_the_tip(
    tmp_path: Path, kind: str, key: str, thin: str, thick: str
) -> None:
    """Enhancement behind a vanishing layer is that without; a thick one evens the field out."""
    mesh, found = boss(tmp_path, 1.0, share=10.0), {}
    for name, layer in {"bare": {}, "thin": {key: thin}, "thick": {key: thick}}.items():
        table = driven(kind=kind, tip="collector")
        table["boundaries"]["collector"] = {"phi": "0 V"} | layer
        said = case(mesh, table, mesh={"axisymmetric": True}).run(tmp_path / name).summary
        found[name] = said["enhancement"]
    assert found["bare"] == pytest.approx(3.0, rel=2e-2)
    assert found["thin"] == pytest.approx(found["bare"], rel=1e-4)
    assert found["thick"] == pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize("k", [0.1, 10.0])
@pytest.mark.parametrize("axisymmetric", [False, True])
def test_body_in_a_uniform_field(tmp_path: Path, k: float, axisymmetric: bool) -> None:
    """Cylinder: inside 2/(1 + k), outside at the pole k times that; sphere: 3/(2 + k)."""
    inside = 3 / (2 + k) if axisymmetric else 2 / (1 + k)
    probes = [{"name": f"p{i}", "field": "phi", "point": ["0 um", f"{y} um"]}
              for i, y in enumerate((-0.5, 0.5))]
    table = driven(regions={"host_body": {"eps_r": 20 * k}, "electrolyte": {"eps_r": 20}})
    given = case(body(tmp_path), table, mesh={"axisymmetric": axisymmetric}, probe=probes,
                 regions={"host_body": {"material": "SiO2"}})  # fmt: skip
    result = given.run(tmp_path / "r")
    low, high = (result.summary["probes"][f"p{i}"] for i in range(2))
    far = 1.0 / 60.0  # V/um
    found = (high - low) / far
    at, phi = result.line((0.0, 1e-6), (0.0, 2e-6), "phi")
    powers = np.array([0, 1, -1, -2, -3, -4, -5])  # what a field around a body has along its axis
    y = 1.0 + 1e6 * at
    weights = np.linalg.lstsq(y[:, None] ** powers, phi, rcond=None)[0]
    outside = weights @ powers / far  # slope at the pole
    assert found == pytest.approx(inside, rel=5e-3)
    assert outside == pytest.approx(k * inside, rel=5e-3, abs=3e-3)  # of the far field
