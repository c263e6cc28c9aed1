"""Commands on meshes: mesh, inspect, gallery."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError
from fem.cli.arguments import case_arguments


def _load_host(options: argparse.Namespace) -> Any:
    from fem.case.hosts import load

    return load(options.case, options.overrides)


def _mesh(parser: argparse.ArgumentParser) -> None:
    case_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for mesh.msh, .xdmf, .json")
    parser.epilog = (
        "CASE may also be a host (see `hostplate list hosts`): a file with a [geometry].\n\n"
        "example:\n  hostplate mesh trilayer_cg --out mesh --set geometry.seed=7"
    )
    parser.set_defaults(call=_do_mesh)


def _do_mesh(options: argparse.Namespace) -> None:
    from fem.case.meshes import mesh_folder

    # Out of the cache, where `hostplate run` finds it, too.
    shutil.copytree(mesh_folder(_load_host(options)), options.out, dirs_exist_ok=True)
    sidecar = json.loads((options.out / "mesh.json").read_text())
    regions = ", ".join(sidecar["regions"])
    print(f"{options.out}: {sidecar['cells']} cells, {sidecar['nodes']} nodes; regions {regions}")
    for text in sidecar.get("remarks", ()):
        print(f"warning: {text}")


def _inspect(parser: argparse.ArgumentParser) -> None:
    case_arguments(parser)
    parser.add_argument("--png", type=Path, help="also draw the regions into this file")
    parser.add_argument("--plots", type=Path, help="also draw the numbers by depth into this file")
    parser.add_argument(
        "--density",
        metavar="REGION=VALUE",
        action="append",
        default=[],
        help="density of solid regions, for the mass: 'host_*=8.96 g/cm^3' or 'host_*=Cu'; in "
        "a case, the densities of its materials are used where the library has them",
    )
    parser.add_argument("--metal", help="metal that fills the pores, for the capacity; default "
                        "that of the case, else Li")
    parser.add_argument("--averaged", metavar="REGION", help="also print the entries with which a "
                        "case takes the host as an average, see docs/physics/averaged.md")
    parser.add_argument("--sigma", help="conductivity of the solids, for these entries: '1e5 S/m'")
    parser.epilog = (
        "CASE may also be a host (see `hostplate list hosts`), a mesh folder or a result.\n\n"
        "examples:\n"
        "  hostplate inspect mesh --png mesh.png --plots numbers.png --density 'host_*=Cu'\n"
        "  hostplate inspect trilayer_cg --set geometry.seed=7"
    )
    parser.set_defaults(call=_do_inspect)


def _do_inspect(options: argparse.Namespace) -> None:
    import geometries
    from fem.case.meshes import mesh_folder

    densities = dict(_density(text) for text in options.density)
    if (recorded := Path(options.case) / "case.toml").is_file():  # a result
        options.case = str(recorded)
    folder, metal = Path(options.case), options.metal
    if not folder.is_dir():
        case = _load_host(options)
        folder = mesh_folder(case)
        if hasattr(case, "metal"):
            densities = _case_densities(case) | densities
            metal = metal or case.metal
    elif options.overrides:
        raise CaseError("--set changes a case; the mesh folder is already built")
    report = geometries.inspect(folder, densities=densities, metal=metal or "Li")
    notes = report.pop("notes")
    for name, value in report.items():
        print(f"{name}: {_with_unit(name, value)}")
    for text in notes:
        print(f"note: {text}")
    if options.averaged:
        _print_averaged(report, folder, options)
    if options.png:
        print(f"wrote {geometries.draw(folder, options.png)}")
    if options.plots:
        print(f"wrote {geometries.plot(report, options.plots)}")


def _print_averaged(report: dict[str, Any], folder: Path, options: argparse.Namespace) -> None:
    """Entries of a case that takes the host as an average, as TOML."""
    from fem.case.files import to_toml
    from fem.physics.averaged.measured import tables
    from fem.values.units import parse_quantity

    host = json.loads((folder / "mesh.json").read_text())["host"] or {"top": 0.0, "bottom": 0.0}
    try:
        sigma = None if options.sigma is None else parse_quantity(options.sigma, "S/m")
    except ValueError as error:
        raise CaseError(f"--sigma {options.sigma!r}: {error}") from None
    thickness = host["top"] - host["bottom"]
    print(f"\n{to_toml(tables(report, options.averaged, thickness, sigma=sigma))}")


_DOWN = " (from the separator side down)"
_UNITS = {"wall_area": " 1/m", "wall_area_by_depth": f" 1/m{_DOWN}", "host_mass": " kg/m^2",
          "porosity_by_depth": _DOWN, "fractions_by_depth": _DOWN}


def _density(text: str) -> tuple[str, float]:
    """Region pattern and density in kg/m^3 of ``host_*=8.96 g/cm^3`` or ``host_*=Cu``."""
    from fem.materials import solid
    from fem.values.units import parse_quantity

    region, _, value = text.partition("=")
    if not region or not value:
        raise CaseError(f"--density {text!r}: write REGION=VALUE, as 'host_*=8.96 g/cm^3'")
    if value[0].isdigit():
        try:
            return region, parse_quantity(value, "kg/m^3")
        except ValueError as error:
            raise CaseError(f"--density {text!r}: {error}") from None
    found = solid(value)
    if not found.has("density"):
        raise CaseError(f"--density {text!r}: the library has no density of {value}; give a "
                        "quantity, as '8.96 g/cm^3'")
    return region, float(found.density)


def _case_densities(case: Any) -> dict[str, float]:
    """Densities of the case's solids by region pattern, where they are known."""
    from fem.materials import Solid, material

    found = {}
    for region, entry in case.regions.items():
        filling = material(entry.material, case.fillings) if entry.material else None
        if isinstance(filling, Solid) and filling.has("density"):
            found[region] = float(filling.density)
    return found


