"""Family `foam`: inverse opals, bubble foams, strut foams and sponges, pore size by depth.

- "opal": spherical pores on a face-centred cubic (2D: hexagonal) lattice, grown until they overlap;
- "bubbles": overlapping spherical pores at random places, no two centres close together;
- "struts": an open foam such as melamine; struts along the edges of the Voronoi cells of the
  bubbles' centres, thicker where they meet (2D: their cross-sections);
- "sponge": both phases run through each other (a level of a Gaussian random field).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fem.values.units import shown_length
from geometries.builders import lattice_host
from geometries.builders.lattice_host import Lengths, OnLattice, Shares, at_height
from geometries.meshing.levelset import Field as PlaceField
from geometries.meshing.mesh import Built, Floats
from geometries.meshing.parameters import Names

#: Porosities at which the pores lead through and, in 3D, the solid is one body.
POROSITY_RANGE = {
    ("opal", 2): (0.92, 0.98), ("opal", 3): (0.78, 0.92),
    ("bubbles", 2): (0.83, 0.92), ("bubbles", 3): (0.65, 0.9),
    ("struts", 2): (0.8, 0.95), ("struts", 3): (0.85, 0.95),
    ("sponge", 2): (0.65, 0.9), ("sponge", 3): (0.4, 0.75),
}
#: Number of waves of a random field.
WAVE_COUNT = 200


class Foam(OnLattice):
    """Parameters of a foam; in addition to those of all hosts on a lattice.

    Attributes:
        kind: "opal", "bubbles", "struts" or "sponge".
        pore_diameter: one or several values from the collector upwards; an opal takes one. At
            least two pores fit across and along the host.
        porosity: one or several values from the collector upwards; the mean is delivered +- 0.01.
            Pores lead through in opals of 0.92 to 0.98 (3D 0.78 to 0.92), bubbles of 0.83 to 0.92
            (0.65 to 0.9), struts of 0.8 to 0.95 (0.85 to 0.95), sponges of 0.65 to 0.9 (0.4 to
            0.75).
        coating: thickness of a region `coating_<layer>` on the pore walls, inside the solid, one
            or several values; at least 1.5 `size` / 2^`refine`.
        floating: bits of solid without contact to the collector: "drop" or "keep"; default drop
            in 3D, where they are ends cut off by the sides, keep in 2D.
        seed: of the random places, 0 to 2^32 - 1.
        size: default an eighth of the smallest pore diameter, finer where struts or coating are
            thin.
    """

    kind: Literal["opal", "bubbles", "struts", "sponge"] = "bubbles"
    pore_diameter: Lengths
    porosity: Shares
    coating: Lengths | None = None
    floating: Literal["drop", "keep"] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1

    def _faults(self) -> list[str]:
        if wrong := super()._faults():
            return wrong
        low, high = POROSITY_RANGE[self.kind, self.dimension]
        wrong += [f"porosity: {e:g} lies outside {low:g} to {high:g} of {self.kind!r} in "
                  f"{self.dimension}D" for e in self.porosity if not low <= e <= high]
        if self.kind == "opal" and len(self.pore_diameter) > 1:
            wrong.append("pore_diameter: an opal is one crystal and takes one value; "
                         "kind 'bubbles' takes several")
        largest = max(self.pore_diameter)
        wrong += [f"pore_diameter: {shown_length(largest)} fits less than twice into the {which} "
                  f"{shown_length(length)}; take {shown_length(0.5 * length)} or less"
                  for which, length in zip((*("width", "breadth")[: self.dimension - 1], "host"),
                                           [*self.across, self.top], strict=True)
                  if largest > 0.5001 * length]
        if wrong:
            return wrong
        lattice_host.check_coating(self.coating, self.spacing() / 2**self.refine)
        self.budget(self.spacing())
        return []

    def names(self) -> Names:
        """Regions and boundaries of its meshes."""
        return self.porous_names("foam", self.coating)

    def spacing(self) -> float:
        """Spacing of the lattice in m."""
        pore = min(self.pore_diameter)
        # Struts of the solid share 1 - e are about sqrt(1 - e)/2 of the pore thick.
        fine = pore * min(0.125, 0.35 * (1 - max(self.porosity)) ** 0.5)
        return self.size or min(fine, 0.6 * 2**self.refine * min(self.coating or (pore,)))


def build(p: Foam) -> Built:
    """The tagged mesh.

    Raises:
        CaseError: the porosity cannot be delivered, or the pores do not lead through.
    """
    rng = np.random.default_rng(p.seed)
    make = {"opal": _opal, "bubbles": _bubbles, "struts": _struts, "sponge": _sponge}[p.kind]
    drop = (p.floating or ("drop" if p.dimension == 3 else "keep")) == "drop"
    return lattice_host.porous(p, "foam", p.spacing(), make(p, rng), p.porosity,
                               coating=p.coating, drop_floating=drop)


def _opal(p: Foam, _: Any) -> PlaceField:
    """Minus the distance to the nearest centre, in radii, of a close packing from the collector."""
    from scipy.spatial import cKDTree

    if p.dimension == 2:
        base = np.array([[0.0, 0.0], [0.5, 0.5]])
        period = np.array([1.0, np.sqrt(3.0)])
    else:
        base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
        period = np.ones(3)
    # Period whose spheres of the diameter asked leave the porosity asked.
    probe = np.random.default_rng(0).random((20_000, p.dimension)) * period
    tree = cKDTree(_repeat(base * period, period, period))
    reach = np.quantile(tree.query(probe)[0], lattice_host.mean(p.porosity))
    period = period * p.pore_diameter[0] / 2 / reach
    tree = cKDTree(_repeat(base * period, period, np.array([*p.across, p.top])))
    return lambda points: -np.asarray(tree.query(points)[0]) / (p.pore_diameter[0] / 2)


def _repeat(base: Floats, period: Floats, extent: Floats) -> Floats:
    """A cell's points repeated over a box with one more cell around it."""
    counts = [np.arange(-1, np.ceil(e / w) + 2) for e, w in zip(extent, period, strict=True)]
    steps = np.stack(np.meshgrid(*counts, indexing="ij"), axis=-1).reshape(-1, len(period))
    out: Floats = (base[None] + (steps * period)[:, None]).reshape(-1, len(period))
    return out


