"""Cell sizes of a geometry: those that its family chooses, and the same shape with others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from fem.values.units import format_quantity, parse_quantity
from geometries.builders.array import Array
from geometries.builders.fibre_layers import FibreMat
from geometries.builders.image import Image
from geometries.builders.laminate import Laminate
from geometries.builders.lattice_host import OnLattice
from geometries.builders.layers import Cell
from geometries.builders.planar import Planar
from geometries.builders.rough import Rough
from geometries.registry import resolve

__all__ = ["chosen_left_out", "refined", "spelled_out"]


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
            out[name] = _size(factor * size)
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
                entry["size"] = format_quantity(factor * film.step(), "m")
    resolve(family, out)
    return out


def spelled_out(model: BaseModel) -> BaseModel:
    """Parameters with all sizes that the family chooses: they give the same mesh, bit by bit.

    Where layers have walls of their own each gets its size. Sizes that are another one by default,
    as `size_counter` is `size`, are left to that.
    """
    update: dict[str, Any] = {
        name: size for name, size in _chosen(model).items() if getattr(model, name) is None
    }
    if isinstance(model, Cell | FibreMat):
        update.pop("size_wall", None)
        if model.size_wall is None:
            update["layers"] = tuple(
                layer.model_copy(
                    update={"size_wall": layer.size_wall or layer.wall(model.dimension)}
                )
                for layer in model.layers
            )
    if isinstance(model, Rough):
        update["shortest"] = model.wave()
    if isinstance(model, Laminate):
        update["layers"] = tuple(
            film if film.cells or film.size else film.model_copy(update={"size": film.step()})
            for film in model.layers
        )
    return model.model_copy(update=update)


def chosen_left_out(model: BaseModel) -> BaseModel:
    """Parameters without the cell sizes that the family would choose as they are.

    So a geometry and what `spelled_out` makes of it are the same, with one hash and one mesh.
    """
    whole = spelled_out(model)
    sizes = (n for n in type(model).model_fields if n.startswith("size_"))
    for name in ("size", *sizes, "shortest"):
        if name in type(model).model_fields:
            model = _without(model, whole, {name: None})
    layers = getattr(model, "layers", ())
    for k, layer in enumerate(layers):
        for name in ("size", "size_wall"):
            if getattr(layer, name, None) is not None:
                bare = layer.model_copy(update={name: None})
                before, after = model.layers[:k], model.layers[k + 1 :]  # type: ignore[attr-defined]
                model = _without(model, whole, {"layers": (*before, bare, *after)})
    return model


def _without(model: BaseModel, whole: BaseModel, update: dict[str, Any]) -> BaseModel:
    """The model changed so, if that leaves out what the family chooses, else as it is."""
    bare = model.model_copy(update=update)
    return bare if spelled_out(bare) == whole else model


def _times(value: Any, factor: float) -> Any:
    """A table with every `size` and `size_...` in it times a factor."""
    if isinstance(value, Mapping):
        return {key: _larger(part, factor) if _is_size(key, part) else _times(part, factor)
                for key, part in value.items()}
    return [_times(part, factor) for part in value] if isinstance(value, list | tuple) else value


def _is_size(key: str, value: Any) -> bool:
    return (key == "size" or key.startswith("size_")) and isinstance(value, str)


def _larger(text: str, factor: float) -> str:
    return text if factor == 1.0 else _size(factor * parse_quantity(text, "m"))


def _chosen(model: BaseModel) -> dict[str, float]:
    """Sizes in m that a family chooses where it is given none."""
    if isinstance(model, Cell):
        walls = [model.wall(layer) for layer in model.layers]
        return {"size": model.room().size, "size_wall": min(walls)}
    if isinstance(model, OnLattice):
        return {"size": model.spacing()}  # type: ignore[attr-defined]
    if isinstance(model, Rough):
        fine = model.fine()
        return {"size": max(model.correlation, fine), "size_surface": fine}
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


def _size(length: float) -> str:
    """A cell size as a case gives it, without the last digits of a product."""
    return format_quantity(float(f"{length:.12g}"), "m")
