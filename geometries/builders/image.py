"""Family `image`: a tomogram or a drawing, voxel labels to regions.

Each label's indicator is smoothed over about a voxel and the interface is where two are equal: not
the voxels' faces, whose area is up to 1.5 times too large. The volume of the pores is that of the
voxels; what the separator cannot reach is filled.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from fem.base.errors import CaseError
from geometries.builders import lattice_host
from geometries.builders.lattice_host import Refine
from geometries.files import pictures
from geometries.meshing.mesh import Built, Floats
from geometries.meshing.parameters import Growth, Length, Name, Names, Parameters, above

Labels = NDArray[np.uint8]
Axis = Literal["x", "y", "z"]
Label = Annotated[int, Field(ge=0, le=255)]
#: Most voxels of an image that is opened.
MAX_VOXELS = 2_000_000_000


def _lengths(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


class Image(Parameters):
    """Parameters of a host from an image.

    The mesh has the voxels' open porosity +- 0.01 or is refused. That needs necks and walls of
    about three lattice spacings and, for random pores, a porosity of 0.4 to 0.85 (2D: from 0.65),
    as below a neck decides what is open; a smaller `coarsen` resolves more.

    Attributes:
        file: .npy, .npz (its first array), .tif, .tiff (all pages) or .png; relative to the case.
            Values are the stored ones: of a palette the numbers of its colours, of white-is-zero
            not turned round. Colours, an alpha channel and lossy compression are refused.
        axes: axes of the array in order, such as "zyx" for a tif whose pages are levels from the
            collector, "yxz", or "zx" in 2D; z is the thickness. Default "zyx" (2D: "zx").
        flip: axes to turn over; rows of a picture run downwards: flip z.
        voxel: edge length, or one for each of x, (y,) z; m.
        regions: label -> region: `electrolyte_...`, `host_...`, `solid_electrolyte`,
            `coating_...`; all labels that occur and no other ones.
        threshold: values between which grey values become labels 0, 1, 2 and so on.
        crop: axis -> [first, last + 1] voxel kept, before `flip`.
        coarsen: lattice spacing in voxels (of the largest edge), 0.5 to 20; coarser is smoother.
        smooth: standard deviation of the smoothing in lattice spacings, 0.3 to 3.
        gap: thickness of free electrolyte above the host, region `electrolyte_gap`.
        separator: thickness of the separator, region `separator`.
        refine: how often cells at walls are halved in length, 0 to 4.
        growth: ratio of neighbouring cells in gap and separator, above 1 to 2.
        cells_max: budget of cells, 1000 to 2e7; a finer lattice is refused.
        floating: "keep" or "drop" solid bodies without contact to the collector.
        content: sha256 of the file; found, or checked if given.
    """

    file: Annotated[str, Field(min_length=1, max_length=4096)]
    axes: Literal["xyz", "xzy", "yxz", "yzx", "zxy", "zyx", "xz", "zx"] | None = None
    flip: tuple[Axis, ...] = ()
    voxel: Annotated[tuple[Length, ...], BeforeValidator(_lengths), Field(min_length=1,
                                                                          max_length=3)]
    regions: Annotated[dict[Label, Name], Field(min_length=2, max_length=60)]
    threshold: tuple[float, ...] = Field(default=(), max_length=60)
    crop: dict[Axis, tuple[int, int]] = Field(default_factory=dict)
    coarsen: Annotated[float, Field(ge=0.5, le=20.0)] = 1.0
    smooth: Annotated[float, Field(ge=0.3, le=3.0)] = 0.7
    gap: Length | None = None
    separator: Length | None = None
    refine: Refine = 0
    growth: Growth = 1.5
    cells_max: Annotated[int, Field(ge=1000, le=20_000_000)] = 1_000_000
    floating: Literal["keep", "drop"] = "keep"
    content: str = ""

    @model_validator(mode="after")
    def _read(self) -> Image:
        from geometries.meshing.mesh import is_pore

        path = Path(self.file)
        if not path.is_file():
            raise ValueError(f"file: no file {self.file!r}")
        if not any(is_pore(name) for name in self.regions.values()):
            raise ValueError("regions: none is a pore; name one electrolyte or electrolyte_...")
        if list(self.threshold) != sorted(set(self.threshold)):
            raise ValueError("threshold: values must increase")
        shape = pictures.shape(path)
        if len(shape) not in (2, 3):
            raise ValueError(f"file: {len(shape)} axes of {shape}; an image has 2, a stack 3")
        if 1 in shape:
            raise ValueError(f"file: an axis of length 1 in {shape}; save the array without it")
        if len(shape) == 3 and shape[-1] <= 4 < 16 <= min(shape[:2]):
            raise ValueError(f"file: the last axis of {shape} has {shape[-1]} values, as colours "
                             "and alpha have; save one value for each pixel (a stack as thin as "
                             "that with another axis last, see axes)")
        if math.prod(shape) > MAX_VOXELS:
            raise ValueError(
                f"file: {math.prod(shape):.3g} voxels, at most {MAX_VOXELS:.3g}; crop it"
            )
        if self.axes and len(self.axes) != len(shape):
            raise ValueError(f"axes: {self.axes!r} names {len(self.axes)} axes of {len(shape)}")
        if len(self.voxel) not in (1, len(shape)):
            raise ValueError(f"voxel: give one length or {len(shape)}, not {len(self.voxel)}")
        extent = self._extent(shape)
        lattice_host.extent_of(self, extent).budget(self.spacing(len(shape)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if self.content not in ("", digest):
            raise ValueError(f"content: {self.file} has changed; leave content out to take it")
        object.__setattr__(self, "content", digest)
        return self

    def names(self) -> Names:
        """Regions and boundaries of its meshes; which labels occur is known when it is read."""
        return Names(above(self.gap, self.separator), tuple(dict.fromkeys(self.regions.values())))

    def order(self, dimension: int) -> str:
        """The array's axes."""
        return self.axes or "zyx"[:: 1 if dimension == 3 else 2]

    def edges(self, dimension: int) -> Floats:
        """Edges of a voxel along x, (y,) z in m."""
        return np.array(self.voxel * (dimension if len(self.voxel) == 1 else 1))

    def spacing(self, dimension: int) -> float:
        """Spacing of the lattice in m."""
        return self.coarsen * float(self.edges(dimension).max())

    def _extent(self, shape: tuple[int, ...]) -> list[float]:
        counts = dict(zip(self.order(len(shape)), shape, strict=True))
        for axis, (first, end) in self.crop.items():
            if not 0 <= first < end <= counts.get(axis, 0):
                raise ValueError(f"crop.{axis}: [{first}, {end}] lies outside 0 to "
                                 f"{counts.get(axis, 0)}")
            counts[axis] = end - first
        names = "xyz"[:: 1 if len(shape) == 3 else 2]
        least = min(counts.values())
        if least < 4 * self.coarsen:
            raise ValueError(f"coarsen: {self.coarsen:g} leaves fewer than 4 lattice spacings of "
                             f"{least} voxels; at most {least / 4:g}")
        return [counts[a] * float(v) for a, v in zip(names, self.edges(len(shape)), strict=True)]


