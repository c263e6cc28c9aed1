"""The solver itself: Jacobians, balances of the rows, stages, control row, ranks."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ufl

from fem import Case
from fem.compat import MPI, dfem
from fem.mesh.domain import Domain
from fem.mesh.partition import column_of, destinations
from fem.mesh.spaces import space_on
from fem.run.simulation import PRIMARY, Simulation
from fem.solver import pattern
from fem.solver.linear import LinearSolver
from fem.solver.options import Control, Options, Outcome
from fem.solver.pattern import product
from fem.solver.stage import Stage
from fem.solver.stepper import Settings, Stepper
from fem.solver.stiffness import Assembled, Block, Stiffness, Vector
from fem.solver.wear import Wear
from fem.system import verdicts
from fem.system.hints import Hints
from fem.system.system import System
from fem.system.unknown import Unknown
from tests.verification.cells import IDEAL, PLAIN, Cell, case, kinetics, mesh_folder
from tests.verification.fronts import box
from tests.verification.taylor import orders, remainders

STEEL = {"kind": "solid", "sigma": "100 S/m"}
BLOCK = {  # a perforated block: walls, floor and counter all react
    "family": "laminate",
    "size_width": "2.5 um",
    "layers": [
        {"region": "host_block", "thickness": "20 um", "cells": 4, "pore_diameter": "10 um",
         "pitch": "20 um"},
        {"region": "electrolyte", "thickness": "30 um", "cells": 6},
    ],
}


def block(**more) -> dict:
    """Film and nucleation barrier on the block, a foreign collector, salt."""
    data = case(
        geometry=BLOCK,
        materials={"ideal": IDEAL, "steel": STEEL},
        regions={"host_block": {"material": "steel"}},
        collector={"material": "steel"},
        kinetics=[
            kinetics("host_block", 30.0, eta_nuc="20 mV", q_cov="80 C/m^2",
                     film_resistance="1e-3 ohm*m^2"),
            kinetics("collector", 10.0, eta_nuc="30 mV", q_cov="80 C/m^2"),
            kinetics("counter", 50.0),
        ],
    )
    return data | more


def disturbed(seed: int = 7) -> Cell:
    """The block plating half a second, then every unknown moved at random: off equilibrium."""
    cell = Cell(block(), rtol=1e-10)
    cell.s.set_voltage(-0.1)
    cell.rest(-100.0)
    for dt in (0.1, 0.2, 0.2):
        cell.step(-100.0, dt)
    cell.s.begin(0.3)
    rng = np.random.default_rng(seed)
    for name, size in (("phi_s", 1e-6), ("phi_l", 1e-4), ("c", 30.0), ("q", 2.0)):
        u = cell.s.unknowns[name]
        move = size * rng.uniform(-1, 1, len(u.owned))
        move[u.fixed_dofs()] = 0.0
        u.owned[:] += move
    return cell


# -- Jacobian ----------------------------------------------------------------------------------


def test_taylor():
    """|F(u + e d) - F(u) - e J d| falls as e^2 for every row; so does the cell current's.

    Film currents (lagged, refreshed by Newton) are frozen, walls are away from their kinks.
    """
    cell = disturbed()
    stage, s = cell.main, cell.s
    for refresh in s.refreshers:
        refresh()
    left = remainders(stage, (2e-3, 2e-3, 50.0, 5.0), (0.25, 0.125, 0.0625, 0.03125))
    for name, gaps in left.items():
        print("taylor", name, orders(gaps))
        assert np.all(np.abs(orders(gaps) - 2.0) < 0.1), name


def test_held_nodes_have_a_diagonal_like_the_others():
    """Within a factor 1e6 of the free ones: far below, multigrid on 2 ranks no longer works."""
    stage = disturbed().main
    stage.residual()
    stage.parts.fill()
    some = 0
    for k, (name, held) in enumerate(zip(stage.names, stage.fixed, strict=True)):
        diagonal = stage.parts.blocks[k][k].getDiagonal().array
        free = np.delete(diagonal, held)
        some += len(held)
        if len(held):
            print("held", name, diagonal[held].min() / np.median(free))
            assert np.all(np.abs(np.log10(diagonal[held] / np.median(free))) < 6)
    assert some > 0


# -- rows --------------------------------------------------------------------------------------


def test_charge_rows_leave_the_terminal_currents():
    """Both charge rows with test function 1, at any state: floor and counter currents only."""
    cell = disturbed()
    for refresh in cell.s.refreshers:
        refresh()
    cell.main.residual()
    raw = cell.main.raw
    total = raw["phi_s"].sum() + raw["phi_l"].sum()
    counter = cell.circuit.total("counter")
    floor = cell.circuit.total("driven")
    walls = cell.stock.by_region()["host_block"]["current"]
    size = np.abs(raw["phi_s"]).sum() + np.abs(raw["phi_l"]).sum()
    print("rows", (total + counter + floor) / size)
    assert abs(walls) > 0.1 * abs(counter + floor) > 0.0
    assert abs(counter + floor) > 1e-3 * size
    assert abs(total + counter + floor) < 1e-12 * size
    # each row by itself misses the current of the walls
    assert abs(raw["phi_s"].sum() - walls) < 1e-12 * size


def laplacian(comm: MPI.Comm = MPI.COMM_WORLD) -> list[list[float]]:
    """Sums over a stiffness matrix times a field: filled cell by cell, and by DOLFINx."""
    system, u = _one_field(comm)
    k, q = 1.0 + u.value**2, system.domain.dx(("electrolyte",))
    form = k * ufl.inner(ufl.grad(u.trial), ufl.grad(u.test)) * q
    assert Stiffness.fits(form, u, u)
    out = []
    for made in (Block(system, form, u, u), Assembled(system.form(form))):
        made.assemble()
        x, y = made.matrix.createVecs()
        x.array_w[:] = u.owned
        made.matrix.mult(x, y)
        out.append([float(made.matrix.norm()), y.norm(), y.dot(x)])
    return out


def test_sums_of_rows_are_those_of_what_is_stored_and_exchanged() -> None:
    """1e9 grad u . grad v beside u v and exchange at a face: cancellation leaves 8 digits less."""
    system, u = _one_field(MPI.COMM_SELF)
    dx, ds = system.domain.dx(("electrolyte",)), system.domain.ds((("collector", "electrolyte"),))
    stiff = 1e9 * ufl.inner(ufl.grad(u.trial), ufl.grad(u.test)) * dx
    rest = u.trial * u.test * dx + 3.0 * u.trial * u.test * ds
    block = Block(system, stiff + rest, u, u)
    block.assemble()
    sums = block.sums()
    assert sums is not None and sums.sum() == pytest.approx(3.0 * 2.0 + 3.0 * 3.0, rel=1e-13)
    cancelled = product(block.matrix, np.ones(len(sums)))
    assert np.abs(cancelled - sums).max() > 1e-8 * np.abs(sums).max()
    alone = Block(system, stiff, u, u)
    alone.assemble()
    assert not np.any(alone.sums())
    stored = Block(system, rest, u, u)
    stored.assemble()
    assert stored.sums() is None


def test_a_poor_preconditioner_is_set_up_from_scratch() -> None:
    """Aggregates of an empty pore do not suit it once metal fills two thirds: the next ones do."""
    domain = box((0, 0), (1.0, 1.0), (60, 60))
    system = System(domain)
    system.hints.even_mesh = system.hints.lasting = True
    u = system.add("u", domain.subdomain(("electrolyte",)))
    k = dfem.Function(space_on(domain.mesh, ("DG", 0)))
    dx, ds = domain.dx(("electrolyte",)), domain.ds((("collector", "electrolyte"),))
    flux = k * ufl.inner(ufl.grad(u.value), ufl.grad(u.test))
    system.row("u", (flux + 1e-3 * u.value * u.test) * dx - u.test * ds)
    options = Options("iterative", 1e-9)

    def iterations(stage: Stage, height: float) -> int:
        def conducts(x: Any) -> Any:
            island = np.hypot(4 * x[0] % 1 - 0.5, 4 * x[1] % 1 - 0.5) < 0.3
            return np.where((x[1] < height) & ~island, 1e-6, 1.0)

        k.interpolate(conducts)
        u.value.x.array[:] = 0.0
        outcome = stage.solve(Control(None), 1.0)
        assert outcome.converged
        return outcome.linear

    kept = Stage(system, ["u"], options, drives=False)
    empty, filled, later = (iterations(kept, height) for height in (0.0, 0.6, 0.6))
    new = iterations(Stage(system, ["u"], options, drives=False), 0.6)
    print("krylov", empty, filled, later, "new", new)
    assert filled > 3 * new
    assert later <= new + 2  # aggregates begin at random


def _one_field(comm: MPI.Comm) -> tuple[System, Unknown]:
    domain = box((0, 0), (3.0, 2.0), (9, 7), comm=comm)
    system = System(domain)
    u = system.add("u", domain.subdomain(("electrolyte",)))
    u.value.interpolate(lambda x: np.sin(x[0]) + x[0] * x[1])
    return system, u


def test_a_stiffness_matrix_is_the_assembled_one(mpirun):
    """One number a cell times a fixed matrix, against the kernel of the form, on 1 and 2 ranks."""
    alone = laplacian()
    np.testing.assert_allclose(alone[0], alone[1], rtol=1e-13)
    np.testing.assert_allclose(mpirun(2, laplacian), [alone[1]] * 2, rtol=1e-12)


def blocks(comm: MPI.Comm = MPI.COMM_WORLD) -> list[list[float]]:
    """Sums over the products of blocks with u + 1e6: in parts, in one, and of u alone in K."""
    system, u = _one_field(comm)
    dx, ds = system.domain.dx(("electrolyte",)), system.domain.ds((("collector", "electrolyte"),))
    k, a, b = 1.0 + u.value**2, ufl.grad(u.trial), ufl.grad(u.test)
    stiff, mass = k * ufl.inner(a, b) * dx, u.trial * u.test * dx
    large = 1e6 + u.owned
    out = []
    for form in (stiff + mass, stiff + u.trial * u.test * ds, mass, stiff):
        block, whole = Block(system, form, u, u), Assembled(system.form(form))
        assert block.stiff == (form is not mass) and block.rest == (form is not stiff)
        u.value.x.array[:] *= 1.5  # both must take the present state
        for made in (block, block, whole):
            made.assemble()
        x, _ = block.matrix.createVecs()
        for y in (block.times(large), product(block.matrix, large), product(whole.matrix, large)):
            x.array_w[:] = y
            out.append([x.norm(), x.sum()])
        u.value.x.array[:] /= 1.5
    even = block.times(np.full(len(large), 1000.3))
    x.array_w[:] = even
    return [*out, [x.norm(), 0.0]]


def test_a_block_is_stiffness_and_rest(mpirun):
    """Their sum is the matrix of the whole form; what is even drives nothing."""
    alone = np.array(blocks())
    size = np.abs(alone[:-1]).max()
    for parts, one, whole in alone[:-1].reshape(4, 3, 2):
        np.testing.assert_allclose(parts, whole, atol=1e-13 * size)
        np.testing.assert_allclose(one, whole, atol=1e-13 * size)
    assert alone[-1][0] < 1e-20
    stiff, product_of_large = abs(alone[-4][1]), abs(alone[-2][1])
    assert stiff < 1e-11 < product_of_large  # a row of zeros; with u + 1e6 itself 2e-7 is left
    np.testing.assert_allclose(mpirun(2, blocks), alone, atol=1e-13 * size)


def at_corners(comm: MPI.Comm = MPI.COMM_WORLD) -> list[list[float]]:
    """Sums over vectors and matrices by the vertex rule, at corners and by kernels, in turn."""
    system, u = _one_field(comm)
    u.value.x.scatter_forward()
    region = ("electrolyte",)
    dx, sigma = system.domain.dx(region, lumped=True), system.domain.field({"electrolyte": 3.0})
    w, v, x = u.trial, u.test, system.domain.x
    law = ufl.exp(-u.value**2) * ufl.max_value(u.value, 0.2) / (2.0 + ufl.sin(u.value))
    law *= ufl.conditional(ufl.lt(u.value, 0.5), 1.5, u.value**1.5) + system.temperature
    along = sigma * law * ufl.grad(u.value) - u.value * ufl.as_vector((x[1], 2.0))
    a, b = ufl.grad(w), ufl.grad(v)
    jump = dfem.Function(dfem.functionspace(u.part.mesh, ("DG", 1)))  # as porosities of hosts
    corners = u.space.tabulate_dof_coordinates()[u.space.dofmap.list]
    jump.x.array[jump.function_space.dofmap.list] = (
        corners[..., 1] + np.sin(40.0 * corners[..., 0].sum(axis=1, keepdims=True)))
    out, taken = [], []
    for form in (
        (jump - u.value) * w * v * dx + jump * law * ufl.inner(a, b) * dx,
        w * ufl.inner(jump * law * ufl.grad(u.value), b) * dx,
        v * ufl.inner(jump * along, a) * dx,
        law * w * v * dx + (sigma + law) * x[0] * ufl.inner(a, b) * dx,
        w * ufl.inner(along, b) * dx,
        v * ufl.inner(along, a) * dx + sigma * w * v * dx,
        w * ufl.inner(along, b) * dx - 2.0 * w * v * system.domain.dx(region) + w.dx(0) * v * dx,
    ):
        block, whole = Block(system, form, u, u), Assembled(system.form(form))
        assert block.slow_stiff is None
        taken.append(block.slow_rest is None)
        for made in (block, whole):
            made.assemble()
            right, left = made.matrix.createVecs()
            right.array_w[:] = u.owned
            out.append([made.matrix.norm(), *_both_ways(made.matrix, right)])
        y = block.times(u.owned)
        assert np.abs(y - product(whole.matrix, u.owned)).max() < 1e-12 * np.abs(y).max()
    assert taken == [True] * 6 + [False]  # the last has a rule of its own
    again = law * v * dx + law * v * dx  # the same twice is twice as much
    for form in (
        again + ufl.inner(along, b) * dx, sigma * v * dx + law * v * dx,
        (jump - law) * v * dx + jump**2 * ufl.inner(along, b) * dx,
    ):
        vector = Vector(system, form, u)
        assert vector.other is None
        right.array_w[:] = vector.nodal()
        left.array_w[:] = system.nodal(system.form(form))
        out += [[one.norm(), one.sum(), one.max()[1]] for one in (right, left)]
    return out


def layers(comm: MPI.Comm = MPI.COMM_WORLD) -> list[list[float]]:
    """Cells of each region on each rank, last the volumes, of layers that are read from a file."""
    cells: Any = zip(BLOCK["layers"], (30, 40), strict=True)
    fine = [layer | {"cells": number} for layer, number in cells]
    wide = BLOCK | {"size_width": "0.4 um", "layers": fine}
    domain = Domain.read(mesh_folder(Case.from_dict(block(geometry=wide)), comm), comm)
    own = domain.cell_tag_array[: domain.mesh.topology.index_map(2).size_local]
    here = [float((own == tag).sum()) for tag in domain.regions.values()]
    return [*comm.allgather(here), [domain.volume([name]) for name in domain.regions]]


def on_two_ranks(comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, Any]:
    """Both for the test below and for that of the layers, in one launch."""
    return {"corners": at_corners(comm), "layers": layers(comm)}


@pytest.fixture(scope="module")
def two_ranks(mpirun):
    return mpirun(2, on_two_ranks)


def test_each_rank_has_its_share_of_every_layer(two_ranks):
    """Cells go to ranks in columns: a rank with the separator alone would wait for the others."""
    *alone, volumes = layers()
    *shares, same = two_ranks["layers"]
    np.testing.assert_allclose(np.sum(shares, axis=0), alone[0])
    np.testing.assert_allclose(same, volumes, rtol=1e-12)
    for region in np.transpose(shares):
        print("layers", region)
        assert region.min() > 0.9 * region.max()


def test_columns_are_even_and_not_too_narrow():
    """Three layers of cells in a box: 6 columns hold as many of each; of 600 there are none."""
    rng = np.random.default_rng(2)
    middles = rng.uniform(size=(120_000, 3)) * (4.0, 3.0, 6.0)
    column = column_of(middles, 6, 2)
    assert sorted(np.bincount(column)) == [20_000] * 6
    for k in range(3):
        layer = np.bincount(column[np.floor(middles[:, 2] / 2) == k])
        assert layer.min() > 0.9 * layer.max()
    assert column_of(middles, 600, 2) is None


def test_cells_go_to_their_column_and_to_its_neighbours():
    """A chain of five cells on three ranks: the owner first, then whoever has a facet of it."""
    links = [[1], [0, 2], [1, 3], [2, 4], [3]]
    ends = np.append(0, np.cumsum([len(each) for each in links]))
    graph = SimpleNamespace(array=np.concatenate(links), offsets=ends)
    rank_of = np.array([0, 0, 2, 1, 1], dtype=np.int32)
    found = destinations(MPI.COMM_SELF, rank_of)(MPI.COMM_SELF, 3, graph, True)
    assert [found.links(k).tolist() for k in range(5)] == [[0], [0, 2], [2, 0, 1], [1, 2], [1]]


def _both_ways(matrix: Any, right: Any) -> list[float]:
    """Sizes of the products of a matrix and of its transpose with a vector."""
    one, other = matrix.createVecs()
    matrix.mult(right, other)
    matrix.multTranspose(right, one)
    return [other.norm(), other.dot(right), one.norm(), one.dot(right)]


def test_what_is_taken_at_corners_is_what_kernels_give(two_ranks):
    """Laws, slopes, fields of cells, branches: vectors and matrices, plain and turned."""
    alone = at_corners()
    for quick, slow in zip(alone[::2], alone[1::2], strict=True):
        np.testing.assert_allclose(quick, slow, rtol=1e-12)
    for here, row in zip(two_ranks["corners"], alone, strict=True):
        np.testing.assert_allclose(here, row, rtol=1e-11)


def test_what_is_stored_is_assembled_where_a_field_changes_alone(monkeypatch: pytest.MonkeyPatch):
    """Its matrix adds up to rate times field times area; another step scales what was summed up."""
    system, u = _one_field(MPI.COMM_WORLD)
    share = dfem.Function(dfem.functionspace(u.part.mesh, ("DG", 0)))
    area = system.domain.volume(["electrolyte"])
    dx, rate = system.domain.dx(("electrolyte",)), system.time.rates[0]
    w, v = u.trial, u.test
    block = Block(system, rate * share * w * v * dx, u, u)
    assert block.stored is not None and block.slow_rest is None
    for other in (w * v, system.temperature * rate * w * v, (1.0 + rate) * w * v):
        assert Block(system, other * dx, u, u).stored is None
    sums, values = itertools.count(), Assembled.values
    monkeypatch.setattr(Assembled, "values", lambda self: (next(sums), values(self))[1])
    for dt, amount in ((2.0, 3.0), (0.5, 3.0), (0.5, 4.0)):
        system.time.begin(dt)
        share.x.array[:] = amount
        block.assemble()
        ones, out = block.matrix.createVecs()
        ones.set(1.0)
        block.matrix.mult(ones, out)
        np.testing.assert_allclose(out.sum(), amount * area / dt, rtol=1e-13)
    assert next(sums) == 2


def test_what_is_no_stiffness_matrix_is_assembled():
    """A tensor, one component, a term without gradients, a boundary: not one number a cell."""
    system, u = _one_field(MPI.COMM_WORLD)
    dx, ds = system.domain.dx(("electrolyte",)), system.domain.ds((("collector", "electrolyte"),))
    a, b = ufl.grad(u.trial), ufl.grad(u.test)
    plain = ufl.inner(a, b) * dx
    tensor = ufl.as_matrix(((1.0, 0.2), (0.2, 3.0)))
    others = (
        ufl.inner(tensor * a, b) * dx,
        u.trial.dx(0) * u.test.dx(0) * dx,
        plain + u.trial * u.test * dx,
        ufl.inner(ufl.grad(u.value), b) * u.trial * dx,
        plain + u.trial * u.test * ds,
        ufl.dot(ufl.grad(u.value), a) * ufl.dot(ufl.grad(u.value), b) * dx,
    )
    assert Stiffness.fits(plain, u, u) and Stiffness.fits(u.value**2 * ufl.inner(a, b) * dx, u, u)
    assert not any(Stiffness.fits(form, u, u) for form in others)


# -- stages ------------------------------------------------------------------------------------


def test_a_sink_with_a_threshold_is_not_affine():
    """Its derivative is zero everywhere; it is a sink all the same, where u is above."""
    found = []
    for above in (None, 0.5):
        system = System(box((0, 0), (3.0, 2.0), (9, 7)))
        domain = system.domain
        u = system.add("u", domain.subdomain(("electrolyte",)))
        u.fix(domain.nodes_on(u.space, u.part, faces=(("collector", "electrolyte"),)), 1.0)
        dx, v = domain.dx(("electrolyte",)), u.test
        sink = 0.1 if above is None else ufl.conditional(ufl.gt(u.value, above), 0.1, 0.0)
        system.row("u", (ufl.inner(ufl.grad(u.value), ufl.grad(v)) + sink * v) * dx)
        u.value.x.array[:] = 1.0
        stage = Stage(system, ("u",), Options("direct", 1e-10))
        system.begin(0.0)
        assert stage.solve(Control(None), 1.0).converged
        assert stage.affine == (above is None)
        found.append(u.owned.copy())
    assert 0.5 < found[0].min() < 0.9
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


def test_a_current_after_a_hold(tmp_path):
    """The voltage is no unknown in a hold, and one after it; the solver is the same."""
    data = case(
        geometry={"family": "planar", "length": "100 um", "size": "20 um", "size_width": "50 um"},
        protocol=[
            {"step": "hold", "voltage": "-0.02 V", "duration": "0.01 s"},
            {"step": "plate", "current_density": "100 A/m^2", "duration": "0.01 s"},
        ],
    )
    runs = {
        kind: Case.from_dict(data | {"solver": {"kind": kind}}).run(tmp_path / kind).series
        for kind in ("direct", "iterative")
    }
    for series in runs.values():
        assert series["voltage"][0] == pytest.approx(-0.02)
        assert series["current_density"][-1] == pytest.approx(-100.0)
    assert runs["iterative"]["voltage"][-1] == pytest.approx(runs["direct"]["voltage"][-1])


def test_one_stage_and_two_agree():
    """Potentials | salt and walls, iterated to the end, give the one-stage step to 1e-8."""
    whole, split = (Cell(block(), rtol=1e-11) for _ in range(2))
    for cell in (whole, split):
        cell.s.set_voltage(-0.1)
        cell.rest(-100.0)
    slow = Stage(split.s, ("c", "q"), Options(kind="direct", rtol=1e-11), drives=False)
    for dt in (0.05, 0.05, 0.1):
        whole.step(-100.0, dt)
        split.s.begin(dt)
        for _ in range(60):
            before = {n: u.owned.copy() for n, u in split.s.unknowns.items()}
            split.solve(-100.0, split.start)
            split.solve(-100.0, slow)
            change = max(np.abs(u.owned - before[n]).max() / u.scale
                         for n, u in split.s.unknowns.items())
            if change < 1e-12:
                break
        else:
            pytest.fail(f"the stages do not settle, last change {change}")
        split.s.accept()
    assert abs(split.voltage / whole.voltage - 1) < 1e-8
    for name, u in whole.s.unknowns.items():
        gap = np.abs(u.owned - split.s.unknowns[name].owned).max()
        print("stages", name, gap / np.abs(u.owned).max())
        assert gap < 1e-8 * np.abs(u.owned).max()


# -- control row, solvers, ranks ---------------------------------------------------------------


def interface_current(kinds: list[str]) -> dict[str, list[float]]:
    """Voltage at 50 A/m2, and the current when that voltage is imposed, by solver (collective)."""
    out = {}
    for kind in kinds:
        data = block(study="secondary", materials={"ideal": PLAIN, "steel": STEEL})
        options = {"linear_rtol": 1e-10} if kind == "iterative" else {}
        cell = Cell(data, kind=kind, rtol=1e-12, comm=MPI.COMM_WORLD, **options)
        cell.s.set_voltage(-0.1)
        cell.rest(-50.0)
        numbers = cell.books.step(cell.scale(-50.0))
        assert max(numbers["balance"], numbers["collector"]) < 1e-9
        voltage = cell.voltage
        regions = cell.stock.by_region()
        for name in ("phi_s", "phi_l"):  # start afresh, at the same voltage
            cell.s.unknowns[name].owned[:] *= 0.9
        cell.s.remember()
        cell.s.begin(0.0)
        cell.solve(None, scale=cell.scale(50.0))
        imposed = cell.circuit.current() / cell.area
        out[kind] = [voltage, imposed, regions["host_block"]["current"] / cell.area]
    cells = cell.domain.mesh.topology.index_map(2)
    out["cells"] = cell.domain.comm.allgather(cells.size_local)
    assert sum(out["cells"]) == cells.size_global
    return out


@pytest.fixture(scope="module")
def serial() -> dict[str, list[float]]:
    return interface_current(["direct", "iterative"])


def test_imposed_current_and_imposed_voltage_agree(serial):
    """The voltage found for a current gives that current back, 1e-9, by both solvers."""
    for kind in ("direct", "iterative"):
        _, imposed, _ = serial[kind]
        print("control", kind, imposed / -50.0 - 1)
        assert abs(imposed / -50.0 - 1) < 1e-9


def test_direct_and_iterative_agree(serial):
    """Same voltage and same current through the block's walls, 1e-10."""
    gap = np.abs(np.divide(serial["iterative"], serial["direct"]) - 1)
    print("solvers", gap)
    assert gap.max() < 1e-10


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_agree(serial, mpirun, ranks):
    """Currents agree on 2 and 3 ranks, direct and iterative, to 1e-10."""
    parallel = mpirun(ranks, interface_current, ["direct", "iterative"])
    # one job on `ranks` ranks, each with its own part of the same mesh
    assert len(parallel["cells"]) == ranks and min(parallel["cells"]) > 0
    assert sum(parallel["cells"]) == serial["cells"][0]
    for kind in ("direct", "iterative"):
        gap = np.abs(np.divide(parallel[kind], serial[kind]) - 1)
        print("ranks", ranks, kind, gap)
        assert gap.max() < 1e-10


