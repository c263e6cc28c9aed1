"""A tagged mesh as named regions, walls between them, and boundaries.

`Domain` is where integers end: whoever comes after asks for `host_bottom`, for the wall between
`host_bottom` and `electrolyte_bottom`, or for `collector`, and gets cells, measures or degrees of
freedom. Every name is checked on all ranks together when the mesh is read, since a tag that does
not exist would integrate to zero without a word.
"""

from __future__ import annotations

import fnmatch
import gc
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.errors import CaseError, nearest
from fem.base.parallel import on_root
from fem.compat import (
    MPI,
    VERTEX_RULE,
    cell_vertices,
    dfem,
    dmesh,
    la,
    owned_size,
    parent_cells,
    read_mesh,
)
from fem.forms import compiled
from fem.mesh import facets, thickness
from fem.mesh.facets import Pair
from fem.mesh.partition import destinations, in_columns
from fem.mesh.spaces import space_on

__all__ = ["Domain", "Subdomain", "on_side"]


@dataclass(frozen=True)
class Subdomain:
    """Some regions of the domain as a mesh of their own.

    Attributes:
        regions: names of the regions in it.
        mesh: the submesh; its cells keep the parent's vertices.
        entity_map: tells UFL forms how the two meshes belong together.
        cells: parent cell of every local cell (owned, then ghosts).
        points: point of the parent's geometry for each of its own.
        parent_cell_count: local cells of the parent (owned and ghosts).
        numbers: of its own points, if there are more of them than in the mesh file: of a mesh that
            is torn along walls (`fem.mesh.torn`).
    """

    regions: tuple[str, ...]
    mesh: Any
    entity_map: Any
    cells: npt.NDArray[np.int32]
    points: npt.NDArray[np.int32]
    parent_cell_count: int = 0
    numbers: npt.NDArray[np.int64] | None = None

    @cached_property
    def inverse(self) -> npt.NDArray[np.int32]:
        """Local cell of this submesh for every parent cell, -1 where there is none."""
        out = np.full(self.parent_cell_count, -1, dtype=np.int32)
        out[self.cells] = np.arange(len(self.cells), dtype=np.int32)
        return out