def build(p: Image) -> Built:
    """The tagged mesh.

    Raises:
        CaseError: labels without a region, no pore at the separator, or too coarse a lattice.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    labels = read(p)
    dim = labels.ndim
    edges = p.edges(dim)
    present = sorted(dict.fromkeys(p.regions.values()))
    phase = np.zeros(256, dtype=np.uint8)
    for label, region in p.regions.items():
        phase[label] = present.index(region)
    phases = phase[labels]
    pores = _open(phases, present)
    extent = (np.array(labels.shape) * edges).tolist()
    room = lattice_host.extent_of(p, extent)
    spacing = p.spacing(dim)
    width = p.smooth * spacing / edges  # of the smoothing in voxels
    shares = [gaussian_filter((phases == k).astype(np.float32), width, mode="nearest")
              for k in range(len(present))]
    from geometries.meshing.mesh import is_pore

    pore = np.array([is_pore(name) for name in present])

    def made(shift: float) -> Any:
        def field(points: Floats) -> Floats:
            at = (points / edges - 0.5).T
            value = np.stack([map_coordinates(s, at, order=1, mode="nearest") for s in shares], -1)
            return -(value + np.where(pore, shift, 0.0))

        return lattice_host.host_mesh(room, room.host_layers("image"), spacing, field, present,
                                      drop_floating=p.floating == "drop")

    target = float(pores.mean())
    mesh = lattice_host.tuned(
        made, target, lambda mesh: lattice_host.porosity_of(mesh, 0.0, room.top),
        "image: porosity", close=0.1 * lattice_host.SHARE_TOLERANCE)
    extra = {"voxels": list(labels.shape), "voxel_porosity": target,
             "voxel_porosity_closed": float(pore[phases].mean()) - target}
    return lattice_host.finished(mesh, room.host_layers("image"), "image", connected=False,
                                 extra=extra)


def _open(phases: Labels, present: list[str]) -> NDArray[np.bool_]:
    """Pore voxels connected, by faces, to the separator's side.

    Raises:
        CaseError: there are none.
    """
    from scipy.ndimage import label

    from geometries.meshing.mesh import is_pore

    pores = np.isin(phases, [k for k, name in enumerate(present) if is_pore(name)])
    body, _ = label(pores)
    reached = np.setdiff1d(np.unique(body[..., -1]), [0])
    if not len(reached):
        raise CaseError("image: no pore reaches the separator; turn z over with flip, or check "
                        "regions")
    return np.isin(body, reached)


def read(p: Image) -> Labels:
    """The labels with axes x, (y,) z upwards.

    Raises:
        CaseError: the file is damaged, or labels and regions do not match.
    """
    try:
        array = pictures.values(Path(p.file))
    except ValueError as error:  # the pages of a damaged stack
        raise CaseError(f"image: {error}") from None
    order = p.order(array.ndim)
    names = "xyz"[:: 1 if array.ndim == 3 else 2]
    array = array[tuple(slice(*p.crop[a]) if a in p.crop else slice(None) for a in order)]  # type: ignore[index]
    array = array.transpose([order.index(a) for a in names])
    array = array[tuple(slice(None, None, -1 if a in p.flip else 1) for a in names)]
    labels = np.digitize(array, p.threshold) if p.threshold else array
    found = np.unique(labels)
    if len(found) > 60 or not np.array_equal(found, np.round(found)):
        raise CaseError(f"image: {len(found)} values from {found[0]:g} to {found[-1]:g} are no "
                        "labels; give threshold")
    numbers = [int(v) for v in found]
    unknown = [n for n in numbers if n not in p.regions]
    unseen = [n for n in sorted(p.regions) if n not in numbers]
    wrong = []
    if unknown:
        wrong.append(f"label{'s' * (len(unknown) > 1)} {_listed(unknown)} "
                     f"{'have' if len(unknown) > 1 else 'has'} no region; labels 0 to 255")
    if unseen:
        wrong.append(f"regions {_listed(unseen)} occur{'s' * (len(unseen) == 1)} nowhere"
                     f"{' in the crop' if p.crop else ''}; labels")
    if wrong:
        raise CaseError("\n".join(f"image: {line} found: {_listed(numbers)}" for line in wrong))
    return labels.astype(np.uint8)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