def worn(takes, steps=1000):
    """Step after which a preconditioner is tired, if Newton solve k `takes` these iterations."""
    wear = Wear(patience=20)
    for k in range(steps):
        wear.begin()
        for iterations, rtol in takes(k):
            wear.count(iterations, rtol)
            if wear.tired:
                return k
    return None


def test_a_preconditioner_wears_by_what_steps_take_more_than_its_first():
    """Alike steps never, on the whole alike neither; 3 iterations more a step after 20 of them."""
    assert worn(lambda k: [(8, 1e-6), (9, 1e-4)]) is None
    assert worn(lambda k: [(8, 1e-6), (9 + 3 * (k > 0), 1e-4)]) == 7
    assert worn(lambda k: [(8 + 3 * (k % 2), 1e-6), (9 - 3 * (k % 2), 1e-4)]) is None
    # a tolerance tighter by two decades asks for as much more
    assert worn(lambda k: [(8 + 4 * (k % 2), 10.0 ** -(4 + 2 * (k % 2)))]) is None


def test_a_preconditioner_wears_within_a_step_and_has_no_credit():
    """The third slow solve of a step makes it tired, however long steps were easy before."""
    assert worn(lambda k: [(8, 1e-6)] + [(16, 1e-6)] * 5) == 0
    assert worn(lambda k: [(10, 1e-6)] if not k or k > 500 else [(6, 1e-6)]) is None
    assert worn(lambda k: [(10, 1e-6)] if k < 500 else [(17, 1e-6)]) == 502
    assert worn(lambda k: [(10 if not k else 6 if k < 500 else 17, 1e-6)]) == 502


