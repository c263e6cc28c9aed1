"""Commands on cases: new, list, show, check."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Iterable
from pathlib import Path

from fem.base.errors import CaseError
from fem.cli.arguments import case_arguments, hooks_argument, load_case, loading


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="file to write")
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument(
        "--from",
        dest="name",
        metavar="CASE",
        help="copy this one: case file, or name of a case of the catalogue",
    )
    start.add_argument(
        "--family", help="write one around a family of hosts (see `hostplate list geometries`)"
    )
    parser.add_argument(
        "--dimension", type=int, choices=(2, 3), default=2, help="of --family; default 2, a cut"
    )
    parser.epilog = (
        "examples:\n"
        "  hostplate new mine.toml --family fibre_mat    a host of your own\n"
        "  hostplate new mine.toml --from trilayer_cg    a published case, with its comments"
    )
    parser.set_defaults(call=_do_new)


def _do_new(options: argparse.Namespace) -> None:
    from fem.case.files import find_case, read_toml, tables_of

    target: Path = options.file
    if options.family is not None:
        from fem.case.template import template

        text = template(options.family, options.dimension, target.name)
        _write_new({target: text})
        return
    source = find_case(options.name)
    copies = [(source, target)]
    copies += [(source.parent / t, target.parent / t) for t in tables_of(read_toml(source))]
    _write_new({copy: original.read_text(encoding="utf-8") for original, copy in copies})


def _write_new(texts: dict[Path, str]) -> None:
    """Write files that must not be there yet; the first is a case.

    Raises:
        CaseError: one is there, and nothing was written; or the disk refuses.
    """
    target = next(iter(texts))
    if taken := [str(path) for path in texts if path.exists()]:
        raise CaseError(
            f"{', '.join(taken)} already exists; nothing was written: choose another name"
        )
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise CaseError(f"{target} cannot be written: {error.strerror}") from None
    print(f"wrote {', '.join(map(str, texts))}; next: hostplate check {target}")


def _list(parser: argparse.ArgumentParser) -> None:
    kinds = ("cases", "hosts", "geometries", "materials", "physics")
    parser.add_argument("what", nargs="?", choices=kinds, help="only these; default all")
    parser.add_argument("name", nargs="?", help="one of them, in full")
    parser.epilog = (
        "examples:\n"
        "  hostplate list materials            names\n"
        "  hostplate list materials Cu         its numbers: unit, source, status; its pairs\n"
        "  hostplate list materials Li/Cu      kinetics of lithium on copper\n"
        "  hostplate list geometries fibre_mat its parameters: default, range, meaning"
    )
    parser.set_defaults(call=_do_list)


def _do_list(options: argparse.Namespace) -> None:
    from fem.case.files import case_names, host_names, read_toml
    from fem.case.tables import STUDIES
    from fem.contract.registry import with_own
    from geometries import families

    if options.name is not None:
        from fem.cli import listing

        full: dict[str, Callable[[str], Iterable[str]]] = {
            "cases": lambda name: listing.file_lines(name, case_names(), "case"),
            "hosts": lambda name: listing.file_lines(name, host_names(), "host"),
            "geometries": listing.geometry_lines,
            "materials": listing.material_lines,
            "physics": listing.physics_lines,
        }
        print("\n".join(full[options.what](options.name)))
        return

    def titles(files: dict[str, Path]) -> dict[str, str]:
        return {name: str(read_toml(path).get("title", "")) for name, path in files.items()}

    def geometries() -> dict[str, str]:
        modules = {n: importlib.import_module(f"geometries.builders.{n}") for n in families()}
        return {name: (m.__doc__ or "").strip().splitlines()[0] for name, m in modules.items()}

    contents: dict[str, Callable[[], dict[str, str]]] = {
        "cases": lambda: titles(case_names()),
        "hosts": lambda: titles(host_names()),
        "geometries": geometries,
        "materials": _materials,
        "physics": lambda: STUDIES | {p.name: p.doc for p in with_own().physics},
    }
    for what, content in contents.items():
        if options.what in (None, what):
            rows = content()
            print(f"{what}:")
            width = max((len(name) for name in rows), default=0)
            for name, text in rows.items():
                print(f"  {name:{width}}  {text}".rstrip())


def _materials() -> dict[str, str]:
    from fem.materials import names, status_counts

    kinds = {"metal": "metals", "electrolyte": "electrolytes", "solid": "solids"}
    kinds |= {"separator": "separators", "pair": "pairs (metal/surface)"}
    listed = {title: ", ".join(names(kind)) for kind, title in kinds.items()}
    counts = status_counts()
    shown = ", ".join(f"{number} {status}" for status, number in counts.items())
    return listed | {"numbers": f"{sum(counts.values())}: {shown}"}


def _show(parser: argparse.ArgumentParser) -> None:
    case_arguments(parser)
    parser.epilog = (
        "examples:\n"
        "  hostplate show trilayer_cg --set study=steady   the case as it would be solved\n"
        "  hostplate show schema                           every key: unit, default, meaning"
    )
    parser.set_defaults(call=_do_show)


def _do_show(options: argparse.Namespace) -> None:
    if options.case == "schema":
        from fem.case.schema import schema_text

        print(schema_text())
    else:
        print(load_case(options).recorded().to_toml(), end="")


def _check(parser: argparse.ArgumentParser) -> None:
    case_arguments(parser)
    hooks_argument(parser)
    parser.epilog = (
        "Builds no mesh and writes nothing; a mesh of your own is read, and kept in the cache.\n"
        "Without --hooks, tables of the physics in [hooks] are taken unread.\n\nexample:\n"
        "  hostplate check mine.toml && sbatch job.sh"
    )
    parser.set_defaults(call=_do_check)


def _do_check(options: argparse.Namespace) -> None:
    with loading():
        from fem.case.summary import summary

    print(summary(load_case(options)))