@dataclass
class Domain:
    """Named regions, walls and boundaries of a mesh.

    A wall is the set of facets between two regions. It has a `+` and a `-` side; `+` is the
    region that comes first in `order` (the solid, as `fem.study.build` sets it).

    Attributes:
        mesh: the whole mesh, ghosted by shared facets.
        cell_tags: region number of every cell.
        regions: region name -> number.
        boundaries: boundary name -> number (facet tags on the outer boundary).
        axisymmetric: x is a radius; `weight` is then 2 pi x, otherwise 1.
        host: top (separator side) and bottom of the host, as `along` counts them, m.
        sidecar: everything `mesh.json` says.
    """

    mesh: Any
    cell_tags: Any
    facet_tags: Any
    regions: dict[str, int]
    boundaries: dict[str, int]
    axisymmetric: bool = False
    host: tuple[float, float] | None = None
    sidecar: dict[str, Any] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    _wall_weights: dict[Any, Any] = field(default_factory=dict, repr=False)
    _collector: Any = field(default=None, repr=False)  # its facets, if the thickness needs them

    # -- construction --------------------------------------------------------------------------

    @classmethod
    def read(cls, folder: Path | str, comm: MPI.Comm = MPI.COMM_WORLD) -> Domain:
        """Read `mesh.xdmf` and `mesh.json` of a mesh folder (collective).

        Raises:
            CaseError: a file is missing, a name has no cells or facets, or a cell has no name.
        """
        folder = Path(folder)

        def sidecar() -> dict[str, Any]:
            for name in ("mesh.json", "mesh.xdmf", "mesh.h5"):
                if not (folder / name).is_file():
                    raise CaseError(
                        f"{folder}: {name} is missing; build the mesh with `hostplate mesh` or "
                        "convert your own with [mesh] in the case"
                    )
            return json.loads((folder / "mesh.json").read_text())

        info = on_root(comm, sidecar)
        gc.collect()  # earlier studies hold communicators until then, and MPI has 2,048 of them

        def share(cells: npt.NDArray, points: npt.NDArray) -> Any:
            up = np.abs(info.get("up", np.eye(points.shape[1])[-1].tolist()) or 0.0)
            if np.size(up) != points.shape[1] or up.max() != 1.0:
                return None  # the thickness is along no axis
            rank_of = in_columns(comm, cells, points, int(np.argmax(up)))
            return None if rank_of is None else destinations(comm, rank_of)

        mesh, cell_tags, facet_tags = read_mesh(comm, str(folder / "mesh.xdmf"), share)
        host = info.get("host")
        domain = cls(
            mesh,
            cell_tags,
            facet_tags,
            {k: int(v) for k, v in info["regions"].items()},
            {k: int(v) for k, v in info["boundaries"].items()},
            bool(info.get("axisymmetric", False)),
            (float(host["top"]), float(host["bottom"])) if host else None,
            info,
        )
        domain.check()
        _ = domain.ends  # found together, so that heights can be asked for on one rank alone
        return domain

    def check(self) -> None:
        """Every name has entities somewhere, every cell has a name (collective).

        Raises:
            CaseError: what is missing, with the tags that were found.
        """
        comm = self.mesh.comm
        tdim = self.mesh.topology.dim
        n_cells = self.mesh.topology.index_map(tdim).size_local
        owned = self.cell_tags.values[self.cell_tags.indices < n_cells]
        found = _gather_set(comm, owned)
        problems = [
            f"region {name!r}: no cell has its tag {tag}; tags in the mesh: {sorted(found)}"
            for name, tag in self.regions.items()
            if tag not in found
        ]
        problems += [
            f"cell tag {tag} has no region name; names: {self.regions}"
            for tag in sorted(found - set(self.regions.values()))
        ]
        untagged = comm.allreduce(n_cells - len(owned), op=MPI.SUM)
        if untagged:
            problems.append(f"{untagged} cells carry no region tag; tag every cell exactly once")
        facets = _gather_set(comm, self.facet_tags.values)
        problems += [
            f"boundary {name!r}: no facet has its tag {tag}; tags in the mesh: {sorted(facets)}"
            for name, tag in self.boundaries.items()
            if tag not in facets
        ]
        if problems:
            raise CaseError("the mesh and its names do not match:\n  " + "\n  ".join(problems))

    # -- names ---------------------------------------------------------------------------------

    @property
    def comm(self) -> MPI.Comm:
        """The communicator of the mesh."""
        return self.mesh.comm

    @property
    def slack(self) -> float:
        """Largest distance of the nodes of a plane from it, m; 0 but for meshes from a file."""
        return float(self.sidecar.get("slack", 0.0))

    @property
    def dim(self) -> int:
        """Topological dimension, 2 or 3 (1 in tests)."""
        return self.mesh.topology.dim

    def match(self, pattern: str, where: str = "regions") -> list[str]:
        """Region names that fit a name or glob.

        Raises:
            CaseError: nothing fits; the nearest names are given.
        """
        names = [name for name in self.regions if fnmatch.fnmatchcase(name, pattern)]
        if not names:
            raise CaseError(f"{where}: no region is called {pattern!r}; "
                            f"{nearest(pattern, self.regions)}")
        return names

    # -- coordinates ---------------------------------------------------------------------------

    @cached_property
    def x(self) -> Any:
        """Spatial coordinate of the whole mesh (UFL)."""
        return ufl.SpatialCoordinate(self.mesh)

    @property
    def weight(self) -> Any:
        """2 pi r on an axisymmetric mesh, 1 otherwise; it stands in every measure."""
        return 2 * np.pi * self.x[0] if self.axisymmetric else 1

    def coordinates(self) -> dict[str, Any]:
        """The variables of spatial expressions: x, y, z and depth (UFL, m)."""
        names = dict(zip("xyz", (self.x[i] for i in range(self.dim)), strict=False))
        if self.host is not None:
            names["depth"] = self.host[0] - self.rise
        return names

    @cached_property
    def up(self) -> npt.NDArray | None:
        """Direction from the collector into the cell; None if the collector is no plane."""
        last = np.eye(self.dim)[-1].tolist()
        given = self.sidecar.get("up", last)
        return None if given is None else np.array(given, dtype=float)

    def along(self, points: npt.NDArray) -> npt.NDArray:
        """Coordinate along the thickness, growing from the collector into the cell, m.

        The last coordinate where the collector is the bottom; along `up` elsewhere, or the distance
        from a collector that is no plane.

        Args:
            points: (n, 3), or (n, dimension).
        """
        if self.up is None:
            return thickness.distance(points[:, : self.dim], self._collector)
        return thickness.along(points, self.up)

    @cached_property
    def rise(self) -> Any:
        """`along` at the quadrature points (UFL)."""
        if self.up is None:
            space = space_on(self.mesh, ("Lagrange", 1))
            distance = dfem.Function(space, name="distance")
            distance.x.array[:] = self.along(space.tabulate_dof_coordinates())
            return distance
        axis = int(np.abs(self.up).argmax())
        if abs(self.up[axis]) == 1.0:
            return self.x[axis] if self.up[axis] > 0.0 else -self.x[axis]
        return ufl.dot(ufl.as_vector(self.up.tolist()), self.x)

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Lowest (at the collector) and highest value of `along` in the mesh, m (collective)."""
        if self.up is None:
            self._collector = self._corners_of_all("collector")
        here = self.along(self.mesh.geometry.x)
        low, high = float(here.min(initial=np.inf)), float(here.max(initial=-np.inf))
        low = self.comm.allreduce(low, op=MPI.MIN)
        return low, self.comm.allreduce(high, op=MPI.MAX)

    def _corners_of_all(self, boundary: str) -> npt.NDArray:
        """Corners of all facets of a boundary, m, (facets, corners, dimension) (collective)."""
        cells, local = self.facets(faces=self.faces_of(boundary, self.regions)).T
        beside = np.arange(self.dim + 1) != local[:, None]
        x = self.mesh.geometry.x[:, : self.dim]
        own = x[cell_vertices(self.mesh)[cells][beside].reshape(-1, self.dim)]
        return np.concatenate(self.comm.allgather(own))

    @property
    def span(self) -> tuple[float, float]:
        """Top and bottom of the host, of a mesh without one its own, as `along` counts, m."""
        return self.host or self.ends[::-1]

    @property
    def hosted(self) -> Any:
        """1 between top and bottom of the host, 0 elsewhere (UFL)."""
        top, bottom = self.span
        return ufl.conditional(ufl.And(ufl.le(self.rise, top), ufl.ge(self.rise, bottom)), 1.0, 0.0)

    def depth_of(self, points: npt.NDArray) -> npt.NDArray:
        """Depth below the separator side of the host, m; points have shape (n, 3)."""
        return self.span[0] - self.along(points)

    def places(self, points: npt.NDArray) -> dict[str, npt.NDArray]:
        """x, y, z and depth of points (n, 3), m, as properties of place take them."""
        return dict(zip("xyz", points.T, strict=True)) | {"depth": self.depth_of(points)}

    @cached_property
    def extent(self) -> tuple[npt.NDArray, npt.NDArray]:
        """Lowest and highest coordinate in each direction over all ranks, each of shape (3,)."""
        x = self.mesh.geometry.x
        low = x.min(axis=0) if len(x) else np.full(3, np.inf)
        high = x.max(axis=0) if len(x) else np.full(3, -np.inf)
        everyone = self.comm.allgather((low, high))
        return np.min([a for a, _ in everyone], axis=0), np.max([b for _, b in everyone], axis=0)

    # -- measures ------------------------------------------------------------------------------

    @cached_property
    def _dx(self) -> ufl.Measure:
        owned = self.mesh.topology.index_map(self.dim).size_local
        tags = self.cell_tag_array[:owned]
        data = [(t, np.flatnonzero(tags == t).astype(np.int32)) for t in self.regions.values()]
        return ufl.Measure("dx", domain=self.mesh, subdomain_data=data)

    def dx(
        self, regions: Iterable[str], degree: int = 2, *, lumped: bool = False
    ) -> Any:
        """Volume measure over regions (apply `weight` to the integrand); lumped: vertex rule.

        Degree 2 is exact for products of two linear fields; what an unknown of degree 2 stores
        needs degree 4, or its matrix is singular. A one-point rule beside another one is
        refused by `System.form`.
        """
        metadata = VERTEX_RULE if lumped else {"quadrature_degree": degree}
        return self._dx(tuple(self.regions[name] for name in regions), metadata=metadata)

    @cached_property
    def walls(self) -> dict[Pair, int]:
        """(region on the + side, region on the - side) -> number, for all that touch each other."""
        return {wall: number for number, wall in enumerate(self._wall_facets, start=1)}

    @cached_property
    def _wall_facets(self) -> dict[Pair, npt.NDArray[np.int32]]:
        """Local facets of each wall, see `fem.mesh.facets.between` (collective)."""
        rank = {name: k for k, name in enumerate(self.order)}
        first = sorted(self.regions.items(), key=lambda r: (rank.get(r[0], len(rank)), r[1]))
        return facets.between(self.mesh, self.cell_tag_array, dict(first))

    def _owned_on(self, wall: Pair) -> npt.NDArray[np.int32]:
        """Owned facets of a wall, as `_wall_facets` without their own numbers."""
        owned = self.mesh.topology.index_map(self.dim - 1).size_local
        found = self._wall_facets[wall]
        return found[found[:, 4] < owned, :4]

    @cached_property
    def _dS(self) -> ufl.Measure:
        data = [(number, self._owned_on(wall).ravel()) for wall, number in self.walls.items()]
        return ufl.Measure("dS", domain=self.mesh, subdomain_data=data)

    def dS(self, walls: Iterable[Pair]) -> Any:
        """Measure over walls; `+` is the solid. Lumped at the nodes (vertex rule)."""
        return self._dS(tuple(self.walls[w] for w in walls), metadata=VERTEX_RULE)

    @cached_property
    def faces(self) -> dict[Pair, int]:
        """(boundary, region it bounds) -> number."""
        return {face: number for number, face in enumerate(self._face_facets, start=1)}

    @cached_property
    def _face_facets(self) -> dict[Pair, npt.NDArray[np.int32]]:
        """Owned facets of each face: cell and its local facet (collective)."""
        marked = {name: self.facet_tags.find(tag) for name, tag in self.boundaries.items()}
        return facets.outside(self.mesh, self.cell_tag_array, self.regions, marked)

    @cached_property
    def _ds(self) -> ufl.Measure:
        data = [(number, self._face_facets[face].ravel()) for face, number in self.faces.items()]
        return ufl.Measure("ds", domain=self.mesh, subdomain_data=data)

    def ds(self, faces: Iterable[Pair]) -> Any:
        """Measure over boundary faces, lumped at the nodes (vertex rule)."""
        return self._ds(tuple(self.faces[f] for f in faces), metadata=VERTEX_RULE)

    def sides(self, regions: Iterable[str], ends: Iterable[str]) -> Any:
        """Measure over outer facets of regions but those of some boundaries, lumped at the nodes.

        Args:
            regions: that the facets bound.
            ends: the boundaries.
        """
        left_out = [self.facet_tags.find(self.boundaries[name]) for name in ends]
        found = facets.outer(self.mesh, np.setdiff1d(
            dmesh.exterior_facet_indices(self.mesh.topology),
            np.concatenate([np.empty(0, dtype=np.int32), *left_out]),
        ))
        data = [(1, found[self.in_regions(regions)[found[:, 0]]].ravel())]
        sides = ufl.Measure("ds", domain=self.mesh, subdomain_data=data)
        return sides(1, metadata=VERTEX_RULE)

    def wall_weight(
        self,
        walls: Iterable[Pair] = (),
        faces: Iterable[Pair] = (),
    ) -> Any:
        """`weight` for integrals over walls or faces that are lumped at the nodes (collective).

        With 2 pi r at the node itself, a node on the axis would have no wall at all, and c there
        would be wrong at first order. Each node gets instead what makes the rule exact for a
        linear field: the integral of 2 pi r times its hat function over its share of the facets.

        Returns:
            1, or a field (on walls its `+` side, which is also the other's).
        """
        key = tuple(walls), tuple(faces)
        if not self.axisymmetric:
            return 1
        if key not in self._wall_weights:
            space = space_on(self.mesh, ("Lagrange", 1))
            v = ufl.TestFunction(space)
            side, lumped = (v("+"), self.dS(key[0])) if key[0] else (v, self.ds(key[1]))
            exact = lumped(metadata={"quadrature_degree": 2})
            radius = self._lumped_weight(space, self.weight * side * exact, side * lumped)
            self._wall_weights[key] = radius("+") if key[0] else radius
        return self._wall_weights[key]

    def lumped_on(
        self, walls: Iterable[Pair], faces: Iterable[Pair]
    ) -> list[tuple[str, Any, Any]]:
        """Side of the electrolyte, `wall_weight` and measure: of walls, and of faces, if any."""
        walls, faces = tuple(walls), tuple(faces)
        found = [("-", self.wall_weight(walls), self.dS(walls))] if walls else []
        return found + ([("", self.wall_weight(faces=faces), self.ds(faces))] if faces else [])

    def integral_on(
        self, walls: Iterable[Pair], faces: Iterable[Pair], density: Any
    ) -> Any:
        """Integral over walls and faces, lumped at the nodes, of what the electrolyte has there."""
        return sum(on_side(density, side) * weight * measure
                   for side, weight, measure in self.lumped_on(walls, faces))

    def node_weight(self, regions: Iterable[str]) -> Any:
        """`weight` for integrals over regions that are lumped at the nodes (collective).

        As `wall_weight`: the integral of 2 pi r times a node's hat function over that of the hat,
        so that a node on the axis has the volume around it.

        Returns:
            1, or a field.
        """
        key = tuple(regions)
        if not self.axisymmetric:
            return 1
        if key not in self._wall_weights:
            space = space_on(self.mesh, ("Lagrange", 1))
            v = ufl.TestFunction(space)
            self._wall_weights[key] = self._lumped_weight(
                space, self.weight * v * self.dx(key), v * self.dx(key)
            )
        return self._wall_weights[key]

    def _lumped_weight(self, space: Any, exact: Any, lumped: Any) -> Any:
        """Quotient of two linear forms of a space, as a field of it."""
        radius = dfem.Function(space, name="weight")
        shares = []
        for form in (exact, lumped):
            vector = dfem.assemble_vector(compiled(form))
            vector.scatter_reverse(la.InsertMode.add)
            vector.scatter_forward()
            shares.append(vector.array)
        radius.x.array[:] = shares[0] / np.where(shares[1] > 0.0, shares[1], 1.0)
        return radius

    def faces_of(self, boundary: str, regions: Iterable[str]) -> list[Pair]:
        """Faces of a boundary that bound one of these regions; may be empty."""
        return [(boundary, r) for r in regions if (boundary, r) in self.faces]

    def through(self, given: Mapping[str, Any], regions: Sequence[str]) -> list[tuple[Any, Any]]:
        """Integrands and measures of flows through boundaries that bound some of these regions.

        Args:
            given: boundary -> flow per area, to which `wall_weight` is added as a factor.
            regions: that the boundaries bound; boundaries that bound none are left out.
        """
        faces = {boundary: self.faces_of(boundary, regions) for boundary in given}
        return [(given[b] * self.wall_weight(faces=f), self.ds(f)) for b, f in faces.items() if f]

    def cells_along(self, boundary: str) -> npt.NDArray[np.int32]:
        """Local cells with an owned facet on a boundary."""
        found = [here[:, 0] for face, here in self._face_facets.items() if face[0] == boundary]
        return np.unique(np.concatenate([*found, np.empty(0, dtype=np.int32)]))

    def volume(self, regions: Iterable[str]) -> float:
        """Volume of regions, m3 (2D: m3 per m out of plane, that is m2; collective)."""
        return self._integral(self._one * self.weight * self.dx(regions))

    def area(self, boundary: str) -> float:
        """Area of a boundary, m2 (2D: m2 per m out of plane, that is m; collective)."""
        faces = [key for key in self.faces if key[0] == boundary]
        if not faces:
            return 0.0
        return self._integral(self._one * self.weight * self.ds(faces))

    def wall_area(self) -> float:
        """Area of all walls between regions, m2 (2D: m2 per m out of plane; collective)."""
        if not self.walls:
            return 0.0
        return self._integral(self._one("+") * self.wall_weight(self.walls) * self.dS(self.walls))

    def _integral(self, form: Any) -> float:
        return self.comm.allreduce(dfem.assemble_scalar(compiled(form)), op=MPI.SUM)

    @cached_property
    def _one(self) -> Any:
        return dfem.Constant(self.mesh, 1.0)

    @cached_property
    def cell_tag_array(self) -> npt.NDArray[np.int32]:
        """Region number of every local cell (owned and ghost)."""
        index_map = self.mesh.topology.index_map(self.mesh.topology.dim)
        out = np.zeros(index_map.size_local + index_map.num_ghosts, dtype=np.int32)
        out[self.cell_tags.indices] = self.cell_tags.values
        return out

    def in_regions(self, regions: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Mask of the local cells (owned and ghost) that lie in one of these regions."""
        return np.isin(self.cell_tag_array, [self.regions[name] for name in regions])

    def field(self, values: dict[str, float], name: str = "") -> Any:
        """A number per region as a field, constant on each cell; 0 where none is given."""
        function = dfem.Function(space_on(self.mesh, ("DG", 0)), name=name or "field")
        for region, value in values.items():
            function.x.array[self.in_regions([region])] = value
        return function

    # -- parts ---------------------------------------------------------------------------------

    def subdomain(self, regions: Sequence[str]) -> Subdomain:
        """The regions as one mesh (collective)."""
        return self._submesh(tuple(regions), np.flatnonzero(self.in_regions(regions)))

    def wall_layer(
        self, walls: Iterable[Pair], faces: Iterable[Pair] = (),
        *, side: str = "-",
    ) -> Subdomain:
        """The cells on a side of these walls (`+` is the solid's) or at these faces (collective).

        Wall quantities (plated charge, film current) live on the wall nodes of this thin mesh.
        """
        mark = dfem.Function(space_on(self.mesh, ("DG", 0)))
        for wall in walls:
            mark.x.array[self._wall_facets[wall][:, 0 if side == "+" else 2]] = 1.0
        for face in faces:
            mark.x.array[self._face_facets[face][:, 0]] = 1.0
        mark.x.scatter_forward()  # the owner has seen all facets of its cells
        return self._submesh((), np.flatnonzero(mark.x.array > 0.5))

    def _submesh(self, regions: tuple[str, ...], cells: npt.NDArray) -> Subdomain:
        mesh, entity_map, _, points = dmesh.create_submesh(
            self.mesh, self.dim, np.asarray(cells, dtype=np.int32)
        )
        own = parent_cells(entity_map, mesh)
        return Subdomain(regions, mesh, entity_map, own, points, len(self.cell_tag_array))

    def nodes_on(
        self,
        space: dfem.FunctionSpace,
        part: Subdomain,
        *,
        walls: Iterable[Pair] = (),
        faces: Iterable[Pair] = (),
        side: str = "-",
    ) -> npt.NDArray[np.int32]:
        """Nodes (owned and ghost) of a Lagrange space on walls or boundary faces."""
        mark = la.vector(space.dofmap.index_map)
        cells, local = self.facets(walls, faces, side).T
        dofs, own = space.dofmap.list, part.inverse[cells]
        for facet in np.unique(local):
            corners = space.dofmap.dof_layout.entity_closure_dofs(self.dim - 1, int(facet))
            on = (local == facet) & (own >= 0)
            mark.array[dofs[own[on]][:, corners]] = 1.0
        return _marked(mark)

    def nodes_in(
        self, space: dfem.FunctionSpace, part: Subdomain, regions: Iterable[str]
    ) -> npt.NDArray[np.int32]:
        """Nodes (owned and ghost) of a Lagrange space in regions, their walls included."""
        mark = la.vector(space.dofmap.index_map)
        mark.array[space.dofmap.list[self.in_regions(regions)[part.cells]]] = 1.0
        return _marked(mark)

    def facets(
        self,
        walls: Iterable[Pair] = (),
        faces: Iterable[Pair] = (),
        side: str = "-",
    ) -> npt.NDArray[np.int32]:
        """Owned facets of walls, seen from one side, and of boundary faces.

        Returns:
            Cell and its local facet, of shape (n, 2).
        """
        column = 2 if side == "-" else 0
        pairs = [self._owned_on(wall)[:, column : column + 2] for wall in walls]
        pairs += [self._face_facets[face] for face in faces]
        return np.concatenate([*pairs, np.empty((0, 2), dtype=np.int32)])

    def corners(
        self, walls: Iterable[Pair] = (), faces: Iterable[Pair] = ()
    ) -> npt.NDArray[np.float64]:
        """Points where owned facets of walls and boundary faces have their corners, (n, 3), m."""
        cells, local = self.facets(walls, faces).T
        beside = np.arange(self.dim + 1) != local[:, None]  # a facet is opposite its own number
        return np.asarray(self.mesh.geometry.x[np.unique(cell_vertices(self.mesh)[cells][beside])])

    def same_nodes(
        self, space: dfem.FunctionSpace, part: Subdomain, other: dfem.FunctionSpace,
        other_part: Subdomain,
    ) -> npt.NDArray[np.int32]:
        """For every local node of a space the same vertex's local node in another one, else -1.

        Both are Lagrange spaces on parts of this mesh; nodes are those of cells that they share,
        and spaces of degree 2 meet others at vertices.
        """
        out = np.full(
            space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts, -1, np.int32
        )
        theirs, corners = other_part.inverse[part.cells], slice(self.dim + 1)
        shared = theirs >= 0
        # Corners of a cell stand first, and in the same order, on all parts.
        out[space.dofmap.list[shared, corners]] = other.dofmap.list[theirs[shared], corners]
        return out

    def vertices(self, space: dfem.FunctionSpace, part: Subdomain) -> npt.NDArray[np.int32]:
        """Point of this mesh's geometry at every local node of a Lagrange space on a part of it.

        Nodes that are no vertices (of degree 2) have -1.
        """
        dofs = space.dofmap
        out = np.full(dofs.index_map.size_local + dofs.index_map.num_ghosts, -1, dtype=np.int32)
        # Corners of a cell stand first, and in the same order, in dofmap and geometry.
        out[dofs.list[:, : self.dim + 1]] = part.points[cell_vertices(part.mesh)]
        return out

    def node_coordinates(self, space: dfem.FunctionSpace) -> npt.NDArray[np.float64]:
        """Coordinates of the owned nodes of a P1 space, shape (n, 3)."""
        return space.tabulate_dof_coordinates()[: owned_size(space)]


def on_side(expression: Any, side: str) -> Any:
    """Restrict to a side of an interior facet; at the edge of the mesh there is only one."""
    return expression(side) if side and not isinstance(expression, int | float) else expression


def _marked(mark: Any) -> npt.NDArray[np.int32]:
    """Nodes (owned and ghost) that any rank has marked (collective)."""
    mark.scatter_reverse(la.InsertMode.add)
    mark.scatter_forward()
    return np.flatnonzero(mark.array > 0.5).astype(np.int32)


def _gather_set(comm: MPI.Comm, values: npt.NDArray) -> set[int]:
    return set().union(*comm.allgather(set(np.unique(values).tolist())))