# -- steps -------------------------------------------------------------------------------------


class Clock:
    """A system as a `Stepper` needs it; its error grows with the step as `law` says."""

    time, t, dt = SimpleNamespace(history=3), 0.0, 0.0
    foreseen, limits, jumps, hints = (), (), (), SimpleNamespace(tight=False)
    domain = SimpleNamespace(comm=MPI.COMM_SELF)

    def __init__(self, law):
        self.unknowns, self.tried = {}, []
        self.gaps = (lambda: law(self.dt),)

    def save(self):
        return self.t

    def restore(self, saved):
        self.t = saved

    def begin(self, dt):
        self.dt = dt
        self.tried.append(dt)

    def reference_current(self, scale):
        return scale

    def accept(self):
        self.t += self.dt


class Solved:
    def solve(self, control, scale):
        return Outcome(True, "converged", 3, 6, 3, 0.0)


def test_rejected_step_before_an_event_gets_smaller():
    """Error 5 % above the tolerance on the step that would land on the event: try a smaller one."""
    clock: Any = Clock(lambda dt: 1.05e-3 * dt**3)
    stages: Any = (Solved(),)
    stepper = Stepper(clock, stages, Settings(1.0, 1e-6, tolerance=1e-3))
    step = stepper.advance(lambda t: Control(0.0), 1.0, 1.0)
    assert step is not None and step.dt < 1.0
    assert all(b < a for a, b in itertools.pairwise(clock.tried))


