"""Command that runs many changes of a case."""

from __future__ import annotations

import argparse
from pathlib import Path

from fem.base.errors import RunError
from fem.cli.arguments import hooks_argument


def _sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", help="case file, or name of a case of the catalogue")
    parser.add_argument(
        "--set", dest="axes", metavar="PATH=V1,V2", action="append", default=[],
        help="values of an entry; several make a grid; one value changes all points",
    )
    parser.add_argument(
        "--range", dest="ranges", metavar="PATH=LOW,HIGH[,log]", action="append", default=[],
        help="of an entry, of which --latin takes points; may be repeated",
    )
    parser.add_argument("--latin", type=int, default=0, metavar="N",
                        help="points of a Latin hypercube in the ranges")
    parser.add_argument("--sample-seed", type=int, default=1, metavar="K",
                        help="of the hypercube; default 1")
    parser.add_argument("--seeds", default="", metavar="1:5", help="of the geometry")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--out", type=Path, help="folder; default results/<case>_sweep")
    parser.add_argument("--plot", action="append", default=[], metavar="NUMBER",
                        help="of the table, such as metrics.gini; may be repeated")
    parser.add_argument("--again", action="store_true", help="run failed points once more")
    hooks_argument(parser)
    parser.epilog = (
        "examples:\n"
        "  hostplate sweep sand --set protocol.0.current_density='1 mA/cm^2,2 mA/cm^2' --jobs 2\n"
        "  hostplate sweep mine.toml --set regions.host_mat.sigma='1 S/m,10 S/m' --seeds 1:5\n"
        "  hostplate sweep mine.toml --range regions.host_mat.sigma='1 S/m,1e4 S/m,log' \\\n"
        "      --range protocol.0.current_density='1 mA/cm^2,5 mA/cm^2' --latin 20\n"
        "  sbatch --array=0-19 --wrap \"hostplate sweep mine.toml --seeds 1:100\"   # Slurm\n"
        "The same command goes on where it was stopped, and writes table and figures."
    )
    parser.set_defaults(call=_do_sweep)


def _do_sweep(options: argparse.Namespace) -> int:
    from fem.case.case import Case
    from fem.post.sweep import draw_sweep
    from fem.run.sweep import (
        FAILED,
        axes_of,
        gather,
        latin,
        left,
        points,
        ranges_of,
        share,
        sweep,
    )

    axes, ranges = axes_of(options.axes, options.seeds), ranges_of(options.ranges)
    sample = latin(ranges, options.latin, options.sample_seed) if ranges or options.latin else []
    case = Case.load(options.case, (), hooks=options.hooks)
    folder = options.out or Path("results") / f"{Path(options.case).stem}_sweep"
    part = share(len(points(axes)) * max(len(sample), 1))
    if options.again and part is None and (folder / "sweep.json").exists():
        for row in gather(folder):
            if row["status"] == FAILED:
                (folder / "rows" / f"{Path(row['folder']).name}.json").unlink()
    command = ["sweep", options.case, "--out", str(folder), *["--hooks"] * options.hooks]
    command += [f"--set={text}" for text in options.axes]
    command += [f"--range={text}" for text in options.ranges]
    command += [f"--latin={options.latin}", f"--sample-seed={options.sample_seed}"] * bool(sample)
    command += [f"--seeds={options.seeds}"] * bool(options.seeds)
    rows = sweep(case, axes, folder, sample=sample, jobs=options.jobs, part=part, again=command,
                 quiet=False, hooks=options.hooks)
    missing, failed = len(list(left(folder))), sum(row["status"] == FAILED for row in rows)
    print(f"{len(rows)} points in {folder / 'sweep.csv'}, {failed} failed, {missing} to come")
    if part is None:
        for file in draw_sweep(folder, rows, options.plot):
            print(file)
    nothing = part is None and bool(rows) and failed == len(rows)
    return RunError.exit_code if nothing else 0
