"""Cases to start from: a family of hosts, a metal, an electrolyte, and no story of a paper."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from fem.base.errors import CaseError
from fem.case.files import inline

__all__ = ["template"]

#: Geometry of the families whose shape is a file of the user's.
WITH_FILE: dict[str, dict[str, Any]] = {
    "image": {"file": "host.npy", "voxel": "0.5 um", "separator": "20 um",
              "regions": {"0": "electrolyte", "1": "host_solid"}},
    "cad": {"width": "20 um", "thickness": "20 um", "separator": "20 um",
            "parts": [{"file": "host.step", "unit": "1 um", "region": "host_solid"}]},
}  # fmt: skip
#: Regions of the geometry of `WITH_FILE`.
SOLID = ("host_solid", "separator")

_HEAD = """\
# A case of the family {family}, to be changed: sizes and materials are examples, all assumed.
#   hostplate check {file}                    all problems at once
#   hostplate inspect {file} --png host.png   numbers and a picture of its mesh
#   hostplate run {file}
# Keys and their meaning: hostplate show schema. Materials: hostplate list materials.

schema = 1
title = "A host of the family {family}"
metal = "Li"                          # Li, Na, K, Zn, Mg
electrolyte = "LiPF6_EC_EMC_3_7"      # fills regions `electrolyte*` and the pores of separators
temperature = "25 degC"
study = "tertiary"                    # primary, secondary, tertiary (in time), steady, growth, map
"""

_TAIL = """
[collector]
material = "Cu"                       # the foil under the host plates, too

[counter]
kind = "metal"

# A coating on a region of the host: where electrons pass metal plates on it, else under it.
# [[coatings]]
# on = "host_*"
# material = "Au"
# thickness = "50 nm"

# Kinetics of your own on a region of the host; without an entry those of the library.
# [[kinetics]]
# surface = "host_*"
# eta_nuc = "20 mV"

[[protocol]]                          # plate, strip, rest, hold, ...
step = "plate"
current_density = "1 mA/cm^2"         # positive magnitude, per projected area
duration = "1 h"                      # or capacity, cutoff

[output]
fields_every = "20 min"
"""


def template(family: str, dimension: int = 2, file: str = "mine.toml") -> str:
    """Text of a case of a family, with a remark on every parameter.

    Args:
        family: of `hostplate list geometries`.
        dimension: 2 for a cut, 3.
        file: name that the remarks give the case.

    Raises:
        CaseError: no such family, or it is not made in this dimension.
    """
    from geometries.description import parameters
    from geometries.registry import model

    meanings = {p.path: p for p in parameters(model(family))}  # an unknown family ends here
    geometry = _example(family, dimension)
    lines = [_HEAD.format(family=family, file=file), "[geometry]", f'family = "{family}"']
    lines += _table("", geometry, meanings)
    lines += _left_out(geometry, meanings)
    lines += _lists("", geometry, meanings)
    if family in WITH_FILE:
        regions = SOLID
    else:
        regions = tuple(model(family).model_validate(geometry).names().regions)  # type: ignore[attr-defined]
    lines += _fillings(regions, dimension)
    return "\n".join(lines) + "\n" + _TAIL


def _example(family: str, dimension: int) -> dict[str, Any]:
    """Parameters of the smallest example of the gallery in this dimension."""
    from geometries.inspection.gallery import EXAMPLES
    from geometries.registry import model

    if family in WITH_FILE:
        known = "dimension" in model(family).model_fields  # an image has its own
        return ({"dimension": dimension} if known else {}) | WITH_FILE[family]
    found = [e for e in EXAMPLES[family] if e.get("dimension", 2) == dimension]
    if not found:
        raise CaseError(f"--dimension {dimension}: {family} is made in 2D only")
    return found[0]


def _table(prefix: str, content: Mapping[str, Any], meanings: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the plain values of a table, each with its meaning."""
    for key, value in content.items():
        if not _is_list_of_tables(value):
            path = f"{prefix}{key}"
            text = f"{key} = {inline(value).as_string()}"
            meaning = meanings[path].meaning if path in meanings else ""
            yield from _remarked(text, meaning)


def _left_out(content: Mapping[str, Any], meanings: Mapping[str, Any]) -> Iterator[str]:
    """The other parameters of the family, as remarks."""
    for path, p in meanings.items():
        if "." not in path and "<" not in path and path not in content and path != "layers":
            default = "" if p.default in ("", "required") else f" = {_quoted(p.default)}"
            yield from _remarked(f"# {path}{default}", f"{p.kind}; {p.meaning}")


def _quoted(default: str) -> str:
    """A default as a case writes it: words and quantities in quotes."""
    plain = default in ("true", "false") or default.replace(".", "").replace("-", "").isdigit()
    return default if plain else f'"{default}"'


def _lists(prefix: str, content: Mapping[str, Any], meanings: Mapping[str, Any]) -> Iterator[str]:
    """Lists of tables, as layers."""
    for key, value in content.items():
        if _is_list_of_tables(value):
            for entry in value:
                place = f"{prefix}{key}.<n>."
                if "family" in entry:  # layers of a stack have parameters of their own kind
                    own = f"{prefix}{key}.<n>({entry['family']})."
                    place = own if any(path.startswith(own) for path in meanings) else place
                yield f"\n[[geometry.{prefix}{key}]]"
                yield from _table(place, entry, meanings)


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(e, dict) for e in value)


def _remarked(text: str, meaning: str) -> Iterator[str]:
    """A line with its remark, which goes on below it where it is long."""
    remarks = textwrap.wrap(" ".join(meaning.split()), 62)
    yield f"{text:37} # {remarks[0]}" if remarks else text
    for more in remarks[1:]:
        yield f"{'':37} # {more}"


def _fillings(regions: tuple[str, ...], dimension: int) -> Iterator[str]:
    """A material for each region that the electrolyte does not fill.

    Conductors are such that lithium has kinetics on them, as a run asks for.
    """
    from fem.materials import library

    known = library.names("pair")
    solids = {name.lower(): name for name in library.names("solid")
              if f"Li/{name}" in known or not library.solid(name).sigma}
    for region in sorted(regions):
        if region.startswith("electrolyte"):
            continue
        material = "polyolefin" if region == "separator" else solids.get(
            region.rpartition("_")[2].lower(), "Cu")  # fmt: skip
        yield f"\n[regions.{region}]"
        yield f'material = "{material}"'
        if dimension == 2 and region.startswith("host") and library.solid(material).sigma:
            yield from _remarked(
                "connected = true",
                "a cut: its parts touch each other and the collector outside the plane",
            )
