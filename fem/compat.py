"""The one room that knows how DOLFINx is packaged and where its releases differ.

Everything else imports MPI, PETSc and DOLFINx from here, so that the pip wheel
(`dolfinx_solver`, which must be imported before anything that links MPI) and a conda or
FEniCS image (plain `dolfinx`) look the same to the rest of the code. Written for DOLFINx 0.11.
"""

from __future__ import annotations

import contextlib
import traceback
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fem.base.parallel import plain_arguments

with contextlib.suppress(ModuleNotFoundError):
    import dolfinx_solver  # noqa: F401  (loads the wheel's MPI before PETSc does)

with plain_arguments():  # DOLFINx hands sys.argv to its logging
    import petsc4py

    # Before DOLFINx loads PETSc, whose own handler answers SIGTERM with a trace and ends all ranks.
    petsc4py.init(["-no_signal_handler"])
    import dolfinx

import basix.ufl
import ffcx
import numpy as np
import numpy.typing as npt
from dolfinx import fem as dfem
from dolfinx import jit, la
from dolfinx import mesh as dmesh
from dolfinx.fem import petsc as dpetsc
from dolfinx.io import XDMFFile
from mpi4py import MPI
from petsc4py import PETSc

from fem.compiler import MODULE, code_of, make_together

__all__ = [
    "MPI",
    "VERTEX_RULE",
    "Callee",
    "PETSc",
    "XDMFFile",
    "accumulate",
    "adjacency",
    "cell_vertices",
    "compiler_failure",
    "dfem",
    "dmesh",
    "dpetsc",
    "is_of_compiler",
    "jit_folder",
    "la",
    "make_codes",
    "owned_size",
    "parent_cells",
    "quiet_options",
    "read_mesh",
    "seen_size",
]

# Wall integrals are lumped: every quantity on a wall then lives at the nodes, where the kinetic
# law is evaluated exactly once.
VERTEX_RULE: dict[str, object] = {"quadrature_rule": "vertex", "quadrature_degree": 1}


def read_mesh(comm: MPI.Comm, path: str, share: Callable[..., Any] | None = None) -> tuple:
    """Mesh, cell tags and facet tags of a `mesh.xdmf`, ghosted by shared facets (collective).

    Args:
        comm: the ranks.
        path: of the file.
        share: (cells, points) as this rank has read them -> a graph partitioner, None for
            DOLFINx's own.
    """
    with XDMFFile(comm, path, "r") as file:
        part = None
        if share is not None and comm.size > 1:
            cells, points = file.read_topology_data("mesh"), file.read_geometry_data("mesh")
            part = share(cells, points)
        if part is None:
            msh = file.read_mesh(name="mesh", ghost_mode=dmesh.GhostMode.shared_facet)
        else:
            shape, degree = file.read_cell_type("mesh", "/Xdmf/Domain")
            element = basix.ufl.element(
                "Lagrange", shape.name, degree, basix.LagrangeVariant.unset,
                shape=(points.shape[1],),
            )
            how = dmesh.create_cell_partitioner(part, dmesh.GhostMode.shared_facet, 2)
            msh = dmesh.create_mesh(comm, cells, element, points, how)
        tdim = msh.topology.dim
        msh.topology.create_entities(tdim - 1)
        msh.topology.create_connectivity(tdim - 1, tdim)
        msh.topology.create_connectivity(tdim, tdim - 1)
        cell_tags = _tags_in_order(msh, Path(path).with_suffix(".h5"))
        facet_tags = file.read_meshtags(msh, name="facet_tags")
    return msh, cell_tags, facet_tags


def _tags_in_order(msh, path: Path) -> Any:
    """Tags of this rank's cells, ghosts included, out of a mesh file.

    The file has them in the order of its cells, so that none is looked for by its corners.
    """
    import h5py

    with h5py.File(path, "r", locking=False) as h5:
        stored = h5["cell_tags"][:, 0]
    number = msh.topology.original_cell_index
    cells = np.arange(len(number), dtype=np.int32)
    return dmesh.meshtags(msh, msh.topology.dim, cells, stored[number])


def adjacency(data: npt.NDArray[np.int32], offsets: npt.NDArray) -> Any:
    """DOLFINx's list of lists, as its partitioners return it."""
    return dolfinx.cpp.graph.AdjacencyList_int32(data, offsets.astype(np.int32))


def parent_cells(entity_map, sub_mesh) -> npt.NDArray[np.int32]:
    """Parent cell of every local (owned and ghost) cell of a submesh."""
    index_map = sub_mesh.topology.index_map(sub_mesh.topology.dim)
    local = np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
    return np.asarray(entity_map.sub_topology_to_topology(local, False), dtype=np.int32)


