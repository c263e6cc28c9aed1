"""Laws and materials of another, really installed package are found by name and used."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "lab"
version = "1"
[project.entry-points."hostplate.kinetics"]
ohmic_wall = "lab:ohmic_wall"
[project.entry-points."hostplate.materials"]
lab = "lab:MATERIALS"
"""

LAB = """
def ohmic_wall(eta, i0, alpha_a, alpha_c, T):
    return i0 * eta / 0.1

MATERIALS = {
    "lab_salt": {
        "kind": "electrolyte", "c0": "1 mol/L", "kappa": "2 S/m", "D": "3e-10 m^2/s",
        "t_plus": 0.4,
    }
}
"""

CASE = """
schema = 1
title = "lab"
metal = "Li"
electrolyte = "lab_salt"
study = "secondary"
geometry = { family = "planar", length = "50 um", size = "5 um" }
output = { figures = false }

[[kinetics]]
surface = "co*"   # collector and counter
law = "ohmic_wall"
i0 = "100 A/m^2"

[[protocol]]
step = "plate"
current_density = "10 A/m^2"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder into which the package `lab` was installed: built as a wheel, then unpacked."""
    source = tmp_path / "lab"
    source.mkdir()
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "lab.py").write_text(LAB)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("lab-1-*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    return tmp_path / "site"


def test_a_law_and_a_material_of_an_installed_package(
    site: Path, tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Linear walls around an ohmic electrolyte: V = -i (L/kappa + 2 x 0.1 V/i0), exactly."""
    from fem.results.result import Result

    (tmp_path / "case.toml").write_text(CASE)
    lost = run_cli("check", "case.toml", cwd=tmp_path)
    assert lost.returncode == 1
    for line in (
        "electrolyte: 'lab_salt': not known; ", "kinetics.0.law: 'ohmic_wall': no such law; ",
    ):  # fmt: skip
        assert line in lost.stderr
    found = {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    done = run_cli("run", "case.toml", "--out", "r", cwd=tmp_path, env=found)
    assert done.returncode == 0, done.stderr
    exact = -10.0 * (50e-6 / 2.0 + 2 * 0.1 / 100.0)
    assert Result(tmp_path / "r").summary["voltage"] == pytest.approx(exact, rel=1e-9)
