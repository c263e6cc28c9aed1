"""Command that writes the report of a result."""

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
