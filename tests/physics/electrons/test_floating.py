"""Parts that no potential reaches are held at one node, to no effect; floating ones are counted.

A conductor that nothing reacts on bends the current as an insulator does, so each cell has a known
partner: the same mesh with glass in its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fem import Case
from fem.base.errors import CaseError
from fem.compat import MPI, PETSc
from fem.run.session import run
from fem.setup import edges as boundaries
from tests.physics.walls.test_walls import WALL_MATERIALS
from tests.verification.cells import IDEAL, Cell, case, kinetics

DEAD = {"material": "Al2O3", "thickness": "10 nm", "blocks_ions": True}
SHELLS = {  # a core of steel in a shell of glass, with or without a gap of electrolyte
    "family": "particle_bed", "width": "16 um", "gap": "2 um", "growth": 1.8, "layers": [
        {"name": "bed", "thickness": "12 um", "porosity": 0.853, "diameter": "6 um",
         "contact": "separate", "core": {"diameter": 0.5}}],
}


def array(dim: int, material: str = "steel", **more: Any) -> dict[str, Any]:
    """A fibre, or a perforated sheet above a spacing, amid the electrolyte, dead under alumina."""
    name = "host_fibre" if dim == 2 else "host_b"
    geometry: dict[str, Any] = {
        "family": "array", "pitch": "100 um", "solid_fraction": 0.3, "cells_per_radius": 4}
    regions = {name: {"material": material}}
    if dim == 3:
        sheet = {"thickness": "4 um", "opening": 0.4, "pitch": "10 um"}
        geometry = {"family": "lamella", "dimension": 3, "spacing": "4 um", "gap": "4 um",
                    "size_wall": "2 um", "layers": [sheet | {"name": n} for n in "ab"]}
        regions["host_a"] = {"material": "glass"}
    return case(
        study="secondary", geometry=geometry, materials=WALL_MATERIALS | {"ideal": IDEAL},
        regions=regions, coatings=[DEAD | {"on": name}] if material == "steel" else [],
        kinetics=[kinetics("collector", 20.0), kinetics("counter", 20.0)],
    ) | more


def yolks(gap: bool, study: str = "secondary", **more: Any) -> dict[str, Any]:
    """Cores that trade with their own pocket of electrolyte at most."""
    layer = dict(SHELLS["layers"][0])  # type: ignore[index]
    layer["core"] = {"diameter": 0.5, "gap": 0.75} if gap else {"diameter": 0.5}
    layer["porosity"] = 0.853 if not gap else 0.9
    return case(
        study=study, geometry=SHELLS | {"layers": [layer]},
        materials=WALL_MATERIALS | {"ideal": IDEAL},
        regions={"host_bed": {"material": "glass"}, "host_bed_core": {"material": "steel"}},
        kinetics=[kinetics(n, 20.0) for n in ("collector", "counter", "host_bed_core")],
        protocol=[{"step": "plate", "current_density": "10 A/m^2", "duration": "2 s"}],
    ) | more


def solved(data: dict[str, Any], density: float = -10.0, **options: Any) -> Cell:
    cell = Cell(data, rtol=1e-11, **options)
    cell.s.begin(0.0)
    cell.solve(density)
    return cell


def rank_of(cell: Cell) -> int:
    """Rows less independent ones of the matrix of all potentials, each row scaled by its size."""
    cell.main.parts.fill()
    matrix = cell.main.parts.flat()
    n = matrix.getSize()[0]
    dense = matrix.getValues(range(n), range(n))
    dense = dense / np.abs(dense).max(axis=1, keepdims=True)
    values = np.linalg.svd(dense, compute_uv=False)
    # A core at eta = 0 is tied by its reaction, or by round-off on the other side of 0 by the side
    # reaction only (2e-13); a constant that nothing ties gives round-off, below 1e-15.
    return int(np.sum(values < 1e-14 * values[0]))


@pytest.mark.parametrize(("dim", "kind"), [(2, "direct"), (2, "iterative"), (3, "direct")])
def test_a_dead_conductor_is_an_insulator_with_a_potential(dim: int, kind: str) -> None:
    """Voltage of the same cell with glass; a node held each, no free constant, no current in it.

    The slit cuts the sheet of the 3D cell in two.
    """
    pieces = dim - 1
    cell = solved(array(dim), kind=kind)
    glass = solved(array(dim, "glass"), kind=kind)
    _, phi = cell.nodes("phi_s")
    assert cell.model.floating.cut_off == cell.model.floating.count == pieces
    assert cell.voltage == pytest.approx(glass.voltage, rel=1e-12)
    assert np.ptp(phi) < 1e-12
    if kind == "direct":
        assert rank_of(cell) == 0
    held = cell.s.unknowns["phi_s"].fixed_dofs()
    assert len(held) == pieces
    assert np.abs(cell.main.raw["phi_s"][held]).max() < 1e-12 * 10.0 * cell.area


def test_nothing_depends_on_where_it_is_held() -> None:
    """Held at 0.3 V instead: the cell's voltage and all of phi_l stay to the last digits."""
    cell = solved(array(2))
    before, (_, phi_l) = cell.voltage, cell.nodes("phi_l")
    phi = cell.s.unknowns["phi_s"]
    phi.value.x.array[phi.fixed_dofs()] = 0.3
    cell.solve(-10.0)
    assert cell.voltage == pytest.approx(before, rel=1e-12)
    assert np.abs(cell.nodes("phi_l")[1] - phi_l).max() < 1e-12
    assert cell.nodes("phi_s")[1] == pytest.approx(0.3, abs=1e-12)