# -- first guess -------------------------------------------------------------------------------


def test_the_first_guess_is_the_polynomial_through_the_old_states():
    """Exact for a parabola in time, uneven steps; after a jump the bend is half of the slope.

    The voltage is foreseen with the fields.
    """
    cell = Cell(block(), rtol=1e-10)
    s, phi = cell.s, cell.s.unknowns["phi_l"]
    past, steps = (0.0, 1.0, 3.0), (1.0, 2.0)  # s: three states, then a step of 1.5 s
    shapes = (lambda t: 1e-3 * (2 + 10 * t + t * t), True), (lambda t: 0.3 * (t > 2), False)
    for parabola, exact in shapes:
        s.time.history, s.time.past_dt = 3, [steps[1], steps[0]]
        for old, t in zip(phi.old, reversed(past), strict=True):
            old.x.array[:] = parabola(t)
        s.past_voltages[:] = [-parabola(t) for t in reversed(past)]
        s.begin(1.5)
        foreseen = parabola(4.5) if exact else 0.3 + 1.5 * 1.5 * 0.3 / 2
        free = np.setdiff1d(np.arange(len(phi.owned)), phi.fixed_dofs())
        np.testing.assert_allclose(phi.owned[free], foreseen, rtol=1e-12)
        assert s.get_voltage() == pytest.approx(-foreseen, rel=1e-12)


