"""Command that compares results: numbers, metrics, curves and maps on one scale."""

from __future__ import annotations

import argparse
from pathlib import Path

from fem.base.errors import CaseError
from fem.cli.arguments import duration


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", type=Path, nargs="+", metavar="A",
        help="result folders, and csv files of measurements or of other programs",
    )
    parser.add_argument("--out", type=Path, help="folder of figures; none are drawn without")
    parser.add_argument(
        "--converged", type=Path, metavar="FOLDER",
        help="answer of `hostplate converge`: differences below 3 times its error are none",
    )
    parser.add_argument("--against", choices=("t", "charge"), default="t",
                        help="what curves are drawn against; default t")
    parser.add_argument("--field", action="append", default=[], help="to map; default all")
    parser.add_argument("--time", type=duration, help="time of the maps; default the last")
    parser.add_argument(
        "--format", choices=("png", "pdf", "svg"), default="png", help="file format; default png"
    )
    parser.epilog = (
        "examples:\n"
        "  hostplate compare results/coarse results/fine --converged results/coarse_converge\n"
        "  hostplate compare results/mine measured.csv --out figures --against charge"
    )
    parser.set_defaults(call=_do_compare)


def _do_compare(options: argparse.Namespace) -> None:
    from fem.contract.registry import with_own
    from fem.results.comparison import compare, errors
    from fem.results.measured import read_measured
    from fem.results.result import Result

    folders = [path for path in options.what if path.is_dir() or path.suffix.lower() not in
               (".csv", ".txt", ".dat", ".tsv")]
    measured = [read_measured(path) for path in options.what if path not in folders]
    if not folders:
        raise CaseError("compare: name a result folder")
    results = [Result(folder) for folder in folders]
    error = None if options.converged is None else errors(options.converged)
    if len(folders) > 1 or not measured:
        print("\n".join(compare(folders, error, with_own().unit)))
    if measured:
        from fem.post.overlay import away

        for folder, result in zip(folders, results, strict=True):
            for other in measured:
                for name in ("voltage", "current_density"):
                    found = away(result.series, other, name)
                    if found:
                        unit = result.units[name]
                        print(f"{folder} against {other.name}: {name} differs by "
                              f"{found['rms']:.4g} {unit} (rms), {found['largest']:.4g} {unit} at "
                              f"most, at {found['points']:.0f} points")
    if options.out is not None:
        from fem.post.overlay import overlay

        names = [path.name or str(path) for path in (folder.resolve() for folder in folders)]
        for file in overlay(results, names, measured, options.out, kind=options.format,
                            against=options.against, fields=options.field, t=options.time):
            print(file)
