"""The wheel: what is inside, and that it runs a case by name from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fem.base import provenance

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "scripts" / "cases").glob("*.toml"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("hostplate-*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Paths of all files inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder into which the wheel was installed (of a pure wheel: unpacked)."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("kind", ["cases", "hosts"])
def test_every_case_and_host_is_inside(names: set[str], kind: str) -> None:
    """Whatever the catalogue holds is package data."""
    folder = ROOT / "scripts" / kind
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    ours = {f"fem/{kind}/{name}" for name in files if "__pycache__" not in name}
    assert ours
    assert ours == {name for name in names if name.startswith(f"fem/{kind}/")}


def test_material_library_is_inside(names: set[str]) -> None:
    """Every data file of the packages goes with them."""
    data = {
        path.relative_to(ROOT).as_posix()
        for package in ("fem", "geometries")
        for path in (ROOT / package).rglob("*.toml")
    }
    assert any("library" in name for name in data)
    assert data <= names


def test_nothing_else_is_inside(names: set[str]) -> None:
    """Only the two packages and the metadata: no tests, caches or results."""
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"fem", "geometries"}
    assert not [name for name in names if "__pycache__" in name]
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "fem").rglob("*.py")}
    assert modules <= names


def test_the_commit_is_inside(wheel: Path, installed: Path) -> None:
    """A wheel names the commit of the checkout it was built from."""
    known = provenance.commit()
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("fem/_commit.txt").decode().strip() == known
    asked = "from fem.base import provenance; print(provenance.commit())"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=installed, env={**os.environ, "PYTHONPATH": "."},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == known


def test_command_and_licence(wheel: Path) -> None:
    """The console script and the licence are declared."""
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {n.split("/")[0] for n in archive.namelist() if ".dist-info/" in n}
        assert "hostplate = fem.cli.main:main" in archive.read(f"{info}/entry_points.txt").decode()
        assert "MIT License" in archive.read(f"{info}/licenses/LICENSE").decode()


def call(installed: Path, cwd: Path, *args: str, timeout: float) -> str:
    """Output of the installed command, started in `cwd` where there is no checkout."""
    code = (
        "import sys, fem, geometries\n"
        f"assert fem.__file__.startswith({str(installed)!r}), fem.__file__\n"
        "from fem.cli.main import main\n"
        "sys.exit(main())"
    )
    environment = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_installed_wheel_lists_the_catalogue(installed: Path, tmp_path: Path) -> None:
    """Every case is found by name without a checkout."""
    answer = call(installed, tmp_path, "list", timeout=30)
    assert [case.stem for case in CASES if case.stem not in answer] == []
    assert not list(tmp_path.iterdir())


def test_installed_wheel_runs_a_case(installed: Path, tmp_path: Path) -> None:
    """One case of the catalogue runs by name in an empty folder, and writes only into its own."""
    call(installed, tmp_path, "run", "limiting_current", "--out", "result", timeout=240)
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert any((tmp_path / "result").iterdir())


def test_cli_of_checkout_and_wheel_agree(
    installed: Path, tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A checkout and an installed wheel offer the same cases."""
    assert run_cli("list", cwd=tmp_path).stdout == call(installed, tmp_path, "list", timeout=30)