def owned_size(space: dfem.FunctionSpace) -> int:
    """Number of degrees of freedom that this rank owns."""
    return space.dofmap.index_map.size_local * space.dofmap.index_map_bs


def seen_size(space: dfem.FunctionSpace) -> int:
    """Number of degrees of freedom of the cells of this rank, those of other ranks included."""
    there = space.dofmap.index_map
    return (there.size_local + there.num_ghosts) * space.dofmap.index_map_bs


def cell_vertices(msh) -> npt.NDArray[np.int32]:
    """Geometry node numbers of every local cell, shape (cells, vertices); affine meshes only."""
    return msh.geometry.dofmaps[0]


def accumulate(form) -> npt.NDArray[np.float64]:
    """Assemble a linear form and add what the other ranks contributed; owned values only."""
    vector = dfem.assemble_vector(form)
    vector.scatter_reverse(la.InsertMode.add)
    return vector.array[: owned_size(form.function_spaces[0])].copy()


class Callee:
    """Context of a Python matrix or preconditioner of PETSc that does not keep its owner alive.

    PETSc holds its Python contexts in a way that the garbage collector cannot see: an object that
    holds a solver and is its context would never be freed, nor would the meshes behind it.
    """

    _known = ("mult", "apply", "setUp")

    def __init__(self, owner: object):
        self._owner = weakref.ref(owner)

    def __getattr__(self, name: str):
        if name not in Callee._known or (owner := self._owner()) is None:
            raise AttributeError(name)
        return getattr(owner, name)


@contextlib.contextmanager
def quiet_options(prefix: str, options: dict[str, object]):
    """PETSc options that exist only inside the block (they would leak into later solvers)."""
    database = PETSc.Options()
    keys = [f"{prefix}{key}" for key in options]
    given = {key for key in keys if database.hasName(key)}
    for key, value in zip(keys, options.values(), strict=True):
        if key not in given:  # what the user put on the command line wins
            database.setValue(key, value)
    try:
        yield
    finally:
        for key in keys:
            if key not in given:
                database.delValue(key)


def _compiler(options: Any = None, jit_options: Any = None) -> tuple[Any, Any, Any]:
    """Options of FFCx, arguments of the C compiler, folder of compiled code."""
    given = jit.get_options(jit_options)
    return ffcx.get_options(options), given["cffi_extra_compile_args"], given["cache_dir"]


def on_this_rank(what: Any, form_compiler_options: Any = None, jit_options: Any = None) -> Any:
    """Code of a form or an expression, as `dolfinx.jit.ffcx_jit` gives it, on this rank."""
    return code_of(what, *_compiler(form_compiler_options, jit_options)), MODULE, (None, None)


def make_codes(comm: MPI.Comm, forms: Sequence[Any]) -> None:
    """Make the code of several forms at once on rank 0, as far as its disk has it not.

    What fails is left to `dolfinx.fem.form`, which says so on all ranks.
    """
    if comm.rank == 0:
        options = _compiler({"scalar_type": dolfinx.default_scalar_type})
        with contextlib.suppress(OSError, RuntimeError):
            make_together(forms, *options)


# Rank 0 compiles and the others load, as with DOLFINx.
jit.ffcx_jit = jit.mpi_jit_decorator(on_this_rank)


def jit_folder() -> Path:
    """Folder of compiled forms."""
    return Path(str(jit.get_options()["cache_dir"]))


def is_of_compiler(error: BaseException) -> bool:
    """A form could not be compiled or loaded; with several ranks all of them raise this."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(Path(file).parts[-2:] == ("dolfinx", "jit.py") for file in files)


def compiler_failure(comm: MPI.Comm, error: BaseException, printed: str) -> str:
    """Message: the rank that could not compile or load a form, and why; on all ranks (collective).

    Rank 0 compiles for all and the others load what it made. DOLFINx keeps both reasons to the rank
    that failed: of a load it prints it and raises another error.

    Args:
        comm: the ranks.
        error: for which `is_of_compiler` holds.
        printed: output during the compilation.
    """
    text = f"{type(error).__name__}: {error}"
    if comm.size == 1:
        return text
    compiles, loads = "Failed JIT compilation of form: ", f"load failed on rank {comm.rank}: "
    mine = ""
    if compiles in text:
        mine = f"rank {comm.rank}, which compiles for all: {text.partition(compiles)[2]}"
    elif loads in printed:
        reason = printed.partition(loads)[2].splitlines()[0]
        mine = f"rank {comm.rank} cannot load what rank 0 compiled: {reason}"
    reasons = [reason for reason in comm.allgather(mine) if reason]
    return "; ".join(reasons) or f"all ranks: {text}"
