"""The command line: ``hostplate COMMAND ...``; each command is imported only when called.

Exit codes: 0 done, 1 configuration or input, 2 solver or runtime, 3 interrupted but resumable.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from fem.base import provenance
from fem.base.errors import CaseError, HostplateError, Interrupted, RunError, nearest
from fem.base.parallel import abort, refusal

#: name, help, "module:function". The function receives the command's parser, adds its arguments
#: and sets ``call``, which gets the parsed arguments and returns an exit code (None is 0).
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("new", "copy a case of the catalogue, with its comments, to start from", "fem.cli.main:_new"),
    ("list", "cases, hosts, geometries, materials and physics", "fem.cli.main:_list"),
    ("show", "a case with all defaults, or the case format itself", "fem.cli.main:_show"),
    ("check", "all problems of a case at once; writes nothing", "fem.cli.main:_check"),
    ("mesh", "build the mesh of a case into a folder", "fem.cli.main:_mesh"),
    ("inspect", "numbers and a picture of a mesh", "fem.cli.main:_inspect"),
    ("gallery", "every kind of geometry at small size, with pictures", "fem.cli.main:_gallery"),
    ("run", "solve a case", "fem.cli.main:_run"),
    ("resume", "go on from the last checkpoint of a run", "fem.cli.main:_resume"),
    (
        "converge",
        "three meshes and three time tolerances: observed orders",
        "fem.cli.main:_converge",
    ),
    ("compare", "numbers of two results side by side", "fem.cli.main:_compare"),
    ("post", "draw the figures of a result again", "fem.cli.main:_post"),
    ("view", "open the fields of a result in ParaView", "fem.cli.main:_view"),
)

#: Seconds a failing rank waits for the others to fail alike before it ends the job.
_PATIENCE = 5.0

_START = """
start here:
  hostplate list                        what there is
  hostplate run sand                    solve a case of the catalogue into results/sand
  hostplate new mine.toml --from trilayer_cg   copy a case to start from
  hostplate check mine.toml             before it goes to a cluster
  hostplate run mine.toml --ranks 4 --set protocol.0.current_density="2 mA/cm^2"

exit codes: 0 done, 1 input, 2 solver or runtime, 3 interrupted but resumable
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """A wrong option is wrong input: exit code 1, not argparse's 2."""
        self.print_usage(sys.stderr)
        self.exit(CaseError.exit_code, f"{self.prog}: {message}\n")


ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Set to 1 unless they are set: short dot products with threads cost twice the time they save."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if argv is None:
        _speak_utf8()
    arguments = list(sys.argv[1:] if argv is None else argv)
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    try:
        _check_names(arguments)
        provenance.note_command(arguments)
        options = _parse(arguments)
        code = int(options.call(options) or 0)
        sys.stdout.flush()  # a pipe that was closed shows here, not when Python ends
        return code
    except HostplateError as error:
        return _leave(error)
    except KeyboardInterrupt:
        sys.stderr.write("hostplate: interrupted\n")
        return 3
    except BrokenPipeError:  # `hostplate show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        alone = sys.excepthook is sys.__excepthook__ and not os.environ.get("HOSTPLATE_DEBUG")
        if isinstance(error, OSError) and alone:  # a file that the machine refuses
            sys.stderr.write(f"hostplate: {refusal(error)}\n")
            return 2
        # A fault of the program: the hook of a parallel run ends all ranks.
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return 2