def _centres(p: Foam, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Random centres no closer than 0.75 local pore diameters, also around the host; radii."""
    from scipy.spatial import cKDTree

    margin = max(p.pore_diameter)
    extent = np.array([*p.across, p.top]) + 2 * margin
    least = 0.75 * min(p.pore_diameter)
    count = int(20 * np.prod(extent) / least**p.dimension)
    darts = rng.random((count, p.dimension)) * extent - margin
    share = np.clip(darts[:, -1] / p.top, 0.0, 1.0)
    apart = 0.75 * at_height(p.pore_diameter, share)
    near = cKDTree(darts).query_ball_point(darts, apart)
    free = np.ones(count, dtype=bool)
    kept = []
    for i in range(count):
        if free[i]:
            kept.append(i)
            free[near[i]] = False
    return darts[kept], at_height(p.pore_diameter, share[kept]) / 2


def _ways(p: Foam, rng: np.random.Generator, count: int) -> PlaceField:
    """The least distances to centres, in radii of their pores, in order."""
    from scipy.spatial import cKDTree

    centres, radii = _centres(p, rng)
    tree = cKDTree(centres)
    k = min(12, len(centres))

    def ways(points: Floats) -> Floats:
        far, which = tree.query(points, k=k)
        out: Floats = np.sort(far / radii[which], axis=1)[:, :count]
        return out

    return ways


def _bubbles(p: Foam, rng: np.random.Generator) -> PlaceField:
    ways = _ways(p, rng, 1)
    return lambda points: -ways(points)[:, 0]


def _struts(p: Foam, rng: np.random.Generator) -> PlaceField:
    """An edge of the cells has the same distance to three centres."""
    ways = _ways(p, rng, 3)

    def excess(points: Floats) -> Floats:
        nearest = ways(points)
        return nearest[:, 2] - nearest[:, 0]

    return excess


def _sponge(p: Foam, rng: np.random.Generator) -> PlaceField:
    """Waves of one length and random direction; between two pore sizes two fields are blended."""
    waves = []
    for diameter in p.pore_diameter:
        direction = rng.normal(size=(WAVE_COUNT, p.dimension))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        # Half a wave is a pore.
        waves.append((direction * np.pi / diameter, rng.random(WAVE_COUNT) * 2 * np.pi))

    def field(points: Floats) -> Floats:
        value = np.zeros(len(points))
        place = np.clip(points[:, -1] / p.top, 0.0, 1.0) * (len(waves) - 1)
        for k, (vectors, phases) in enumerate(waves):
            weight = np.sqrt(np.clip(1.0 - np.abs(place - k), 0.0, 1.0))
            near = weight > 0
            for part in np.array_split(np.flatnonzero(near), 1 + int(near.sum()) // 20_000):
                turn = points[part] @ vectors.T + phases
                value[part] += weight[part] * np.cos(turn).sum(axis=1)
        return value

    return field
