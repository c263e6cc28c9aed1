"""Commands that say what decides in a result, and that write its report."""

from __future__ import annotations

import argparse
from pathlib import Path


def _report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder of a finished run")
    parser.add_argument("--out", type=Path, help="the file; default report.html in the folder")
    parser.epilog = "example:\n  hostplate report results/trilayer_cg"
    parser.set_defaults(call=_do_report)


def _do_report(options: argparse.Namespace) -> None:
    from fem.run.report import report

    print(report(options.folder, options.out))


def _why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder")
    parser.add_argument("--only", action="append", default=[], metavar="INGREDIENT",
                        help="to be switched off; may be repeated; default the first five "
                        "(--run: three)")
    parser.add_argument("--run", action="store_true",
                        help="run the case anew for each combination, not one solve of its start")
    parser.epilog = (
        "examples:\n"
        "  hostplate why results/trilayer_cg\n"
        "  hostplate why results/trilayer_cg --only barriers --only kinetics\n"
        "  hostplate why results/mine --run --only 'geometry fibre_diameter'"
    )
    parser.set_defaults(call=_do_why)


def _do_why(options: argparse.Namespace) -> None:
    from fem.run.why import table, why

    found = why(options.folder, only=options.only, whole=options.run, quiet=False)
    print("\n".join(table(found)))