def test_a_pocket_and_its_core_share_one_constant() -> None:
    """Core and pocket in a shell of glass may trade: one node of the two is held, not two."""
    cell = solved(yolks(gap=True))
    count = cell.model.floating.total
    assert cell.model.floating.cut_off == cell.model.floating.count == count
    held = [len(cell.s.unknowns[n].fixed_dofs()) for n in ("phi_s", "phi_l")]
    assert held == [0, count] and rank_of(cell) == 0
    traded = cell.stock.by_region()["host_bed_core"]["current"]
    assert abs(traded) < 1e-12 * 10.0 * cell.area


@pytest.mark.parametrize(("study", "gap"), [
    ("primary", True), ("secondary", True), ("tertiary", True), ("tertiary", False)])
def test_balances_close_with_cores_in_glass(study: str, gap: bool, tmp_path: Any) -> None:
    result = run(Case.from_dict(yolks(gap, study)), tmp_path / "r")
    text = " ".join(result.summary["warnings"])
    print(study, gap, result.summary["voltage"], result.summary["closures"])
    assert max(result.summary["closures"].values()) < 1e-8
    assert "conducting solids (host_bed_core) touch neither the collector nor" in text
    assert "cut off from every electrode" in text


def test_current_into_what_it_cannot_leave_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's mesh may have such a boundary: it touches the sheet behind the glass."""
    read = boundaries.read

    def with_supply(*given: Any) -> Any:
        edges = read(*given)
        edges.into_solid["sides"] = 1.0
        return edges

    monkeypatch.setattr(boundaries, "read", with_supply)
    data = case(
        study="secondary", materials=WALL_MATERIALS | {"ideal": IDEAL},
        geometry={"family": "laminate", "width": "5 um", "layers": [
            {"region": "electrolyte", "thickness": "20 um"},
            {"region": "coating_glass", "thickness": "2 um"},
            {"region": "host_top", "thickness": "5 um"}]},
        regions={"coating_glass": {"material": "glass"}, "host_top": {"material": "steel"}},
        kinetics=[kinetics("collector", 20.0)], counter={"kind": "blocking"},
        boundaries={"sides": {"phi_l": "0 V"}},
    )
    with pytest.raises(CaseError, match=r"boundaries\.sides\.current_density: drives"):
        Cell(data)


# -- what floats is counted ---------------------------------------------------------------------

MAT: dict[str, Any] = {"family": "fibre_mat", "width": "30 um", "growth": 1.8, "contacts": "none",
                       "layers": [
    {"name": "mat", "thickness": "20 um", "porosity": 0.85, "fibre_diameter": "4 um"}]}


@pytest.mark.parametrize(("regions", "floats"), [
    ({"host_mat": {"material": "Cu"}}, True),
    ({"host_mat": {"material": "Cu", "connected": True}}, False),
    ({"host_mat": {"material": "Cu"}, "electrolyte_mat": {"bridge_sigma": "1 kS/m"}}, False),
    ({"host_mat": {"material": "PAN"}}, False),
])
def test_fibres_that_touch_nothing_are_counted(regions: dict[str, Any], floats: bool) -> None:
    cell = Cell(case(study="secondary", geometry=MAT, electrolyte="LiPF6_EC_EMC_3_7",
                     regions=regions, kinetics=[], materials={}))
    found, fibres = cell.model.floating, cell.domain.sidecar["fibres"]
    assert (found.count, found.cut_off) == (fibres if floats else 0, 0)
    if floats:
        assert found.total == fibres > 5 and found.regions == ("host_mat",)


