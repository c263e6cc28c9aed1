"""gmsh with one thread, quiet, closed whatever happens; and the way from its model to arrays."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fem.base.errors import CaseError, RunError
from geometries.meshing.mesh import MAX_CELLS, Floats, Ints, cells_needed, within_budget


@contextlib.contextmanager
def session() -> Iterator[Any]:
    """A fresh gmsh model; errors of gmsh become RunError.

    Raises:
        CaseError: gmsh cannot be imported.
        RunError: gmsh reports an error.
    """
    try:
        import gmsh
    except (ImportError, OSError) as error:
        raise CaseError(f"gmsh is needed to write meshes and cannot be loaded: {error}") from error
    was_open = gmsh.isInitialized()
    if not was_open:
        gmsh.initialize(readConfigFiles=False, interruptible=False)
        heard = signal.getsignal(signal.SIGTERM)
        with contextlib.suppress(ValueError, TypeError):  # no main thread; a handler not of Python
            signal.signal(signal.SIGTERM, heard)  # gmsh has put the default in its place
    gmsh.model.add("hostplate")
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        # HXT with more than one thread gives another mesh each time.
        gmsh.option.setNumber("General.NumThreads", 1)
        gmsh.option.setNumber("Mesh.RandomSeed", 1)
        yield gmsh
    except CaseError:
        raise
    except Exception as error:
        if type(error) is not Exception:  # gmsh raises bare Exception
            raise
        raise RunError(f"gmsh: {error}") from error
    finally:
        gmsh.model.remove()
        if not was_open:
            gmsh.finalize()


def name_regions(
    gmsh: Any, dimension: int, owners: Sequence[str], pieces: Sequence[Any]
) -> dict[int, str]:
    """Give what `occ.fragment` made of each object the region of that object.

    Args:
        gmsh: the module of an open session, synchronised.
        dimension: 2 or 3.
        owners: region of each object that was fragmented.
        pieces: its pieces, (dimension, tag) each; of a shared piece the first owner takes it.

    Returns:
        Region of each entity of the top dimension; each region is a physical group.
    """
    owner: dict[int, str] = {}
    for region, found in zip(owners, pieces, strict=True):
        for _, tag in found:
            owner.setdefault(tag, region)
    for i, region in enumerate(sorted(set(owner.values()))):
        tags = [t for t, r in owner.items() if r == region]
        gmsh.model.addPhysicalGroup(dimension, tags, i + 1, region)
    return owner


def arrays(gmsh: Any, dimension: int) -> tuple[Floats, Ints, list[str]]:
    """Points (n, dimension), cells and region name of each cell of the current gmsh model.

    Every cell must lie in exactly one physical group of the top dimension.
    """
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    number = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    number[tags.astype(np.int64)] = np.arange(len(tags))
    points = xyz.reshape(-1, 3)[:, :dimension]
    kind, width = (2, 3) if dimension == 2 else (4, 4)
    cells, names = [], []
    for d, group in gmsh.model.getPhysicalGroups(dimension):
        name = gmsh.model.getPhysicalName(d, group)
        for entity in gmsh.model.getEntitiesForPhysicalGroup(d, group):
            _, nodes = gmsh.model.mesh.getElementsByType(kind, entity)
            part = number[nodes.astype(np.int64)].reshape(-1, width)
            cells.append(part)
            names += [name] * len(part)
    return points, np.concatenate(cells), names


def size_fields(
    gmsh: Any,
    dimension: int,
    size: float,
    growth: float,
    planes: list[tuple[float, float]],
    surfaces: list[tuple[list[int], float]],
    sampling: int = 40,
    budget: tuple[float, str] = (MAX_CELLS, "budget"),
) -> None:
    """Set the cell size: fine at planes and surfaces, growing linearly with distance to `size`.

    Args:
        gmsh: the module of an open session.
        dimension: 2 or 3.
        size: largest cell size.
        growth: ratio of neighbouring cells.
        planes: (coordinate along the thickness, cell size there).
        surfaces: (tags of curves in 2D or surfaces in 3D, cell size there).
        sampling: points on each curve or surface from which distances are taken.
        budget: most cells, and the name of the parameter that says so.

    Raises:
        CaseError: more cells than the budget.
    """
    mass = gmsh.model.occ.getMass
    volume = sum(mass(d, tag) for d, tag in gmsh.model.occ.getEntities(dimension))
    low, high = np.array(gmsh.model.getBoundingBox(-1, -1)).reshape(2, 3)[:, dimension - 1]
    across = volume / (high - low)
    areas = [(across, fine) for _, fine in planes]
    areas += [(2 * sum(mass(dimension - 1, tag) for tag in tags), fine) for tags, fine in surfaces]
    within_budget(cells_needed(dimension, volume, size, growth, areas), *budget)
    field = gmsh.model.mesh.field
    axis = "xyz"[dimension - 1]
    slope = growth - 1.0
    parts = [field.add("MathEval")]
    field.setString(parts[0], "F", repr(float(size)))
    for place, fine in planes:
        if fine < size:
            parts.append(field.add("MathEval"))
            field.setString(parts[-1], "F", f"{fine!r} + {slope!r}*Fabs({axis}-({place!r}))")
    for tags, fine in surfaces:
        if fine < size and tags:
            distance = field.add("Distance")
            field.setNumbers(distance, "CurvesList" if dimension == 2 else "SurfacesList", tags)
            field.setNumber(distance, "Sampling", sampling)
            parts.append(field.add("Threshold"))
            for key, value in (("InField", distance), ("SizeMin", fine), ("SizeMax", size),
                               ("DistMin", 0.0), ("DistMax", (size - fine) / slope)):
                field.setNumber(parts[-1], key, value)
    smallest = field.add("Min")
    field.setNumbers(smallest, "FieldsList", parts)
    field.setAsBackgroundMesh(smallest)
    for option in ("MeshSizeFromPoints", "MeshSizeFromCurvature", "MeshSizeExtendFromBoundary"):
        gmsh.option.setNumber(f"Mesh.{option}", 0)


def snap(points: Floats, axis: int, planes: list[float]) -> Floats:
    """Points with the coordinate along an axis set to that of a plane closer than 1e-8 of the span.

    Undoes the rounding of the change of unit, so that planes are exact.
    """
    points = points.copy()
    tol = 1e-8 * (max(planes) - min(planes))
    for plane in planes:
        points[np.abs(points[:, axis] - plane) < tol, axis] = plane
    return points