def _speak_utf8() -> None:
    """Start again in UTF-8 if the locale gives file names another encoding, such as ASCII.

    Case files are UTF-8 and name files; PYTHONUTF8=0 with LC_ALL=C could not open those.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        sys.stdout.flush()
        environment = os.environ | {"PYTHONUTF8": "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    for stream in (sys.stdout, sys.stderr):  # PYTHONIOENCODING may know fewer letters still
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_names(arguments: Sequence[str]) -> None:
    """Refuse names that are not UTF-8.

    Raises:
        CaseError: an argument, or the folder where the command was started; or that one is gone.
    """
    from fem.base.paths import refuse_other_than_utf8

    for text in arguments:
        refuse_other_than_utf8(text)
    try:
        refuse_other_than_utf8(os.getcwd(), "the folder ")
    except FileNotFoundError:
        raise CaseError("the folder where you are was removed; go to another one") from None


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="hostplate",
        description="Metal plating and stripping in porous 3D hosts, by finite elements.",
        epilog=_START,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    names = [name for name, _, _ in COMMANDS]
    if asked is not None and asked not in names:
        parser.error(f"no command {asked!r}; {nearest(asked, names)}")
    for name, text, target in COMMANDS:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == asked:
            module, function = target.split(":")
            configure: Callable[[argparse.ArgumentParser], None]
            configure = getattr(importlib.import_module(module), function)
            configure(command)
    return parser.parse_args(arguments)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(f"hostplate {provenance.version()}")
        parser.exit(0)


def _leave(error: HostplateError) -> int:
    """Say what went wrong, once; in a parallel run leave no rank waiting for this one."""
    mpi = sys.modules.get("mpi4py.MPI")
    message = f"hostplate: {error}\n"
    if mpi is None or not mpi.Is_initialized() or mpi.Is_finalized() or mpi.COMM_WORLD.size == 1:
        sys.stderr.write(message)
        return error.exit_code
    comm = mpi.COMM_WORLD
    met, deadline = comm.Ibarrier(), time.monotonic() + _PATIENCE
    while not met.Test():
        if time.monotonic() > deadline:  # only some ranks failed
            sys.stderr.write(f"rank {comm.rank}: {message}")
            abort(comm, error.exit_code)
        time.sleep(0.01)
    if comm.rank == 0:
        sys.stderr.write(message)
    return error.exit_code


# ------------------------------------------------------------------------------- shared arguments


def _case_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", help="case file, or name of a case of the catalogue")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="change one value, e.g. protocol.0.duration='2 h'; may be repeated",
    )


def _hooks_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hooks", action="store_true", help="execute the Python that the case names in [hooks]"
    )


def _load(options: argparse.Namespace) -> Any:
    from fem.case.case import Case

    return Case.load(options.case, options.overrides)


def _load_host(options: argparse.Namespace) -> Any:
    from fem.case.hosts import load

    return load(options.case, options.overrides)


# --------------------------------------------------------------------------------------- commands


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="file to write")
    parser.add_argument(
        "--from",
        dest="name",
        metavar="CASE",
        required=True,
        help="case file, or name of a case of the catalogue (see `hostplate list cases`)",
    )
    parser.epilog = "example:\n  hostplate new mine.toml --from trilayer_cg"
    parser.set_defaults(call=_do_new)


def _do_new(options: argparse.Namespace) -> None:
    from fem.case.files import find_case, read_toml, tables_of

    source = find_case(options.name)
    target = options.file
    copies = [(source, target)]
    copies += [(source.parent / t, target.parent / t) for t in tables_of(read_toml(source))]
    taken = [str(copy) for _, copy in copies if copy.exists()]
    if taken:
        raise CaseError(
            f"{', '.join(taken)} already exists; nothing was written: choose another name"
        )
    try:
        for original, copy in copies:
            copy.parent.mkdir(parents=True, exist_ok=True)
            with copy.open("x", encoding="utf-8") as file:
                file.write(original.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaseError(f"{target} cannot be written: {error.strerror}") from None
    print(f"wrote {', '.join(str(copy) for _, copy in copies)}; next: hostplate check {target}")


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
    from geometries import families

    if options.name is not None:
        from fem.cli import listing

        full: dict[str, Callable[[str], Iterable[str]]] = {
            "cases": lambda name: listing.file_lines(name, case_names(), "case"),
            "hosts": lambda name: listing.file_lines(name, host_names(), "host"),
            "geometries": listing.geometry_lines,
            "materials": listing.material_lines,
            "physics": lambda name: [_study(name)],
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
        "physics": lambda: STUDIES,
    }
    for what, content in contents.items():
        if options.what in (None, what):
            rows = content()
            print(f"{what}:")
            width = max((len(name) for name in rows), default=0)
            for name, text in rows.items():
                print(f"  {name:{width}}  {text}".rstrip())


def _study(name: str) -> str:
    from fem.case.tables import STUDIES

    if name not in STUDIES:
        raise CaseError(f"no study {name!r}; {nearest(name, STUDIES)}")
    return f"{name}: {STUDIES[name]}"


def _materials() -> dict[str, str]:
    from fem.materials import names

    kinds = {"metal": "metals", "electrolyte": "electrolytes", "solid": "solids"}
    kinds |= {"separator": "separators", "pair": "pairs (metal/surface)"}
    return {title: ", ".join(names(kind)) for kind, title in kinds.items()}


def _show(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
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
        print(_load(options).recorded().to_toml(), end="")


def _check(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
    parser.epilog = (
        "Builds no mesh and writes nothing.\n\nexample:\n"
        "  hostplate check mine.toml && sbatch job.sh"
    )
    parser.set_defaults(call=_do_check)


def _do_check(options: argparse.Namespace) -> None:
    from fem.case.summary import summary

    print(summary(_load(options)))


def _mesh(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for mesh.msh, .xdmf, .json")
    parser.epilog = (
        "CASE may also be a host (see `hostplate list hosts`): a file with a [geometry].\n\n"
        "example:\n  hostplate mesh trilayer_cg --out mesh --set geometry.seed=7"
    )
    parser.set_defaults(call=_do_mesh)


def _do_mesh(options: argparse.Namespace) -> None:
    case = _load_host(options)
    sidecar = _build(case, options.out)
    regions = ", ".join(sidecar["regions"])
    print(f"{options.out}: {sidecar['cells']} cells, {sidecar['nodes']} nodes; regions {regions}")
    for text in sidecar.get("remarks", ()):
        print(f"warning: {text}")


def _build(case: Any, folder: Path) -> dict[str, Any]:
    import geometries

    geometry = case.sized_geometry
    if geometry is not None:
        return geometries.build(geometry["family"], geometry, folder)
    own = case.mesh
    names = {int(number): name for number, name in own.names.items()}
    return geometries.convert(
        Path(own.file), folder, unit=own.unit, names=names, axisymmetric=own.axisymmetric,
        refine=own.refine,
    )


def _inspect(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
    parser.add_argument("--png", type=Path, help="also draw the regions into this file")
    parser.add_argument("--plots", type=Path, help="also draw the numbers by depth into this file")
    parser.add_argument(
        "--density",
        metavar="REGION=VALUE",
        action="append",
        default=[],
        help="of solid regions, for the mass: 'host_*=8.96 g/cm^3' or 'host_*=Cu'; of a "
        "case, the densities of its materials are used where the library has them",
    )
    parser.add_argument("--metal", help="metal that fills the pores, for the capacity; default Li")
    parser.epilog = (
        "CASE may also be a host (see `hostplate list hosts`) or a mesh folder.\n\nexamples:\n"
        "  hostplate inspect mesh --png mesh.png --plots numbers.png --density 'host_*=Cu'\n"
        "  hostplate inspect trilayer_cg --set geometry.seed=7"
    )
    parser.set_defaults(call=_do_inspect)


def _do_inspect(options: argparse.Namespace) -> None:
    import tempfile

    import geometries

    densities = dict(_density(text) for text in options.density)
    with tempfile.TemporaryDirectory(prefix="hostplate-") as scratch:
        folder, metal = Path(options.case), options.metal
        if not folder.is_dir():
            case = _load_host(options)
            folder = Path(scratch)
            _build(case, folder)
            if hasattr(case, "metal"):
                densities = _case_densities(case) | densities
                metal = metal or case.metal
        elif options.overrides:
            raise CaseError("--set changes a case; the mesh folder is already built")
        report = geometries.inspect(folder, densities=densities, metal=metal or "Li")
        notes = report.pop("notes")
        for name, value in report.items():
            print(f"{name}: {_number(value)}{_UNITS.get(name, '')}")
        for text in notes:
            print(f"note: {text}")
        if options.png:
            print(f"wrote {geometries.draw(folder, options.png)}")
        if options.plots:
            print(f"wrote {geometries.plot(report, options.plots)}")


_UNITS = {"wall_area": " 1/m", "wall_area_by_depth": " 1/m", "pore_size": " m",
          "host_mass": " kg/m^2", "capacity": " C/m^2"}


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


def _number(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_number(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return " ".join(_number(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _run(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
    parser.add_argument("--out", type=Path, help="results folder; default results/<case>")
    parser.add_argument("--ranks", type=_rank_count, help="start this many MPI ranks")
    parser.add_argument(
        "--overwrite", action="store_true", help="move results in the folder aside first"
    )
    _hooks_argument(parser)
    parser.add_argument("--quiet", action="store_true", help="no line per step")
    parser.epilog = (
        "examples:\n"
        "  hostplate run sand\n"
        "  hostplate run mine.toml --ranks 4 --out results/mine\n"
        "  hostplate run mine.toml --set study=steady --set temperature='40 degC'"
    )
    parser.set_defaults(call=_do_run)


def _do_run(options: argparse.Namespace) -> int | None:
    case = _load(options)  # before any MPI: wrong input ends here
    folder = options.out or Path("results") / Path(options.case).stem
    if options.ranks:
        command = ["run", options.case, "--out", str(folder)]
        command += [f"--set={assignment}" for assignment in options.overrides]
        command += ["--overwrite"] * options.overwrite + ["--hooks"] * options.hooks
        return _launch(options.ranks, command + ["--quiet"] * options.quiet, folder)
    from fem.run.session import main_run

    return main_run(
        case, folder, overwrite=options.overwrite, hooks=options.hooks, quiet=options.quiet
    )


def _resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="results folder of the run")
    parser.add_argument("--ranks", type=_rank_count, help="start this many MPI ranks")
    _hooks_argument(parser)
    parser.add_argument("--quiet", action="store_true", help="no line per step")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="a new end, other output or solver options; the physics must stay",
    )
    parser.epilog = (
        "examples:\n"
        "  hostplate resume results/mine --ranks 4\n"
        "  hostplate resume results/mine --set protocol.0.duration='3 h'"
    )
    parser.set_defaults(call=_do_resume)


def _do_resume(options: argparse.Namespace) -> int | None:
    if not options.folder.is_dir():
        raise CaseError(f"no results folder {str(options.folder)!r}; start with `hostplate run`")
    if options.ranks:
        command = ["resume", str(options.folder), *["--hooks"] * options.hooks]
        command += ["--quiet"] * options.quiet
        command += [f"--set={text}" for text in options.overrides]
        return _launch(options.ranks, command, options.folder)
    from fem.run.session import main_resume

    return main_resume(
        options.folder, overrides=options.overrides, hooks=options.hooks, quiet=options.quiet
    )


def _converge(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
    parser.add_argument("--out", type=Path, help="folder; default results/<case>_converge")
    parser.add_argument("--ranks", type=_rank_count, help="start this many MPI ranks")
    parser.add_argument("--overwrite", action="store_true", help="move an earlier answer aside")
    _hooks_argument(parser)
    parser.add_argument(
        "--quick", action="store_true", help="sizes times 4, 2, 1 instead of 2, 1, 1/2"
    )
    parser.epilog = "example:\n  hostplate converge limiting_current --quick"
    parser.set_defaults(call=_do_converge)


def _do_converge(options: argparse.Namespace) -> int | None:
    case = _load(options)
    folder = options.out or Path("results") / f"{Path(options.case).stem}_converge"
    if options.ranks:
        command = ["converge", options.case, "--out", str(folder), *["--quick"] * options.quick]
        command += ["--overwrite"] * options.overwrite + ["--hooks"] * options.hooks
        command += [f"--set={text}" for text in options.overrides]
        return _launch(options.ranks, command, folder)
    from fem.run.converge import main_converge

    return main_converge(
        case, folder, quick=options.quick, overwrite=options.overwrite, hooks=options.hooks
    )


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", type=Path, help="a result folder")
    parser.add_argument("b", type=Path, help="another one")
    parser.epilog = "example:\n  hostplate compare results/coarse results/fine"
    parser.set_defaults(call=_do_compare)


def _do_compare(options: argparse.Namespace) -> None:
    from fem.results.comparison import compare

    print("\n".join(compare(options.a, options.b)))


def _post(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.add_argument(
        "--time", type=_duration, help="of the fields, such as '20 min'; default the last one"
    )
    parser.add_argument(
        "--format", choices=("png", "pdf", "svg"), default="png", help="default png"
    )
    parser.epilog = (
        "examples:\n"
        "  hostplate post results/sand\n"
        "  hostplate post results/sand --time '5 min' --format pdf"
    )
    parser.set_defaults(call=_do_post)


def _do_post(options: argparse.Namespace) -> None:
    from fem.post.figures import draw

    figures = options.folder / "figures"
    if figures.exists() and not figures.is_dir():
        raise CaseError(f"{figures}: is a file; move it away, a folder of that name is needed")
    files = draw(options.folder, t=options.time, kind=options.format)
    for file in files:
        print(file)
    if not files:
        raise CaseError(f"{options.folder}: no figure was drawn: nothing was written yet, or its "
                        "files are damaged; `hostplate resume` goes on with the run")


def _view(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a result folder, finished or not")
    parser.epilog = "example:\n  hostplate view results/sand"
    parser.set_defaults(call=_do_view)


def _do_view(options: argparse.Namespace) -> None:
    import subprocess

    from fem.results.result import Result

    blocks = Result(options.folder).blocks
    files = [str(options.folder / "fields" / f"{block}.xdmf") for block in blocks]
    if not files:
        raise CaseError(f"{options.folder}: no fields were written yet")
    where = "open these files with its reader `XDMF Reader`:\n" + "\n".join(files)
    viewer = shutil.which("paraview")
    if viewer is None:
        print(f"ParaView is not on PATH; {where}")
        return
    if not _has_display():
        raise RunError("view needs a display, and there is none (neither DISPLAY nor "
                       "WAYLAND_DISPLAY is set); `hostplate post` draws figures without one, and "
                       f"with ParaView on another machine {where}")
    sys.stdout.flush()
    code = subprocess.run([viewer, *files], check=False).returncode
    if code:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise RunError(f"ParaView ended {how}; if it cannot reach the display "
                       f"{os.environ.get('DISPLAY', '')!r}, on another machine {where}")


def _has_display() -> bool:
    """A screen that Qt could open: any but X and Wayland needs no name."""
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    return named or sys.platform == "darwin"


def _duration(text: str) -> float:
    """A time with its unit, s."""
    from fem.values.units import parse_quantity

    try:
        return parse_quantity(text, "s")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rank_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of ranks")
    return int(text)


def _launch(ranks: int, command: list[str], folder: Path) -> int:
    """Run a command under the mpirun that belongs to this Python; its exit code.

    Signals are passed on, once each: the job is a process group of its own, which the keyboard
    does not reach. If this process is killed, the job is asked to stop. A rank that is killed ends
    the job with an exit code of the launcher's; it becomes 2.
    """
    import subprocess

    under = next((n for n in ("PMI_RANK", "OMPI_COMM_WORLD_RANK") if n in os.environ), None)
    if under:
        raise CaseError(f"--ranks cannot be used inside an MPI job ({under} is set); leave it out")
    beside = [Path(sys.executable).with_name(name) for name in ("mpiexec", "mpirun")]
    launcher = next((str(path) for path in beside if path.exists()), None)
    launcher = launcher or shutil.which("mpiexec") or shutil.which("mpirun")
    if launcher is None:
        raise CaseError(
            f"no mpiexec or mpirun beside {sys.executable} or on PATH; install the solver"
        )
    environment = dict.fromkeys(ONE_THREAD, "1") | dict(os.environ)
    environment[provenance.TYPED] = provenance.command()
    sys.stdout.flush()
    full = [launcher, "-n", str(ranks), sys.executable, "-m", "fem.cli", *command]
    forwarded = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
    sent: list[int] = []
    before = {number: signal.signal(number, lambda n, _: sent.append(n)) for number in forwarded}
    try:
        with subprocess.Popen(full, env=environment, stdin=subprocess.DEVNULL, process_group=0,
                              preexec_fn=_die_with_parent) as job:

            def forward(number: int, _: object) -> None:
                sent.append(number)
                job.send_signal(number)

            for number in forwarded:
                signal.signal(number, forward)
            for early in tuple(sent):  # before the job was there
                job.send_signal(early)
            code = job.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code in (0, *(kind.exit_code for kind in (CaseError, RunError, Interrupted))):
        return code
    resumable = any((folder / "checkpoints").glob("state.*[0-9]"))
    way_out = (
        f"go on from the last checkpoint with `hostplate resume {folder} --ranks {ranks}`"
        if resumable else "no checkpoint had been written: start again"
    )
    if sent:
        raise Interrupted(f"stopped by signal {sent[0]}; {way_out}")
    raise RunError(
        f"a rank was killed before it could finish ({Path(launcher).name} ended with {code}): by "
        f"hand, by a batch system, or because the machine ran out of memory; {way_out}"
    )


def _die_with_parent() -> None:
    """In the child: ask for SIGTERM when the parent dies (Linux; elsewhere nothing happens)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))  # 1: PR_SET_PDEATHSIG
