"""The documentation site: pages of docs/ and pages made from the code, built by Sphinx.

    python scripts/docs.py                   # into build/site; open build/site/html/index.html
    python scripts/docs.py --out /tmp/site

A warning is an error. Pages made here: the theory manual (from docs/physics), the materials (from
the library), the families (from their models), the cases (from the headers of their files), the
case format and the commands. A new physics, case, family or material needs no line here.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

#: Pages beside docs/ that pages of docs/ lead to; they keep their paths.
BESIDE = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "tests/full-results.md",
    "tests/verification/README.md",
)
#: Sections of a page of docs/physics that the theory manual has, by the start of their headings.
THEORY = ("Equations", "How to read the pages")
#: Headings of kinds of the library in the order of the page; others follow under their own name.
KINDS = {
    "metal": "Metals",
    "pair": "Kinetics of a metal on a surface",
    "electrolyte": "Electrolytes",
    "solid": "Solids",
    "separator": "Separators",
}
#: Openings of the pages that are made here.
OPENINGS = {
    "theory": """\
# Theory manual

Equations, signs and boundary conditions of all physics in one place, taken from their pages, which
also have the tables of a case, the data, the tests with the numbers they reach, and the limits. How
it all becomes one system: [architecture](architecture.md).""",
    "materials": """\
# Materials

The library has {total} numbers: {counts}. `checked`: two places that do not copy each other agree;
`cited`: one source; `assumed`: chosen by us, for the reason given. A case overrides any of them
([case format](case-format.md)), and a result names in its `case.toml` those that it used.""",
    "families": """\
# Families of hosts

A `family` of `[geometry]`, with its parameters. `hostplate list geometries NAME` prints the same,
`hostplate new mine.toml --family NAME` writes a case to start from, `hostplate inspect mine.toml
--png host.png` draws yours. Which contacts to take, cell sizes and imported meshes:
[hosts](geometries.md).""",
    "cases": """\
# Gallery of cases

{count} cases of the literature and of textbooks, as small as they may be. **Outcome** is what these
equations and the numbers beside them give, whether or not that is what was published; the test
that is named below it holds it. `hostplate run NAME` solves one, `hostplate new mine.toml --from
NAME` copies it.
""",
    "case-format": """\
# Case format