@pytest.mark.parametrize("kind", ["direct", "iterative"])
def test_a_first_guess_far_off_does_no_harm(kind):
    """Potentials foreseen 0.3 V off: those of the last step are taken, with the same solution."""
    voltages = []
    for off in (0.0, 0.3):
        cell = Cell(block(), kind=kind, rtol=1e-9)
        cell.s.set_voltage(-0.1)
        cell.rest(-100.0)
        for dt in (0.1, 0.1, 0.1):
            cell.step(-100.0, dt)
        cell.s.past_voltages[2] += off
        for name in ("phi_s", "phi_l"):
            cell.s.unknowns[name].old[2].x.array[:] += off
        cell.step(-100.0, 0.2)
        assert cell.outcome and cell.outcome.newton <= 8
        voltages.append(cell.voltage)
    assert voltages[1] == pytest.approx(voltages[0], rel=1e-8)


def test_the_error_of_plated_charge_is_relative_where_there_is_much():
    """Below q_cov it is compared with q_cov, above with q."""
    s = Cell(block(), rtol=1e-10).s
    q = s.unknowns["q"]
    errors = []
    for charge in (0.0, 4.0):  # in q_cov
        for old in q.old:
            old.x.array[:] = charge * q.scale
        s.time.history, s.time.dt = 1, 1.0
        q.value.x.array[:] = (charge + 0.01) * q.scale
        s.unknowns["c"].value.x.array[:] = s.unknowns["c"].old[0].x.array
        errors.append(verdicts.error(s))
    assert errors[0] == pytest.approx(0.005, rel=1e-6)
    assert errors[1] == pytest.approx(0.005 / 4.01, rel=1e-6)



