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
        "fem/salt.py",
        "/ FARADAY * thermodynamic_factor * (1 - t_plus)",
        "/ FARADAY * thermodynamic_factor",
        f"{V}/test_transport.py::test_concentration_cell",
    ),
    Fault(
        "sign of the diffusion potential",
        "fem/physics/ions.py",
        "i_l += kappa * self._spread",
        "i_l -= kappa * self._spread",
        f"{V}/test_transport.py::test_concentration_cell",
    ),
    Fault(
        "migration dropped from the anion flux",
        "fem/physics/ions.py",
        "- left * self.current(s, medium, spreading)",
        "",
        f"{V}/test_transport.py::test_steady_voltage_and_profile",
    ),
    Fault(
        "plating raises c: sign of i_n in the ionic row",
        "fem/physics/interface.py",
        '{"phi_l": ("i_n", -1.0)}',
        '{"phi_l": ("i_n", 1.0)}',
        f"{V}/test_transport.py::test_steady_voltage_and_profile",
    ),
    Fault(
        "sign of i_n in the electronic row",
        "fem/physics/interface.py",
        'rows["phi_s"] = "i_n", 1.0',
        'rows["phi_s"] = "i_n", -1.0',
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
        "fem/physics/interface.py",
        "barrier = _side(e.eta_nuc, plus) * (1 - seen)",
        "barrier = _side(e.eta_nuc, plus)",
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
        'return self.pore(s) * s["c"], weight',
        'return 1.0 * s["c"], weight',
        "tests/verification/test_transport.py "
        "tests/verification/test_distribution.py tests/verification/test_orders.py",
    ),
    Fault(
        "tortuosity ignored",
        "fem/physics/ions.py",
        "spread = medium.pore(s) / medium.tortuosity",
        "spread = medium.pore(s)",
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
    Fault(
        "z = 1 for every salt",
        "fem/model.py",
        "formula = first.electrolyte.formula",
        "formula = MONOVALENT",
        f"{V}/test_transport.py::test_divalent_salt",
    ),
    Fault(
        "equivalents of a salt taken for the charge of its cation",
        "fem/salt.py",
        "return math.lcm(self.z, self.z_minus)",
        "return self.z",
        f"{V}/test_salts.py::test_sand_time_counts_equivalents",
    ),
    Fault(
        "i0 of a divalent metal as of a monovalent one",
        "fem/materials/laws.py",
        "power = alpha_a if z == 1 else alpha_a / z",
        "power = alpha_a",
        f"{V}/test_salts.py::test_exchange_current_of_a_divalent_metal",
    ),
    Fault(
        "sign of a wall's slope by phi_s",
        "fem/walls.py",
        "(row, up): -sign * self.values[k]",
        "(row, up): sign * self.values[k]",
        f"{V}/test_solver.py::test_taylor",
    ),
    Fault(
        "the salt's share of the current reversed in the preconditioner",
        "fem/decoupling.py",
        "values[c] += self.T *",
        "values[c] -= self.T *",
        f"{V}/test_growth_solver.py::test_krylov_iterations_are_few",
    ),
    Fault(
        "Gibbs-Thomson shift reversed",
        "fem/physics/metal.py",
        "bent = self.surface_energy / self.charge_density",
        "bent = -self.surface_energy / self.charge_density",
        f"{V}/test_growth_shape.py",
    ),
    Fault(
        "film walls go on plating under metal",
        "fem/physics/metal.py",
        'wall.area = size * np.maximum(1.0 - front.xi.x.array[wall.nodes["xi"]], 0.0)',
        "wall.area = size",
        f"{V}/test_growth_film.py",
    ),
    Fault(
        "the relaxation leaves the salt behind",
        "fem/physics/metal.py",
        's.row(row, nF * s["c"] * ufl.inner(q',
        's.row(row, 0.0 * s["c"] * ufl.inner(q',
        f"{V}/test_growth_ledger.py",
    ),
    Fault(
        "a front is foreseen node by node",
        "fem/front.py",
        "return _profile(here + ratio * went)",
        "return _profile(here + ratio * (here - there))",
        f"-m full {V}/test_growth_front.py::test_a_flat_front_stays_flat",
    ),
    Fault(
        "a wall that was stripped bare stays covered",
        "fem/physics/covering.py",
        "(before + rate), there)",
        "(before + rate), np.inf)",
        f"{V}/test_growth_film.py::test_a_wall_forgets_its_barrier",
    ),
    Fault(
        "what a closing pore cannot hold stays where it is",
        "fem/front.py",
        "> SPILL)",
        "> 1.0)",
        f"{V}/test_growth_front.py::test_a_round_pore_closes_and_a_round_crystal_dissolves",
    ),
    Fault(
        "salt enters its stiffness with its mean, whose round-off a bare wall at rest then sees",
        "fem/stiffness.py",
        "x - total / count",
        "x",
        f"{V}/test_solver.py::test_a_block_is_stiffness_and_rest",
    ),
    Fault(
        "what a wall has plated is summed up to first order",
        "fem/physics/covering.py",
        "passed * 0.5 * (before + rate)",
        "passed * rate",
        f"{V}/test_growth_film.py::test_covering_is_of_second_order",
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