Every key of a case, with unit, default and meaning; `hostplate show schema` prints the same.
Quantities are strings with their unit; bare numbers are refused. `<n>` stands for the number of an
entry of a list, `<name>` for a name.
""",
}


def gather(source: Path) -> None:
    """Put all pages of the site into a folder."""
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for page in source.rglob("*.md"):
        page.write_text(_moved(page, source), encoding="utf-8")
    for name, lines in {
        "theory": theory(),
        "materials": materials(),
        "families": families(),
        "cases": cases(),
        "case-format": case_format(),
        "commands": commands(),
    }.items():
        (source / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _list_all(source)


def _list_all(source: Path) -> None:
    """Put pages that no list of contents names behind those of the index."""
    with (source / "physics" / "README.md").open("a", encoding="utf-8") as physics:
        physics.write("\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n")
    index = source / "index.md"
    text = index.read_text(encoding="utf-8")
    found = (page.relative_to(source).with_suffix("").as_posix() for page in source.rglob("*.md"))
    more = [name for name in sorted(found) if name != "index" and not name.startswith("physics/")
            and f"\n{name}\n" not in text]  # fmt: skip
    if more:
        listed = "\n".join(more)
        text += f"\n```{{toctree}}\n:caption: More\n:maxdepth: 1\n\n{listed}\n```\n"
        index.write_text(text, encoding="utf-8")


def _moved(page: Path, source: Path) -> str:
    """The text of a page whose links lead to where pages stand in the site: docs/ is its root."""
    text = page.read_text(encoding="utf-8")
    inside = page.relative_to(source).as_posix()
    if inside in BESIDE:
        return re.sub(r"\]\(((?:\.\./)*)docs/", r"](\1", text)
    depth = inside.count("/")  # a link that leaves docs/ goes one folder less far up
    return text.replace("](" + "../" * (depth + 1), "](" + "../" * depth)


# -- pages made from the code ----------------------------------------------------------------------


def theory() -> Iterator[str]:
    """All equations, signs and boundary conditions, as the pages of the physics have them."""
    pages = sorted((ROOT / "docs" / "physics").glob("*.md"), key=_order)
    yield OPENINGS["theory"]
    for page in pages:
        title, sections = _sections(page.read_text(encoding="utf-8"))
        wanted = {name: text for name, text in sections.items() if name.startswith(THEORY)}
        if not wanted:
            continue
        heading = "Conventions" if page.stem == "README" else title
        yield f"\n## {heading}\n"
        yield _inside_physics(sections[""].strip())
        for name, text in wanted.items():
            if page.stem != "README":
                yield f"\n### {title}: {name.lower()}\n"
            yield _inside_physics(text.strip("\n"))
        yield f"\nMore: [{title.lower()}](physics/{page.name})."


def _order(page: Path) -> tuple[int, str]:
    """Conventions come first, then physics in the order of the index."""
    index = (ROOT / "docs" / "physics" / "README.md").read_text(encoding="utf-8")
    place = index.find(f"({page.name})")
    return (-1 if page.stem == "README" else place if place >= 0 else len(index)), page.stem


def _sections(text: str) -> tuple[str, dict[str, str]]:
    """Title of a page, and its sections by heading; what stands before the first has none."""
    title, _, rest = text.partition("\n")
    found = {"": ""}
    name = ""
    for line in rest.splitlines():
        if match := re.fullmatch(r"## (.+)", line):
            name = match[1]
            found[name] = ""
        else:
            found[name] += line + "\n"
    return title.removeprefix("# ").strip(), found


def _inside_physics(text: str) -> str:
    """Text of docs/physics whose links start one folder further up."""
    text = re.sub(r"\]\((?!\.\./|https?:|#)", "](physics/", text)
    return text.replace("](../../", "](").replace("](../", "](")


def materials() -> Iterator[str]:
    """Every number of the library with its unit, status and source."""
    from fem.materials import library

    counts = library.status_counts()
    shown = ", ".join(f"{n} {status}" for status, n in counts.items())
    yield OPENINGS["materials"].format(total=sum(counts.values()), counts=shown)
    everything = library.rows()
    kinds = dict.fromkeys([*KINDS, *(row[0] for row in everything)])
    for kind in kinds:
        heading = KINDS.get(kind, f"{kind.capitalize()}s")
        yield f"\n## {heading}\n"
        for name in library.names(kind):
            yield f"\n### {name}\n"
            yield "| datum | value | status | source |\n|---|---|---|---|"
            for of_kind, of, datum, given, unit, about, status in everything:
                if (of_kind, of) == (kind, name):
                    value = given if any(c.isalpha() for c in given) else f"{given} {unit}".strip()
                    yield f"| `{datum}` | {_cell(value)} | {status} | {_cell(about)} |"


def families() -> Iterator[str]:
    """Every family of geometries: picture, parameters, ranges, defaults, meanings."""
    from geometries.description import parameters
    from geometries.registry import families as known
    from geometries.registry import model

    yield OPENINGS["families"]
    for family in known():
        text = importlib.import_module(f"geometries.builders.{family}").__doc__ or ""
        yield f"\n## {family}\n"
        yield _cell(text.strip().splitlines()[0])
        if (ROOT / "docs" / "families" / f"{family}.png").is_file():
            yield f"\n![{family}](families/{family}.png)"
        yield "\n| parameter | kind | range | default | meaning |\n|---|---|---|---|---|"
        for p in parameters(model(family)):
            default = p.default if p.default != "" else "optional"
            cells = (p.kind, p.limits, default, p.meaning)
            yield f"| `{p.path}` | {' | '.join(_cell(cell) for cell in cells)} |"


def cases() -> Iterator[str]:
    """The catalogue: each case with its source, what was assumed, what came out, and its test."""
    from fem.case.files import case_names, read_toml
    from tests.cases.headers import PARTS, parts

    named = case_names()
    yield OPENINGS["cases"].format(count=len(named))
    yield "| case | study | about |\n|---|---|---|"
    contents = {name: read_toml(path) for name, path in named.items()}
    for name, case in contents.items():
        study = case.get("study", "tertiary")
        yield f"| [{name}](#{name.lower()}) | {study} | {_cell(case['title'])} |"
    for name, path in named.items():
        text = path.read_text(encoding="utf-8")
        found = parts(text)
        yield f"\n## {name}\n"
        yield f"**{_prose(str(contents[name]['title']))}.** {_prose(_opening(text, PARTS))}"
        if (ROOT / "docs" / f"{name}.png").is_file():
            yield f"\n![{name}]({name}.png)"
        for part in PARTS:
            if part in found:
                yield f"\n**{part}**\n\n{_literal_where_set(found[part])}"


def _opening(text: str, parts: Iterable[str]) -> str:
    """Words of the header of a case before its first part."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#") or re.match(rf"# ({'|'.join(parts)})\b(?=.*:)", line):
            break
        lines.append(line[1:].strip())
    return " ".join(lines).strip()


