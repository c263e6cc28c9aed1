"""Unknowns that are vectors or of second order, and memories of nodes, cells and points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ufl

from fem.compat import MPI, dfem
from fem.files import checkpoint
from fem.mesh.domain import Domain
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.system import System
from tests.verification.fronts import box

#: Lame's constants of a rubber block, in units of its own stress.
LAMBDA, MU = 2.0, 1.5
PULL = 0.3
HERE = ("electrolyte",)


def stretched(kind: str, degree: int, comm: MPI.Comm = MPI.COMM_WORLD) -> tuple[System, Domain]:
    """A block of height 2 that hangs under its own weight, its sides free to slide up and down.

    -div sigma = -g e_y, u = 0 below and u_y = PULL above: u_y = PULL y/2 - g y (2 - y)/(2 (lambda +
    2 mu)), u_x = 0. Exact with elements of degree 2; linear ones are asked without weight, g = 0.
    """
    domain = box((0, 0), (3.0, 2.0), (6, 4), comm=comm)
    s = System(domain)
    part = domain.subdomain(HERE)
    s.slot("mechanics")
    u = s.add("u", part, shape=(2,), degree=degree, slot="mechanics")
    faces = {name: domain.nodes_on(u.space, part, faces=((name, *HERE),))
             for name in domain.boundaries}
    everywhere = domain.nodes_in(u.space, part, HERE)
    u.fix(everywhere, 0.0, component=0)
    u.fix(faces["collector"], 0.0, component=1)
    u.fix(faces["counter"], PULL, component=1)
    strain = ufl.sym(ufl.grad(u.value))
    stress = LAMBDA * ufl.tr(strain) * ufl.Identity(2) + 2 * MU * strain
    v, dx = u.test, domain.dx(HERE)
    s.row("u", (ufl.inner(stress, ufl.grad(v)) + weight(degree) * v[1]) * dx)
    s.close()
    assert s.plan() == (("u",),)
    stage = Stage(s, ("u",), Options(kind, 1e-11), drives=False)
    s.begin(0.0)
    assert stage.solve(Control(None), 1.0).converged
    return s, domain


def weight(degree: int) -> float:
    """Load that pulls down."""
    return 1.0 if degree == 2 else 0.0


def errors(kind: str, degree: int, comm: MPI.Comm = MPI.COMM_WORLD) -> list[float]:
    """Largest |u_x| and |u_y - exact| at all nodes."""
    s, _ = stretched(kind, degree, comm)
    u = s.unknowns["u"]
    y = u.space.tabulate_dof_coordinates()[: len(u.owned) // 2, 1]
    exact = PULL * y / 2 - weight(degree) * y * (2 - y) / (2 * (LAMBDA + 2 * MU))
    x_error, y_error = np.abs(u.owned.reshape(-1, 2) - [[0.0, 1.0]] * exact[:, None]).max(axis=0)
    return [comm.allreduce(float(e), op=MPI.MAX) for e in (x_error, y_error)]


@pytest.mark.parametrize("kind", ["direct", "iterative"])
@pytest.mark.parametrize("degree", [1, 2])
def test_a_block_under_its_own_weight(kind: str, degree: int) -> None:
    assert max(errors(kind, degree)) < 1e-9


def test_a_block_on_two_ranks(mpirun: Callable[..., Any]) -> None:
    assert max(mpirun(2, errors, "iterative", 2)) < 1e-9


# -- memories and checkpoints ------------------------------------------------------------------


def remembering(comm: MPI.Comm) -> System:
    """A system with every kind of field that a checkpoint keeps."""
    domain = box((0, 0), (3.0, 2.0), (6, 4), comm=comm)
    s = System(domain)
    part = domain.subdomain(HERE)
    s.add("u", part, shape=(2,), degree=2)
    s.add("T", part)
    for per in ("node", "corner", "cell", "point"):
        s.memory(f"number per {per}", part, per=per)
        s.memory(f"tensor per {per}", part, per=per, shape=(2, 2))
    return s


def written(s: System) -> dict[str, dfem.Function]:
    return {name: u.value for name, u in s.unknowns.items()} | s.memories


def by_place(s: System, f: dfem.Function) -> np.ndarray[Any, Any]:
    """A number that follows from where a value stands: its cell's middle, its place, component."""
    space = f.function_space
    width, dofs = space.dofmap.index_map_bs, space.dofmap.list
    x = s.domain.mesh.geometry.x[s.domain.mesh.geometry.dofmaps[0]][s.parts[0].cells]
    out = np.zeros((len(f.x.array) // width, width))
    own = len(dofs) * dofs.shape[1] == len(out)  # each cell has values of its own
    for local in range(dofs.shape[1]):
        if own:
            place = x.mean(axis=1) @ [1.0, 10.0, 0.0] + 100.0 * local
        else:
            place = space.tabulate_dof_coordinates()[dofs[:, local]] @ [1.0, 10.0, 0.0]
        out[dofs[:, local]] = place[:, None] + 0.01 * np.arange(width)
    return out.ravel()


def write(folder: str, comm: MPI.Comm = MPI.COMM_WORLD) -> None:
    """Checkpoint fields that say where each of their values belongs (collective)."""
    s = remembering(comm)
    for f in written(s).values():
        f.x.array[:] = by_place(s, f)
    s.remember()
    checkpoint.save(Path(folder), s, {})


def lost(folder: str, comm: MPI.Comm = MPI.COMM_WORLD) -> dict[str, float]:
    """Read it, and how far the values are from those of their places."""
    s = remembering(comm)
    found = checkpoint.latest(Path(folder))
    checkpoint.load(found.state, found.manifest, s)
    gaps = {n: float(np.abs(f.x.array - by_place(s, f)).max()) for n, f in written(s).items()}
    return {n: comm.allreduce(gap, op=MPI.MAX) for n, gap in gaps.items()}


@pytest.mark.parametrize("ranks", [1, 2])
def test_every_kind_of_field_is_taken_over_by_other_ranks(
    ranks: int, tmp_path: Path, mpirun: Callable[..., Any]
) -> None:
    """Written on two ranks, read on one and two; edges, components, cells and points included."""
    mpirun(2, write, str(tmp_path))
    gaps = lost(str(tmp_path)) if ranks == 1 else mpirun(2, lost, str(tmp_path))
    assert len(gaps) == 10
    assert max(gaps.values()) < 1e-12, gaps


def test_a_step_taken_back_leaves_no_memory() -> None:
    """Material that yields in a rejected step has not yielded."""
    s = remembering(MPI.COMM_WORLD)
    for f in s.memories.values():
        f.x.array[:] = 1.0
    saved = s.save()
    for f in s.memories.values():
        f.x.array[:] += 7.0
    s.restore(saved)
    assert all((f.x.array == 1.0).all() for f in s.memories.values())
