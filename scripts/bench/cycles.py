"""Hundreds of cycles of a 1D cell: time, and memory on the way.

    python scripts/bench/cycles.py results/cycles [CASE] [--cycles 500]

By default case `anode_free_ledger`. The first line is the command that does the same again. Every
time that another 50 cycles are over, CPU seconds so far and the largest resident memory so far are
printed; memory that does not grow stays as it was after the first 50.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import command  # type: ignore[import-not-found]
from fem import Case
from fem.run import in_time

#: Cycles between two lines.
EVERY = 50


def watch(started: float) -> None:
    """Print a line whenever another `EVERY` cycles begin."""
    enter: Any = in_time.InTime._enter
    reported = {0}

    def noted(run: Any, number: int) -> None:
        done = max(run.segments[number].cycle - 1, 0)
        if done % EVERY == 0 and done not in reported:
            reported.add(done)
            line(done, started)
        enter(run, number)

    in_time.InTime._enter = noted  # type: ignore[method-assign, assignment]


def line(cycles: int, started: float) -> None:
    """CPU seconds and memory after so many cycles."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = time.process_time() - started
    print(f"{cycles} cycles: {spent:.1f} s of CPU, {most:.1f} MB", flush=True)


def main() -> None:
    """Run the case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("case", nargs="?", default="anode_free_ledger")
    parser.add_argument("--cycles", type=int, default=500)
    options = parser.parse_args()
    arguments = options.folder, options.case, "--cycles", options.cycles
    print(f"$ {command('cycles', arguments)}", flush=True)
    overrides = [f"protocol.0.cycles={options.cycles}", "output.figures=false"]
    case = Case.load(options.case, overrides=overrides)
    started = time.process_time()
    watch(started)
    result = case.run(options.folder, overwrite=True)
    line(options.cycles, started)
    print(f"{result.summary['steps']} steps, closures {result.summary['closures']}")


if __name__ == "__main__":
    main()
