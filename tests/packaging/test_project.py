"""The parts of a project beside its code: citation, addresses, licence, types, templates, image."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fem.case.case import Case
from fem.case.files import find_case, read_toml

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WARM = (ROOT / "scripts" / "batch" / "warm").read_text()
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def labels() -> dict[str, str]:
    """Labels of the image by the last part of their names."""
    return dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', DOCKERFILE))


def test_citation_has_what_version_1_2_0_of_the_format_requires() -> None:
    """The four required keys are there, and none that the format does not know."""
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["message"] and CITATION["title"] and CITATION["authors"]
    known = {"abstract", "keywords", "license", "repository-code", "type", "url", "version"}
    assert set(CITATION) <= {"cff-version", "message", "title", "authors"} | known
    assert all(set(author) <= {"name", "given-names", "family-names", "orcid", "affiliation"}
               for author in CITATION["authors"])  # fmt: skip


def test_citation_project_and_image_say_the_same() -> None:
    """Version, licence (an SPDX expression), authors and addresses stand in three files."""
    found, urls = labels(), PROJECT["urls"]
    assert str(CITATION["version"]) == PROJECT["version"] == found["version"]
    assert CITATION["license"] == PROJECT["license"] == found["licenses"] == "MIT"
    assert [a["name"] for a in CITATION["authors"]] == [a["name"] for a in PROJECT["authors"]]
    assert found["authors"] == PROJECT["authors"][0]["name"]
    assert CITATION["url"] == urls["Homepage"]
    assert CITATION["repository-code"] == urls["Repository"] == found["source"]
    assert {"Documentation", "Issues", "Changelog"} <= set(urls)
    assert found["revision"] == "$HOSTPLATE_COMMIT"
    assert found["base.name"].endswith(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)[-1])


@pytest.mark.parametrize("package", ["fem", "geometries"])
def test_types_are_offered(package: str) -> None:
    """Type checkers read annotations of packages with this file only."""
    assert (ROOT / package / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_issue_template_is_a_form(path: Path) -> None:
    """Every field has an id of its own and a label; at least one must be filled in."""
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        assert set(form) <= {"blank_issues_enabled", "contact_links"}
        return
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 2
    assert all(field["attributes"]["label"] for field in form["body"])
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_conda_environment_is_that_of_the_extra_system() -> None:
    """Names and bounds agree with pyproject.toml; that nobody has tried it stands at its top."""
    path = ROOT / "scripts" / "environment.yml"
    assert "# UNTRIED" in path.read_text()
    bounds = dict(
        text.partition(" ")[::2] for text in yaml.safe_load(path.read_text())["dependencies"]
    )
    names = {"matplotlib": "matplotlib-base"}
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["system"]]
    for text in asked:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", text).groups()  # type: ignore[union-attr]
        assert bounds[names.get(name, name)] == bound, text


def test_image_warms_2d_3d_growth_and_nucleation() -> None:
    """The image compiles small cases of each, all of which are cases that the checks accept."""
    assert re.search(r"^RUN warm /tmp/warm", DOCKERFILE, re.M)
    assert "!scripts/batch/warm" in (ROOT / ".dockerignore").read_text()
    kinds = set()
    for name, rest in re.findall(r"^short (\w+)(.*)$", WARM, re.M):
        case = Case.load(name, re.findall(r'--set (\S+="[^"]+")', rest))
        written = read_toml(find_case(name))
        kinds.add((case.study, written["geometry"].get("dimension", 2), "nuclei" in written))
    assert {("tertiary", 2, False), ("tertiary", 3, False), ("growth", 2, True),
            ("growth", 2, False), ("growth", 3, False)} <= kinds  # fmt: skip