def _gallery(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--family", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--hosts", action="store_true", help="the published hosts instead")
    parser.epilog = "example:\n  hostplate gallery --out gallery"
    parser.set_defaults(call=_do_gallery)


def _do_gallery(options: argparse.Namespace) -> None:
    from geometries.inspection.gallery import gallery, named

    if not options.hosts:
        files = gallery(options.out, options.family)
    elif options.family:
        raise CaseError(
            "--family selects among the families, --hosts draws the hosts; use one of them"
        )
    else:
        from fem.case.hosts import published

        files = named(published(), options.out)
    for file in files:
        print(file, flush=True)


def _with_unit(name: str, value: Any) -> str:
    """An entry of the report in words; where there is nothing, without a unit."""
    if name == "host_mass" and value == {}:
        return "none (no density is known; --density REGION=VALUE gives one)"
    if name == "pore_size" and value is not None:
        return _pore_sizes(value)
    if name == "floating_conductors" and value:
        return _bodies(value)
    if name == "by_region":
        from fem.values.units import shown_length

        value = {n: row | {"edge": shown_length(row["edge"], 4)} for n, row in value.items()}
    if name == "capacity" and value is not None:
        return f"{value / 36000.0:.4g} mAh/cm^2"
    text = _number(value)
    return text if text == "none" else f"{text}{_UNITS.get(name, '')}"


def _bodies(bodies: list[dict[str, Any]]) -> str:
    """Regions and place of each body."""
    from fem.values.units import shown_point

    found = [f"{', '.join(body['regions'])} at {shown_point(body['centre'])}" for body in bodies]
    return f"the largest: {'; '.join(found)}"


def _pore_sizes(sizes: dict[str, Any]) -> str:
    """Pore diameters as lengths are shown, and the shares of the pore volume between the edges."""
    from fem.values.units import shown_length

    shown = {
        "shares": _number(sizes["shares"]),
        "edges": f"{_number([1e6 * edge for edge in sizes['edges']])} um",
    }
    return ", ".join(f"{k} {shown.get(k) or shown_length(size, 4)}" for k, size in sizes.items())


def _number(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_number(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return " ".join(_number(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
