"""The same geometry with other cells: every size, given or by default, times a factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from fem.units import format_quantity, parse_quantity
from geometries.array import Array
from geometries.image import Image
from geometries.laminate import Laminate
from geometries.lattice_host import OnLattice
from geometries.layered import Cell
from geometries.planar import Planar
from geometries.registry import resolve
from geometries.rough import Rough

__all__ = ["refined"]


def refined(geometry: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A [geometry] whose cells are `factor` times as large and whose shape is the same.

    Sizes that the family would choose are given in the answer, since some of them do not follow
    `size`; so is the width of a cell that is as wide as one of its mesh cells. Layers that would
    have sizes of their own all get the smallest.

    Args:
        geometry: family and parameters, as in a case.
        factor: 1 keeps what is given word by word.

    Raises:
        CaseError: the parameters are wrong, or these cells are out of the family's range.
    """
    family = str(geometry["family"])
    model = resolve(family, dict(geometry))
    out: dict[str, Any] = _times(geometry, factor)
    for name, size in _chosen(model).items():
        if geometry.get(name) is None:
            out[name] = format_quantity(float(f"{factor * size:.12g}"), "m")
    for name, length in _pinned(model).items():
        if geometry.get(name) is None:
            out[name] = format_quantity(length, "m")
    if isinstance(model, Array):
        out["cells_per_radius"] = round(model.cells_per_radius / factor)
    if isinstance(model, Image):
        out["coarsen"] = factor * model.coarsen
    if isinstance(model, Laminate):
        for film, entry in zip(model.layers, out["layers"], strict=True):
            if film.cells:
                entry["cells"] = max(1, round(film.cells / factor))
            elif film.size is None:
                entry["size"] = format_quantity(factor * film.thickness / 4, "m")
    resolve(family, out)
    return out


def _times(value: Any, factor: float) -> Any:
    """A table with every `size` and `size_...` in it times a factor."""
    if isinstance(value, Mapping):
        return {key: _larger(part, factor) if _is_size(key, part) else _times(part, factor)
                for key, part in value.items()}
    return [_times(part, factor) for part in value] if isinstance(value, list | tuple) else value


def _is_size(key: str, value: Any) -> bool:
    return (key == "size" or key.startswith("size_")) and isinstance(value, str)


def _larger(text: str, factor: float) -> str:
    return text if factor == 1.0 else f"{factor * parse_quantity(text, 'm'):.12g} m"


def _chosen(model: BaseModel) -> dict[str, float]:
    """Sizes in m that a family chooses where it is given none."""
    if isinstance(model, Cell):
        walls = [layer.wall(model.dimension) for layer in model.layers]
        return {"size": model.room().size, "size_wall": min(walls)}
    if isinstance(model, OnLattice):
        return {"size": model.spacing()}  # type: ignore[attr-defined]
    if isinstance(model, Rough):
        return {"size": model.correlation, "size_surface": model.fine()}
    if isinstance(model, Laminate):
        perforated = any(film.pitch for film in model.layers)
        return {"size_width": model.across()[1]} if perforated else {}
    if hasattr(model, "sizes"):  # fibre_mat, aligned_channels, lamella
        size, wall = model.sizes()
        return {"size": size, "size_wall": wall}
    return {}


def _pinned(model: BaseModel) -> dict[str, float]:
    """Lengths in m that follow a cell size where they are not given."""
    if isinstance(model, Planar):
        one = model.size_width or model.size
        return {"width": one} | ({"breadth": one} if model.dimension == 3 else {})
    if isinstance(model, Laminate):
        return {"width": model.across()[0]}
    return {}
