"""Deliberate faults: each is put into a copy of the code, and a named test must turn red.

    python scripts/faults.py [NUMBER ...]

A test that stays green under its fault proves nothing, and this script then exits with 1. The
list also tells a reader which test guards which sign.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Fault:
    """One wrong line: `old` becomes `new` in `file`, and `test` must notice."""

    what: str
    file: str
    old: str
    new: str
    test: str


V = "tests/verification"
FAULTS = (
    Fault(
        "(1 - t_plus) dropped from the diffusion potential",
        "fem/physics/ions.py",
        "* (1 - medium.t_plus(c, T))\n            )",
        ")",
        f"{V}/test_transport.py::test_concentration_cell",
    ),
    Fault(
        "sign of the diffusion potential",
        "fem/physics/ions.py",
        "i_l += kappa * chi",
        "i_l -= kappa * chi",
        f"{V}/test_transport.py::test_concentration_cell",
    ),
    Fault(
        "migration dropped from the anion flux",
        "fem/physics/ions.py",
        "- share * self.current(s, medium)",
        "",
        f"{V}/test_transport.py::test_steady_voltage_and_profile",
    ),
    Fault(
        "plating raises c: sign of i_n in the ionic row",
        "fem/physics/interface.py",
        's.row("phi_l", -i_n *',
        's.row("phi_l", i_n *',
        f"{V}/test_transport.py::test_steady_voltage_and_profile",
    ),
    Fault(
        "sign of i_n in the electronic row",
        "fem/physics/interface.py",
        's.row("phi_s", i_n *',
        's.row("phi_s", -i_n *',
        f"{V}/test_walls.py::test_floating_conductor",
    ),
    Fault(
        "film resistance ignored",
        "fem/physics/interface.py",
        "if e.film_resistance is None:\n            return law(drive), side(drive)",
        "if True:\n            return law(drive), side(drive)",
        f"{V}/test_walls.py::test_coated_wall_is_a_series_resistance",
    ),
    Fault(
        "cathodic and anodic coefficients swapped",
        "fem/kinetics.py",
        "exp(alpha_a * f * eta) - exp(-alpha_c * f * eta)",
        "exp(alpha_c * f * eta) - exp(-2 * alpha_a * f * eta)",
        f"{V}/test_transport.py::test_khoo_neutral",
    ),
    Fault(
        "nucleation barrier ignores the coverage",
        "fem/kinetics.py",
        "eta + eta_nuc * (1 - theta)",
        "eta + eta_nuc",
        f"{V}/test_walls.py::test_partly_covered_wall",
    ),
    Fault(
        "a bare wall strips",
        "fem/kinetics.py",
        "plating + theta * ufl.max_value",
        "plating + ufl.max_value",
        f"{V}/test_walls.py::test_stripping_runs_bare",
    ),
    Fault(
        "BDF2 weights of a constant step",
        "fem/system.py",
        "w = dt / self.past_dt[0]\n",
        "w = 1.0\n",
        f"{V}/test_orders.py::test_order_in_time",
    ),
    Fault(
        "porosity missing from the storage term",
        "fem/physics/ions.py",
        "s.ddt(medium.porosity * c)",
        "s.ddt(c)",
        "tests/verification/test_transport.py "
        "tests/verification/test_distribution.py tests/verification/test_orders.py",
    ),
    Fault(
        "tortuosity ignored",
        "fem/physics/ions.py",
        "spread = medium.porosity / medium.tortuosity",
        "spread = medium.porosity",
        f"{V}/test_distribution.py::test_separator_over_free_electrolyte",
    ),
    Fault(
        "axisymmetric weight dropped",
        "fem/domain.py",
        "return 2 * np.pi * self.x[0] if self.axisymmetric else 1",
        "return 1",
        f"{V}/test_distribution.py::test_concentric_cylinders",
    ),
    Fault(
        "wall read from its wrong side",
        "fem/domain.py",
        "swap = level(plus) > level(minus)",
        "swap = level(plus) < level(minus)",
        f"{V}/test_walls.py::test_floating_conductor",
    ),
    Fault(
        "ghost contributions of a nodal sum forgotten",
        "fem/system.py",
        "vector.scatter_reverse(la.InsertMode.add)\n",
        "pass\n",
        f"{V}/test_solver.py::test_ranks_agree",
    ),
)


def caught(fault: Fault) -> bool:
    """Whether the test turns red under the fault."""
    with tempfile.TemporaryDirectory(prefix="hostplate-fault-") as folder:
        copy = Path(folder)
        for name in ("fem", "geometries", "tests", "scripts"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        path = copy / fault.file
        text = path.read_text()
        if text.count(fault.old) != 1:
            raise SystemExit(
                f"{fault.what}: its line stands {text.count(fault.old)} times in "
                f"{fault.file}; bring the list up to date"
            )
        path.write_text(text.replace(fault.old, fault.new))
        run = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                *fault.test.split(),
            ],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
        )
        if run.returncode not in (0, 1):
            raise SystemExit(f"{fault.what}: the test did not run\n{run.stdout[-2000:]}")
        return run.returncode == 1


def main() -> int:
    """Try the faults of the command line, or all."""
    chosen = [int(word) for word in sys.argv[1:]] or range(1, len(FAULTS) + 1)
    missed = 0
    for number in chosen:
        fault = FAULTS[number - 1]
        red = caught(fault)
        missed += not red
        print(f"{number:3d} {'caught' if red else 'MISSED'}  {fault.what}", flush=True)
    print(f"{len(list(chosen)) - missed} caught, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
