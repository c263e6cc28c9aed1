"""Deliberate faults: each is put into a copy of the code, and a named test must turn red.

    python scripts/faults.py [NUMBER ...]

A test that stays green under its fault proves nothing, and this script then exits with 1. The
list also tells a reader which test guards which sign.
"""

from __future__ import annotations

import functools
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Fault:
    """One wrong line: `old` becomes `new` in an object of the code, and `test` must notice.

    Attributes:
        where: the object, as `fem.system.system:System.ddt`, whichever file it is in.
    """

    what: str
    where: str
    old: str
    new: str
    test: str

    def changed(self) -> tuple[Path, str]:
        """The object's file, as a path in the checkout, and its text with the fault in it.

        Raises:
            ValueError: the line does not stand exactly once in the object.
        """
        found: Any = pkgutil.resolve_name(self.where)
        if isinstance(found, property | functools.cached_property):
            found = found.fget if isinstance(found, property) else found.func
        source, file = inspect.getsource(found), Path(str(inspect.getsourcefile(found)))
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"its line stands {count} times in {self.where}")
        text = file.read_text(encoding="utf-8")
        start = text.index(source) + source.index(self.old)
        return file.relative_to(ROOT), text[:start] + self.new + text[start + len(self.old) :]


V = "tests/verification"
IONS = "tests/physics/ions"
METAL = "tests/physics/metal"
WALLS = "tests/physics/walls"
MAPS = "tests/physics/maps"
CHARGED = "tests/physics/charged"
PNP = "tests/physics/pnp"
SEI = "tests/physics/sei"
INVENTORY = "tests/physics/inventory"
SPECIES = "tests/physics/species"
FAULTS = (
    Fault(
        "(1 - t_plus) dropped from the diffusion potential",
        "fem.theory.salt:Salt.diffusion_potential",
        "/ FARADAY * thermodynamic_factor * (1 - t_plus)",
        "/ FARADAY * thermodynamic_factor",
        f"{IONS}/test_transport.py::test_concentration_cell",
    ),
    Fault(
        "sign of the diffusion potential",
        "fem.physics.ions.ions:Ions.current",
        "i_l += kappa * self._spread",
        "i_l -= kappa * self._spread",
        f"{IONS}/test_transport.py::test_concentration_cell",
    ),
    Fault(
        "migration dropped from the anion flux",
        "fem.physics.ions.ions:Ions.anion_flux",
        "- left * self.current(s, medium, spreading)",
        "",
        f"{IONS}/test_transport.py::test_steady_voltage_and_profile",
    ),
    Fault(
        "plating raises c: sign of i_n in the ionic row",
        "fem.physics.walls.interface:Interface.rows",
        '"phi_l"): ("i_n", -1.0)}',
        '"phi_l"): ("i_n", 1.0)}',
        f"{IONS}/test_transport.py::test_steady_voltage_and_profile",
    ),
    Fault(
        "sign of i_n in the electronic row",
        "fem.physics.walls.interface:Interface.rows",
        'rows["phi_s"] = "i_n", 1.0',
        'rows["phi_s"] = "i_n", -1.0',
        f"{WALLS}/test_walls.py::test_floating_conductor",
    ),
    Fault(
        "film resistance ignored",
        "fem.physics.walls.interface:Interface._solved",
        "if R is None:",
        "if True:",
        f"{WALLS}/test_walls.py::test_coated_wall_is_a_series_resistance",
    ),
    Fault(
        "cathodic and anodic coefficients swapped",
        "fem.setup.kinetics:butler_volmer",
        "exp(alpha_a * f * eta) - exp(-alpha_c * f * eta)",
        "exp(alpha_c * f * eta) - exp(-2 * alpha_a * f * eta)",
        f"{IONS}/test_transport.py::test_khoo_neutral",
    ),
    Fault(
        "nucleation barrier ignores the coverage",
        "fem.physics.walls.interface:Interface._barrier",
        "return on_side(e.eta_nuc, plus) * (1 - lagged)",
        "return on_side(e.eta_nuc, plus)",
        f"{WALLS}/test_walls.py::test_partly_covered_wall",
    ),
    Fault(
        "a bare wall strips",
        "fem.setup.kinetics:wall",
        "plating + theta * ufl.max_value",
        "plating + ufl.max_value",
        f"{WALLS}/test_walls.py::test_stripping_runs_bare",
    ),
    Fault(
        "BDF2 weights of a constant step",
        "fem.system.formula:TimeFormula.weights",
        "w = dt / self.past_dt[0]\n",
        "w = 1.0\n",
        f"{V}/test_orders.py::test_order_in_time",
    ),
    Fault(
        "porosity missing from the storage term",
        "fem.physics.ions.ions:Medium.stored",
        'return self.room(s) * salt, weight',
        'return 1.0 * salt, weight',
        "tests/physics/ions/test_transport.py "
        "tests/verification/test_distribution.py tests/verification/test_orders.py",
    ),
    Fault(
        "tortuosity ignored",
        "fem.physics.ions.ions:Medium.open",
        "pore / self.tortuosity",
        "pore",
        f"{V}/test_distribution.py::test_separator_over_free_electrolyte",
    ),
    Fault(
        "axisymmetric weight dropped",
        "fem.mesh.domain:Domain.weight",
        "return 2 * np.pi * self.x[0] if self.axisymmetric else 1",
        "return 1",
        f"{V}/test_distribution.py::test_concentric_cylinders",
    ),
    Fault(
        "wall read from its wrong side",
        "fem.mesh.facets:between",
        "swap = rank[plus] > rank[minus]",
        "swap = rank[plus] < rank[minus]",
        f"{WALLS}/test_walls.py::test_floating_conductor",
    ),
    Fault(
        "ghost contributions of a nodal sum forgotten",
        "fem.system.system:System.nodal",
        "vector.scatter_reverse(la.InsertMode.add)\n",
        "pass\n",
        f"{METAL}/test_growth_solver.py::test_ranks_agree",
    ),
    Fault(
        "z = 1 for every salt",
        "fem.physics.ions.build:_ions",
        "formula = first.electrolyte.formula",
        "formula = MONOVALENT",
        f"{IONS}/test_transport.py::test_divalent_salt",
    ),
    Fault(
        "equivalents of a salt taken for the charge of its cation",
        "fem.theory.salt:Salt.equivalents",
        "return math.lcm(self.z, self.z_minus)",
        "return self.z",
        f"{IONS}/test_salts.py::test_sand_time_counts_equivalents",
    ),
    Fault(
        "i0 of a divalent metal as of a monovalent one",
        "fem.materials.laws:exchange_current",
        "power = alpha_a if z == 1 else alpha_a / z",
        "power = alpha_a",
        f"{IONS}/test_salts.py::test_exchange_current_of_a_divalent_metal",
    ),
    Fault(
        "sign of a wall's slope by phi_s",
        "fem.system.facets:WallReaction.slopes",
        "slope = slope if by == VOLTAGE else -slope",
        "slope = slope if by == VOLTAGE else +slope",
        f"{V}/test_solver.py::test_taylor",
    ),
    Fault(
        "the salt's share of the current reversed in the preconditioner",
        "fem.solver.decoupling:Decoupling.apply",
        "right[c] += self.T *",
        "right[c] -= self.T *",
        f"{METAL}/test_growth_solver.py::test_krylov_iterations_are_few",
    ),
    Fault(
        "Gibbs-Thomson shift reversed",
        "fem.physics.metal.metal:Metal._prepare",
        "bent = self.surface_energy / self.charge_density",
        "bent = -self.surface_energy / self.charge_density",
        f"{METAL}/test_growth_shape.py",
    ),
    Fault(
        "film walls go on plating under metal",
        "fem.physics.metal.metal:Metal._prepare",
        "wall.area = size * free * ~(shut | contact.core)",
        "wall.area = size * ~(shut | contact.core)",
        f"{METAL}/test_growth_film.py",
    ),
    Fault(
        "the relaxation leaves the salt behind",
        "fem.physics.metal.metal:Metal.rows",
        "taken = kind.charge * kind.c",
        "taken = 0.0 * kind.c",
        f"{METAL}/test_growth_ledger.py",
    ),
    Fault(
        "electrolyte that metal displaces flows towards the metal",
        "fem.physics.displacement:Displacement.declare",
        's.define("swept", (1.0 - self.ion_volume)',
        's.define("swept", -(1.0 - self.ion_volume)',
        f"{METAL}/test_displacement.py::test_salt_stays_uniform_in_and_below_thick_metal",
    ),
    Fault(
        "displaced electrolyte leaves its salt behind at the counter electrode",
        "fem.physics.displacement:Outflow.currents",
        "float(self.kind.charge) * self.amounts()",
        "0.0 * self.amounts()",
        f"{METAL}/test_displacement.py::test_salt_stays_uniform_in_and_below_thick_metal",
    ),
    Fault(
        "electrolyte that comes in while the host is stripped has the salt of the place",
        "fem.physics.displacement:Displacement._draw",
        "min(1.0, self.volume / drawn)",
        "min(0.0, self.volume / drawn)",
        f"{METAL}/test_displacement.py::test_cycles_bring_the_salt_back",
    ),
    Fault(
        "a front is foreseen node by node",
        "fem.physics.metal.front:Front._travel",
        "return profile(here + ratio * went)",
        "return profile(here + ratio * (here - there))",
        f"-m full {METAL}/test_growth_front.py::test_a_flat_front_stays_flat",
    ),
    Fault(
        "a wall that was stripped bare stays covered",
        "fem.physics.metal.covering:Covering._follow",
        "kept = np.minimum(plated, there)",
        "kept = plated",
        f"{METAL}/test_growth_film.py::test_a_wall_forgets_its_barrier",
    ),
    Fault(
        "what a closing pore cannot hold stays where it is",
        "fem.physics.metal.front:Front.spill",
        "> SPILL_XI)",
        "> 1.0)",
        f"{METAL}/test_growth_front.py::test_a_round_pore_closes_and_a_round_crystal_dissolves",
    ),
    Fault(
        "salt enters its stiffness with its mean, whose round-off a bare wall at rest then sees",
        "fem.solver.stiffness:Block.times",
        "self.matrix, x - mean",
        "self.matrix, x",
        f"{V}/test_solver.py::test_a_block_is_stiffness_and_rest",
    ),
    Fault(
        "fixed charge of a map has the wrong sign",
        "fem.physics.maps.potential:Potential.rows",
        "form -= self.charge * v * w * dx",
        "form += self.charge * v * w * dx",
        f"{MAPS}/test_films.py::test_fixed_charge",
    ),
    Fault(
        "a film takes what it passes from both sides",
        "fem.physics.maps.films:Film.currents",
        "-flow}",
        "flow}",
        f"{MAPS}/test_films.py::test_slabs_in_series",
    ),
    Fault(
        "a separator of a map conducts as if its pores were straight",
        "fem.physics.maps.build:_conductivity",
        "kappa *= porosity / tortuosity",
        "kappa *= porosity",
        f"{MAPS}/test_films.py::test_a_separator_in_series",
    ),
    Fault(
        "a boss is compared with its own mean field",
        "fem.physics.maps.potential:Potential.step",
        "self._field_at_held(self.far)",
        "self._field_at_held(self.tip)",
        f"{MAPS}/test_fields.py::test_tip_of_a_boss",
    ),
    Fault(
        "metal of bare walls has no part in the error of a step",
        "fem.physics.metal.covering:Covering.gap",
        "np.maximum(np.abs(covered - other), np.abs(miscounted))",
        "np.abs(covered - other)",
        f"{METAL}/test_growth_film.py::test_the_tolerance_holds_the_metal_of_a_bare_wall",
    ),
    Fault(
        "a wall forgets its barrier by the eta of the end of the step",
        "fem.physics.metal.covering:Covering._follow",
        "0.5 * (before + eta), dt",
        "eta, dt",
        f"{METAL}/test_growth_film.py::test_the_voltage_of_a_wall_that_forgets_is_of_second_order",
    ),
    Fault(
        "sign of a fixed charge",
        "fem.physics.charged.shift:Shift.spread",
        "Spread(-density",
        "Spread(density",
        f"{CHARGED}/test_host.py::test_overlimiting_current_against_comsol",
    ),
    Fault(
        "a charged medium stores c, not its anions",
        "fem.physics.charged.shift:laws",
        "lambda c, T: shift.c_minus(c)",
        "lambda c, T: c",
        f"{CHARGED}/test_host.py::test_steady_closed_cell[1.5--0.1]",
    ),
    Fault(
        "walls in a charged medium see c",
        "fem.physics.walls.interface:Interface._solved",
        's.values.get("c_at_walls", s["c_lagged"])',
        's["c_lagged"]',
        f"{CHARGED}/test_media.py::test_what_walls_see[True]",
    ),
    Fault(
        "the charge of Stern layers has no current",
        "fem.physics.pnp.stern:SternLayers.rows",
        'rows[CELL] = "current", 1.0',
        "pass",
        f"{PNP}/test_solver.py::test_books_with_a_host",
    ),
    Fault(
        "books leave displacement current out",
        "fem.physics.pnp.stern:SternLayers.charging",
        "self.system.ddt(q) * measure",
        "0.5 * self.system.ddt(q) * measure",
        f"{PNP}/test_solver.py::test_books_with_a_host",
    ),
    Fault(
        "Stern layers charge the wrong side",
        "fem.physics.pnp.stern:SternLayers.rows",
        'rows = {"phi": ("charge", -1.0)}',
        'rows = {"phi": ("charge", 1.0)}',
        f"{PNP}/test_case.py::test_a_steady_cell",
    ),
    Fault(
        "ions drift up the field",
        "fem.physics.pnp.drift:drift",
        "hybrid(a, b, charge * (there - here) - flow)",
        "hybrid(a, b, charge * (here - there) - flow)",
        f"{PNP}/test_orders.py::test_weak_drift",
    ),
    Fault(
        "charged walls attract their own kind",
        "fem.physics.pnp.space_charge:SpaceCharge.poisson",
        '-self.omega * density * (v(side) if side else v) * measure',
        'self.omega * density * (v(side) if side else v) * measure',
        f"{PNP}/test_layers.py::test_a_charged_wall",
    ),
    Fault(
        "the drop through a film that grows is left out",
        "fem.physics.sei.laws:Film.resistance",
        'return self.data["resistivity"] * L',
        "return 0.0 * L",
        f"{SEI}/test_growth.py::test_film_drops_voltage",
    ),
    Fault(
        "fresh film after cracks costs nothing",
        "fem.physics.sei.laws:Film.current",
        "j = j + self.charge * self.breaking(metal) * self.crack.fresh",
        "j = j + 0.0 * metal",
        f"{SEI}/test_growth.py::test_cracks",
    ),
    Fault(
        "the film makes metal",
        "fem.physics.walls.interface:Interface._solved",
        "out = out + skin.current(e, plus, minus, drop, eta, metal(eta))",
        "out = out + 0.0 * skin.current(e, plus, minus, drop, eta, metal(eta))",
        f"{SEI}/test_growth.py::test_rest_costs_metal",
    ),
    Fault(
        "growth does not follow the temperature",
        "fem.physics.sei.laws:Film.current",
        '* arrhenius(self.data["Ea"], at.T)',
        "",
        f"{SEI}/test_growth.py::test_temperature",
    ),
    Fault(
        "the error of a film is held to no finer tolerance",
        "fem.physics.sei.films:Films.declare",
        "L.relative, L.tolerance_share = True, FILM_TOLERANCE_SHARE",
        "L.relative, L.tolerance_share = True, 1.0",
        f"{SEI}/test_growth.py -k test_laws[solvent_diffusion-0.4-36000000.0",
    ),
    Fault(
        "metal is stranded where it is plated",
        "fem.physics.inventory.losses:Losses.dead",
        "self.stranded * ufl.max_value(i_n, 0.0)",
        "self.stranded * ufl.max_value(-i_n, 0.0)",
        f"{INVENTORY}/test_cycles.py::test_efficiency_is_that_of_the_losses",
    ),
    Fault(
        "SEI of an input is taken while metal is stripped",
        "fem.physics.inventory.losses:Losses.side",
        "self.diverted * ufl.min_value(i_n, 0.0)",
        "self.diverted * ufl.max_value(i_n, 0.0)",
        f"{INVENTORY}/test_cycles.py::test_efficiency_is_that_of_the_losses",
    ),
    Fault(
        "a foil opposite gains what it should lose",
        "fem.physics.walls.counter:Holding.rows",
        "(s.ddt(k.value) + metal) * weight",
        "(s.ddt(k.value) - metal) * weight",
        f"{INVENTORY}/test_cycles.py::"
        "test_inventory_closes_and_each_part_is_what_the_input_says",
    ),
    Fault(
        "the voltage of a cathode does not follow its state",
        "fem.physics.walls.counter:Holding.declare",
        "self.ocv(k.value / self.full)",
        "self.ocv(self.start / self.full)",
        f"{INVENTORY}/test_cycles.py::test_a_cathode_is_its_voltage_behind_a_resistance",
    ),
    Fault(
        "an end of life is reported after as many cycles as there are",
        "fem.physics.inventory.outlook:extrapolated",
        "if len(last) < FEWEST:",
        "if len(last) < 1:",
        f"{INVENTORY}/test_cycles.py::test_losses_are_stated",
    ),
    Fault(
        "sign of z in the migration of ions",
        "fem.physics.species.solution:Solution.flux",
        "+ self.ions[k].z * ufl.grad",
        "- self.ions[k].z * ufl.grad",
        f"{SPECIES}/test_orders.py::test_order_in_space",
    ),
    Fault(
        "sign of the fixed charge beside many ions",
        "fem.physics.species.neutrality:Neutrality.find",
        "np.maximum(rho, 0.0), np.maximum(-rho, 0.0)",
        "np.maximum(-rho, 0.0), np.maximum(rho, 0.0)",
        f"{SPECIES}/test_solution.py::test_at_rest_across_steps_of_charge",
    ),
    Fault(
        "what sites take stays in the liquid",
        "fem.physics.species.sites:Sites.rows",
        '("stored", unit)',
        '("stored", 0.0)',
        f"{SPECIES}/test_solution.py::test_sites_take_anions_until_they_are_full",
    ),
    Fault(
        "ions spread as at the temperature of the case",
        "fem.physics.species.solution:Solution._slope",
        ' * self.s["T"] / self.s.temperature',
        "",
        f"{SPECIES}/test_heat.py::test_three_ions_are_warmed_as_their_salt",
    ),
    Fault(
        "a restart forgets how errors grew",
        "fem.run.simulation:Simulation.continue_from",
        'tuple(kept["last_step"]) if kept.get("last_step") else None',
        "None",
        "tests/run/test_restart.py::test_a_restart_goes_on_with_the_trend_of_errors",
    ),
)


def caught(fault: Fault) -> bool:
    """True if the test turns red under the fault."""
    with tempfile.TemporaryDirectory(prefix="hostplate-fault-") as folder:
        copy = Path(folder)
        for name in ("fem", "geometries", "tests", "scripts"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        try:
            file, text = fault.changed()
        except (ValueError, AttributeError, ImportError) as error:
            raise SystemExit(f"{fault.what}: {error}; bring the list up to date") from None
        (copy / file).write_text(text, encoding="utf-8")
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
