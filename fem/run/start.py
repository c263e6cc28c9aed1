"""The state a run starts from: potentials that fit, and the fields of another result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import basix.ufl
import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError, RunError
from fem.base.parallel import on_root
from fem.compat import MPI, cell_vertices, dfem, dmesh
from fem.files import checkpoint
from fem.mesh.points import find_cells
from fem.results.result import Result
from fem.run.diagnosis import causes
from fem.run.segments import Segment
from fem.solver.approach import reach_current, reach_voltage
from fem.solver.options import Outcome
from fem.solver.stage import Stage
from fem.study.build import Model

__all__ = ["adopt", "consistent", "hold"]

#: Volts beyond the deepest nucleation overpotential from which the first solve starts: every wall
#: conducts there.
BEYOND_NUCLEATION_VOLTAGE = 0.05


def consistent(
    model: Model, stage: Stage, segment: Segment, scale: float, time: float = 0.0
) -> Outcome:
    """Potentials that fit salt and walls after a jump of what is imposed; time stands still.

    Args:
        model: its potentials are solved for, salt and walls stay.
        stage: holds the potentials.
        segment: what is imposed.
        scale: cell current that residuals are compared with, A.
        time: of the jump, since the start of the protocol step, s.

    Returns:
        How the last solve ended.

    Raises:
        RunError: nothing carries the current.
    """
    s = model.system
    control = segment.control(time, model.area, after=True)
    if segment.voltage is None and s.get_voltage() == s.rest:
        deepest = model.setup.surfaces.deepest_nucleation
        s.set_voltage(s.rest + segment.sign * (deepest + BEYOND_NUCLEATION_VOLTAGE))
    begins = f"start of {segment.name} at t = {s.t:g} s"
    for observer in model.observers if control.current else ():
        if reason := observer.ready(segment):
            raise RunError(f"{begins}: {reason}; {causes(model, segment)}")
    s.begin(0.0)
    model.set_time(time, after=True)
    if segment.voltage is None:
        outcome = reach_current(stage, control, scale)
    else:
        outcome = reach_voltage(stage, segment.potential(time, after=True), scale)
    if not outcome.converged:
        raise RunError(
            f"{begins}: no potentials carry the current "
            f"({outcome.reason}, residual {outcome.residual:.1e} of the cell current); "
            f"{causes(model, segment)}"
        )
    hold(stage)
    while any([observer.wake() for observer in model.observers]):  # all are asked
        s.begin(0.0)
        outcome = stage.solve(control, scale)
        if not outcome.converged:
            raise RunError(
                f"{begins}: no potentials with what they wake "
                f"({outcome.reason}, residual {outcome.residual:.1e} of the cell current)"
            )
        hold(stage)
    return outcome


def foresee(stage: Stage) -> None:
    """Let the next step, the first after a jump, foresee unknowns by their rates, if known.

    Args:
        stage: has consistent potentials.
    """
    for name in stage.names:
        unknown = stage.system.unknowns[name]
        if (capacity := unknown.capacity) is None:
            continue
        with stage.system.time.at_rest():
            lacks = stage.local.residual()[name]  # A
        rate = dfem.Function(unknown.space)
        there = capacity > 0.0
        rate.x.array[: len(capacity)] = np.where(there, -lacks / np.where(there, capacity, 1.0), 0)
        rate.x.scatter_forward()
        unknown.rate = rate.x.array


def hold(stage: Stage) -> None:
    """Make the present potentials, and the voltage, the only ones known."""
    stage.system.past_voltages[:] = stage.system.get_voltage()
    for u in stage.unknowns:
        for old in u.old:
            old.x.array[:] = u.value.x.array


def adopt(model: Model, folder: Path) -> str:
    """Start from the last state of another result (collective).

    On the same mesh the fields are taken exactly, from its checkpoint. On another mesh salt and
    plated charge are interpolated, which conserves neither; potentials follow from them.

    Returns:
        What was done, for the log.

    Raises:
        CaseError: the folder holds nothing to start from.
    """
    comm = model.domain.comm

    def other_hash() -> str:
        try:
            return str(json.loads((folder / "mesh.json").read_text())["hash"])
        except (OSError, ValueError, KeyError) as error:
            raise CaseError(f"initial.from: {folder}: mesh.json cannot be read ({error})") from None

    same = on_root(comm, other_hash) == model.domain.sidecar["hash"]
    keep = {
        name: (u.fixed_dofs(), u.value.x.array[u.fixed_dofs()])
        for name, u in model.system.unknowns.items()
    }
    origin = _exactly(model, folder) if same else _interpolated(model, folder)
    for name, (nodes, values) in keep.items():  # held values are this case's
        model.system.unknowns[name].value.x.array[nodes] = values
    model.system.remember()
    return f"initial state from {folder}: {origin}"


def _exactly(model: Model, folder: Path) -> str:
    s, comm = model.system, model.domain.comm
    found = on_root(comm, checkpoint.latest, folder)
    nodal, plain = checkpoint.by_node(found.state, found.manifest)
    wanted = [*s.unknowns, *s.memories]
    names = [name for name in wanted if name in nodal]
    lost = checkpoint.take_nodes(s, nodal, names)
    s.set_voltage(float(plain["voltage"][0]))
    ledgers = {k.removeprefix("charge."): v for k, v in plain.items() if k[:7] == "charge."}
    kept = checkpoint.observed(found.manifest, ledgers)
    for observer in model.observers:
        observer.adopt(ledgers, kept)
    gone = comm.allreduce(sum(lost[n] for n in names if n in s.unknowns), op=MPI.SUM)
    absent = [name for name in s.unknowns if name not in nodal]
    origin = f"same mesh, {', '.join(names)} taken exactly from {found.state.name}"
    origin += f"; {gone} nodes keep the default" if gone else ""
    return origin + (f"; not there: {', '.join(absent)}" if absent else "")


def _interpolated(model: Model, folder: Path) -> str:
    s, comm, dim = model.system, model.domain.comm, model.domain.dim
    result = Result(folder)
    done, taken = [], list[str]()
    blocks = {field: block for block in result.blocks for field in result.fields(block)}
    carried = {name: field for name, field in model.fields.items() if field.carried}
    for name, field in carried.items():
        if name not in blocks or (function := s.function(name)) is None:
            continue
        taken.append(name)
        points = function.function_space.tabulate_dof_coordinates()
        if field.carried == "nearest":
            nearest, _ = _nearest(result.points(blocks[name]), points)
            found = result.array(name, block=blocks[name])[nearest]
            function.x.array[:] = np.maximum(found, 0.0)
            done.append(f"{name} from the nearest{' wall' * (field.medium == 'wall')} node")
            continue
        function.x.array[:], outside = _sampled(result, blocks[name], name, points, dim)
        lost = comm.allreduce(int(np.count_nonzero(outside)), op=MPI.SUM)
        done.append(f"{name} interpolated, {lost} nodes outside took the nearest value")
    if not done:
        names = " or ".join(carried)
        raise CaseError(f"initial.from: {folder} has no field {names} that this case could use")
    s.set_voltage(float(result.summary.get("voltage", 0.0)))
    if absent := [n for n, u in s.unknowns.items() if u.differential and n not in taken]:
        done.append(f"as this case starts: {', '.join(absent)}")
    return "another mesh, " + "; ".join(done) + "; neither salt nor metal is conserved by this"


def _sampled(
    result: Result, block: str, field: str, points: npt.NDArray[np.float64], dim: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """A field of a result at points, and which of them lay outside and took the nearest value."""
    cells, nodes, values = result.cells(block), result.points(block), result.array(field)
    if cells.shape[1] != dim + 1:
        raise CaseError(
            f"initial.from: {result.folder} is {cells.shape[1] - 1}D, this case is {dim}D"
        )
    shape = {2: "triangle", 3: "tetrahedron"}[dim]
    element = basix.ufl.element("Lagrange", shape, 1, shape=(dim,))
    mesh = dmesh.create_mesh(
        MPI.COMM_SELF, cells, ufl.Mesh(element), np.ascontiguousarray(nodes[:, :dim])
    )
    found, weights = find_cells(mesh, points)
    at_node = values[mesh.geometry.input_global_indices]
    inside = found >= 0
    out = np.empty(len(points))
    corners = cell_vertices(mesh)[found[inside]]
    out[inside] = np.einsum("nk,nk->n", weights[inside], at_node[corners])
    if not inside.all():
        out[~inside] = values[_nearest(nodes, points[~inside])[0]]
    return out, ~inside


def _nearest(nodes: Any, points: Any) -> tuple[Any, Any]:
    from scipy.spatial import cKDTree

    distance, index = cKDTree(nodes).query(points)
    return index, distance