def _literal_where_set(text: str) -> str:
    """Paragraphs of a header; those that are set in columns keep their form."""
    shown = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        first, rest = (
            lines[0].strip(),
            [line[1:] if line[:1] == " " else line for line in lines[1:]],
        )
        if any(re.search(r"\S {2,}\S|^ {2,}\S|--set", line) for line in [first, *rest]):
            body = "\n".join(line.rstrip() for line in [first, *rest])
            shown.append(f"```text\n{body}\n```")
        else:
            shown.append(_prose(" ".join([first, *(line.strip() for line in rest)])))
    return "\n\n".join(shown)


def case_format() -> Iterator[str]:
    """Every key of a case file, as `hostplate show schema` prints it."""
    from fem.case.schema import schema_text

    yield OPENINGS["case-format"]
    yield "| key | kind, unit, default | meaning |\n|---|---|---|"
    lines = schema_text().splitlines()
    for head, meaning in zip(lines[::2], lines[1::2], strict=True):
        key, kind = re.split(r"\s{2,}", head, maxsplit=1)
        yield f"| `{key}` | {_cell(kind)} | {_cell(meaning.strip())} |"


def commands() -> Iterator[str]:
    """Every command with its help, as the terminal shows it."""
    from fem.cli.main import COMMANDS, main

    def shown(*words: str) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([*words, "--help"])
        return said.getvalue().strip()

    yield "# Commands\n"
    yield f"```text\n{shown()}\n```"
    for name, _, _ in COMMANDS:
        yield f"\n## hostplate {name}\n\n```text\n{shown(name)}\n```"


# -- words of Markdown -----------------------------------------------------------------------------


def _prose(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return re.sub(r"([\\*_`<>|\[\]#$])", r"\\\1", text)


def _cell(text: object) -> str:
    """Text of a cell of a table; what stands in back quotes is code."""
    pieces = re.split(r"(`[^`|]*`)", " ".join(str(text).split()))
    return "".join(p if p.startswith("`") else _prose(p) for p in pieces)


# -- build -----------------------------------------------------------------------------------------


def build(out: Path, *options: str) -> int:
    """Gather the pages and build the site, with more options of Sphinx; its exit code."""
    from sphinx.cmd.build import main as sphinx

    shutil.rmtree(out / "source", ignore_errors=True)
    shutil.rmtree(out / "html", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    gather(out / "source")
    return sphinx(
        [
            "-W",
            "--keep-going",
            "-q",
            "-b",
            "html",
            "-d",
            str(out / "trees"),
            *options,
            str(out / "source"),
            str(out / "html"),
        ]
    )


def main() -> int:
    """Build the site that the command line asks for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    out: Path = parser.parse_args().out.resolve()
    code = build(out)
    if not code:
        print(out / "html" / "index.html")
    return code


if __name__ == "__main__":
    sys.exit(main())