@pytest.mark.parametrize(
    ("size", "dim", "hint", "direct"),
    [
        (14_000, 2, "", True), (27_517, 2, "", False),  # the 2D main job
        (9_000, 3, "", True), (11_000, 3, "", False),
        (59_000, 2, "growing", True), (61_000, 2, "growing", False), (41_000, 3, "growing", False),
        (1_900, 3, "definite", True), (2_100, 3, "definite", False), (14_000, 2, "definite", True),
    ],
)  # fmt: skip
def test_small_problems_are_solved_directly(size: int, dim: int, hint: str, direct: bool) -> None:
    """By `auto`; stages of growing metal go together, by the number of all unknowns."""
    dofmap = SimpleNamespace(index_map=SimpleNamespace(size_global=size), index_map_bs=1)
    unknown = SimpleNamespace(
        space=SimpleNamespace(dofmap=dofmap), solver="multigrid", definite=hint == "definite"
    )
    hints = Hints(lasting=hint == "growing")
    system = SimpleNamespace(
        domain=SimpleNamespace(dim=dim), hints=hints, unknowns={"u": unknown}
    )
    solver = LinearSolver.__new__(LinearSolver)
    solver.stage = SimpleNamespace(  # type: ignore[assignment]
        options=Options(), system=system, total_size=size, unknowns=[unknown])
    assert solver._chooses_direct() == direct


def test_primary_distributions_are_solved_directly(tmp_path: Path) -> None:
    """Multigrid a potential does not see walls without resistance: 200 iterations were too few."""
    for study, limit in (("primary", PRIMARY), ("secondary", Options().direct_limit_2d)):
        cell = Cell(case(study=study))
        run = Simulation(cell.model, tmp_path)
        assert run.stages[0].options.direct_limit_2d == limit


def test_cells_are_summed_alike_by_numpy_and_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few cells do without scipy.sparse; their matrices are the same to the last bit."""
    weights = np.random.default_rng(1).random(10_000)
    found = []
    for most in (10_000, 0):
        monkeypatch.setattr(pattern, "MAX_CELLS_IN_NUMPY", most)
        s = Cell(case()).s
        where = pattern.pattern(s, s.unknowns["c"], s.unknowns["c"])
        found.append(where.stiffness(weights[: len(where.cells)]))
    assert isinstance(where._products, pattern._Table) is False
    assert found[0].tolist() == found[1].tolist()
