"""The pictures of docs/, made by the product itself.

    python scripts/pictures.py                          # all of them: hours
    python scripts/pictures.py host_fill --ranks 2      # one; others: trilayer_cg, host_fill_3d,
    python scripts/pictures.py gallery hosts            # gallery, families (from it), hosts
    python scripts/pictures.py trilayer_cg --draw       # from runs that are there

Cases are run as they are into results/pictures/<case>; earlier runs are moved aside.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
DOCS = ROOT / "docs"

#: Picture -> figures that stand in it side by side, as (case, figure).
RUNS = {
    "trilayer_cg": (("trilayer_cg", "local_current"), ("trilayer_cg_3d", "local_current")),
    "host_fill": (("host_fill", "metal"),),
    "host_fill_3d": (("host_fill_3d", "metal"),),
}
#: Sheets of `hostplate gallery`, with its options.
SHEETS: dict[str, tuple[str, ...]] = {"gallery": (), "hosts": ("--hosts",)}


def hostplate(*words: str) -> None:
    """A command of this checkout; ends with its exit code if it fails."""
    done = subprocess.run([sys.executable, "-m", "fem.cli", *words], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def figure_of(case: str, figure: str, runs: Path, ranks: int, draw: bool) -> Path:
    """The file of a figure of a case, after a run of it unless only drawn."""
    folder = runs / case
    if not draw:
        case_file = str(ROOT / "scripts" / "cases" / f"{case}.toml")
        hostplate("run", case_file, "--out", str(folder), "--overwrite", "--ranks", str(ranks))
    hostplate("post", str(folder))
    return folder / "figures" / f"{figure}.png"


def side_by_side(files: list[Path], target: Path) -> None:
    """Pictures beside each other, as large as they are: letters keep their size."""
    from PIL import Image

    images: list[Any] = [Image.open(file).convert("RGB") for file in files]
    tall = max(image.height for image in images)
    sheet = Image.new("RGB", (sum(image.width for image in images), tall), "white")
    x = 0
    for image in images:
        sheet.paste(image, (x, (tall - image.height) // 2))
        x += image.width
    few = sheet if len(files) > 1 else sheet.quantize(255)  # a sheet of its own: half the size
    few.save(target, optimize=True)


def by_family(gallery: Path, target: Path) -> None:
    """A sheet for each family of a gallery."""
    from geometries.inspection.gallery import EXAMPLES, sheet

    target.mkdir(exist_ok=True)
    for family, examples in EXAMPLES.items():
        files = [gallery / f"{family}_{k + 1}_small.png" for k in range(len(examples))]
        titled = [(f"{e.get('dimension', 2)}D", f) for e, f in zip(examples, files, strict=True)]
        sheet(titled, target / f"{family}.png", columns=min(3, len(titled)))


def main() -> None:
    """Make the pictures named on the command line."""
    known = [*RUNS, *SHEETS]
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("picture", nargs="*", help=f"of {', '.join(known)}; default all")
    parser.add_argument("--ranks", type=int, default=1, help="MPI ranks of each run")
    parser.add_argument("--draw", action="store_true", help="from runs that are there")
    parser.add_argument("--runs", type=Path, default=ROOT / "results" / "pictures")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder; default docs/")
    options = parser.parse_args()
    wanted = options.picture or known
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"no picture {unknown[0]!r}; known: {', '.join(known)}")
    runs = options.runs.resolve()
    for name in wanted:
        target = options.out.resolve() / f"{name}.png"
        if name in RUNS:
            files = [figure_of(*one, runs, options.ranks, options.draw) for one in RUNS[name]]
            side_by_side(files, target)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                hostplate("gallery", "--out", scratch, *SHEETS[name])
                side_by_side([Path(scratch) / f"{name}.png"], target)
                if name == "gallery":
                    by_family(Path(scratch), target.parent / "families")
        print(target, flush=True)


if __name__ == "__main__":
    main()
