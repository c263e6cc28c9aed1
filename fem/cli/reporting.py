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
                        help="to be switched off; may be repeated; default the first five")
    parser.epilog = (
        "examples:\n"
        "  hostplate why results/trilayer_cg\n"
        "  hostplate why results/trilayer_cg --only barriers --only kinetics"
    )
    parser.set_defaults(call=_do_why)


def _do_why(options: argparse.Namespace) -> None:
    from fem.run.why import table, why

    print("\n".join(table(why(options.folder, only=options.only, quiet=False))))