def on_ranks(comm: Any = MPI.COMM_WORLD) -> list[float]:
    """Voltages of a dead sphere and of cores in pockets, and how many nodes are held."""
    out = []
    for data in (array(3), yolks(gap=True)):
        cell = solved(data, comm=comm)
        held = 0
        for name in ("phi_s", "phi_l"):
            u = cell.s.unknowns[name]
            own = u.fixed_dofs() < u.space.dofmap.index_map.size_local
            held += comm.allreduce(int(np.sum(own)))
        out += [cell.voltage, float(held)]
    return out


def test_two_ranks_hold_the_same(mpirun: Any) -> None:
    alone = on_ranks(MPI.COMM_SELF)
    together = mpirun(2, on_ranks)
    print(alone, together)
    assert together[1::2] == alone[1::2]
    assert together[::2] == pytest.approx(alone[::2], rel=1e-11)


# -- what PETSc cannot solve is put in plain words ------------------------------------------------


def test_a_singular_matrix_is_named_as_the_cause() -> None:
    """A row of zeros, as a conductivity of 0 would leave: MUMPS finds it, no trace is shown."""
    cell = solved(array(2))
    fill = cell.main.parts.fill

    def emptied() -> None:
        fill()
        matrix: Any = cell.main.parts.nest.getNestSubMatrix(0, 0)
        matrix.setOption(PETSc.Mat.Option.KEEP_NONZERO_PATTERN, True)
        matrix.zeroRows([5], diag=0.0)

    solver = cell.main.solver
    cell.main.parts.fill = emptied  # type: ignore[method-assign]
    cell.s.set_voltage(-0.3)
    outcome = cell.main.solve_once(cell.control(None), cell.scale(-10.0))
    print(outcome, solver.why)
    assert not outcome.converged
    assert "singular (MUMPS -10)" in outcome.reason


def test_an_error_of_petsc_is_no_traceback() -> None:
    cell = Cell(array(2), kind="direct", overrides={"pc_factor_mat_solver_type": "nonsense"})
    cell.s.begin(0.0)
    outcome = cell.main.solve_once(cell.control(-10.0), cell.scale(-10.0))
    print(outcome)
    assert not outcome.converged and "PETSc stopped with its error 92" in outcome.reason


def test_what_lets_no_current_pass_is_said_before_the_first_step() -> None:
    """A foil that is dead amid fibres that float; and all of them dead."""
    data = case(study="secondary", geometry=MAT, electrolyte="LiPF6_EC_EMC_3_7", materials={},
                regions={"host_mat": {"material": "Cu"}}, kinetics=[],
                coatings=[DEAD | {"on": "collector"}])
    with pytest.raises(CaseError, match=r"no path for the current: .*\(host_mat\) float"):
        Cell(data)
    with pytest.raises(CaseError, match="coatings on host_mat, collector stop electrons and ions"):
        Cell(data | {"coatings": [DEAD | {"on": "*"}]})


# -- in a growth study ----------------------------------------------------------------------------


@pytest.mark.parametrize("eta_nuc", ["40 mV", "0 V"])
def test_fibres_that_float_in_growth_rest_like_those_that_insulate(
    eta_nuc: str, tmp_path: Any
) -> None:
    """Bare copper that touches nothing: no net current, no metal on it, the voltage of PAN.

    Its potential follows from side reactions, not from what leaks through empty pores. Without a
    barrier the metal that plates on one side is what side reactions pass on the other.
    """
    geometry = MAT | {"growth": 1.2, "size": "1.5 um", "size_wall": "1.5 um", "layers": [
        MAT["layers"][0] | {"thickness": "30 um", "fibre_diameter": "5 um"}]}
    found = {}
    for material in ("Cu", "PAN"):
        data = case(
            study="growth", geometry=geometry, electrolyte="LiPF6_EC_EMC_3_7", materials={},
            regions={"host_mat": {"material": material}}, growth={"interface_width": "3 um"},
            kinetics=[{"surface": "*", "eta_nuc": eta_nuc}], counter={"kind": "metal"},
            protocol=[{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 ms"}],
        )
        found[material] = run(Case.from_dict(data), tmp_path / material)
    copper, pan = found["Cu"], found["PAN"]
    shares = copper.summary["share_by_region"]
    print(copper.summary["voltage"], pan.summary["voltage"], copper.summary["closures"], shares)
    assert max(copper.summary["closures"].values()) < 1e-8
    assert abs(shares["host_mat"]) < 1e-4  # empty pores leak 1.4e-5
    assert copper.summary["voltage"] == pytest.approx(pan.summary["voltage"], rel=1e-4)
    assert "conducting solids (host_mat) touch neither" in " ".join(copper.summary["warnings"])
