"""Case files on disk: finding them by name, reading, overriding, writing."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fem.base.errors import CaseError, nearest, not_text
from fem.base.paths import refuse_other_than_utf8


def case_names() -> dict[str, Path]:
    """The cases of the catalogue, name -> file; in a checkout as in an installed package."""
    return _shipped("cases")


def host_names() -> dict[str, Path]:
    """The hosts of the catalogue that have no case yet, name -> file."""
    return {name: path for name, path in _shipped("hosts").items() if name not in case_names()}


def _shipped(kind: str) -> dict[str, Path]:
    here = Path(__file__).resolve().parents[1]
    found: dict[str, Path] = {}
    for folder in (here / kind, here.parent / "scripts" / kind):
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def find_case(path_or_name: str | Path, known: Mapping[str, Path] | None = None) -> Path:
    """The file behind a path, or behind the name of a catalogue case.

    Args:
        path_or_name: of a file, or a name.
        known: names with their files; default the cases.

    Raises:
        CaseError: neither; names the nearest cases. Or a path that is not UTF-8.
    """
    text = str(path_or_name)
    refuse_other_than_utf8(Path(text).absolute())
    known = case_names() if known is None else known
    path = Path(text)
    try:
        if path.is_file():
            return path.absolute()
        if text in known:
            return known[text]
        if path.is_dir():
            raise CaseError(f"{text!r} is a folder, not a case file")
    except (OSError, ValueError):  # a name that no file system takes
        pass
    if path.suffix == ".toml" or len(path.parts) > 1:
        near = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        hint = f"; {nearest(path.name, near)}" if near else ""
        raise CaseError(f"case file {text!r} does not exist{hint}")
    if text in host_names():
        raise CaseError(f"{text!r} is a host, not a case: `hostplate mesh` and `inspect` accept "
                        f"it; to solve on it, copy its [geometry] from {host_names()[text]}")
    raise CaseError(f"no case {text!r} in the catalogue; {nearest(text, known)}")


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        CaseError: unreadable, or not TOML (with line and column).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CaseError(f"{path}: cannot be read: {error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(f"{path}: cannot be read: {not_text(error)}") from None
    try:
        return tomllib.loads(text.replace("\r\n", "\n").replace("\r", "\n"))
    except tomllib.TOMLDecodeError as error:
        twice = any(word in str(error) for word in ("overwrite", "twice", "Duplicate"))
        way = "a key or table is there twice; keep one" if twice else "strings need quotes"
        if not twice and any(mark in text for mark in "\u201c\u201d\u201e\u2018\u2019"):
            way += ", straight ones as a keyboard has them"  # those of a word processor are none
        raise CaseError(f"{path}: is not valid TOML: {error}; {way}") from None
    except RecursionError:
        raise CaseError(f"{path}: is nested too deeply") from None


def apply_override(data: dict[str, Any], assignment: str) -> None:
    """Apply ``"protocol.0.current_density=2 mA/cm^2"`` to a case's data, in place.

    The value is read as TOML where it is TOML (``0.5``, ``true``, ``{...}``), else as a string.

    Raises:
        CaseError: no ``=``, or a path that leads nowhere.
    """
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise CaseError(f"{assignment!r} is not path=value, e.g. protocol.0.duration=2 h")
    set_path(data, path.strip(), _value(text.strip()))


def as_override(value: Any) -> str:
    """Text that `apply_override` reads as a value; texts are such already.

    Raises:
        CaseError: nothing in TOML says it, such as None.
    """
    import tomlkit

    if isinstance(value, str):
        return value
    plain = value.tolist() if hasattr(value, "tolist") else value  # numpy's numbers and arrays
    try:
        return str(inline(plain).as_string())
    except tomlkit.exceptions.ConvertError:
        raise CaseError(f"{value!r} is no value of a case: texts, numbers, true or false, and "
                        "lists and tables of them are") from None


def set_path(data: dict[str, Any], path: str, value: Any) -> None:
    """Set (None: remove) the value at a dotted path; list entries by number from 0.

    Raises:
        CaseError: a list is addressed by a name or past its end, or a value has no parts.
    """
    *parents, last = path.split(".")
    place: Any = data
    for depth, key in enumerate(parents):
        if isinstance(place, dict) and key not in place:
            place[key] = {}
        place = place[_key(place, key, path, ".".join(parents[:depth]))]
    key_or_index = _key(place, last, path, ".".join(parents), append=True)
    if isinstance(place, list) and key_or_index == len(place):
        place.append(value)
    elif value is not None:
        place[key_or_index] = value
    elif isinstance(place, list) or key_or_index in place:
        del place[key_or_index]


def _key(place: Any, key: str, path: str, where: str, append: bool = False) -> Any:
    if isinstance(place, dict):
        if not key:
            raise CaseError(f"{path!r}: empty name in the path")
        return key
    if not isinstance(place, list):
        raise CaseError(f"{path}: {where} is {place!r} and has no part {key!r}")
    if not (key.isascii() and key.isdigit() and len(key) < 9 and int(key) < len(place) + append):
        last = f"0 to {len(place) - 1}" if place else "none"
        raise CaseError(f"{path}: {where} is a list; {key!r} is not one of its entries ({last})")
    return int(key)


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    value = parsed.get("value")
    dates = datetime.date | datetime.time
    return text if len(parsed) != 1 or isinstance(value, dates) else value


def to_toml(data: Mapping[str, Any]) -> str:
    """A case's nested dict as TOML text; numbers of the library come last, with a remark."""
    import tomlkit

    last = {name: data[name] for name in ("library",) if data.get(name)}
    text = tomlkit.dumps(_table({k: v for k, v in data.items() if k not in last}))
    return f"{text}\n{_CARRIED}{tomlkit.dumps(_table(last))}" if last else text


_CARRIED = """\
# Numbers of the material library that this case was run with. They win over the library of the
# installed version; delete an entry to take today's numbers, with another result.
"""
#: Keys that make a table one value.
_INLINE = ("expression", "along", "status")


def _table(data: Mapping[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.table()
    # plain values first: TOML cannot return to a table once a sub-table has begun
    for key, value in sorted(data.items(), key=lambda item: _is_table(item[1])):
        if isinstance(value, Mapping) and _is_table(value):
            table.add(key, _table(value))
        elif _is_table(value):
            array = tomlkit.aot()
            for entry in value:
                array.append(_table(entry))
            table.add(key, array)
        else:
            table.add(key, inline(value))
    return table


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not any(key in value for key in _INLINE)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, Mapping) and _is_table(entry) for entry in value)
    )


def inline(value: Any) -> Any:
    """A value as an item of TOML that stands on one line."""
    import tomlkit

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for key, part in value.items():
            table.append(key, inline(part))
        return table
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        array = tomlkit.array()
        for part in value:
            array.append(inline(part))
        return array
    return tomlkit.item(value)


def tables_of(data: Any) -> list[str]:
    """Names of the csv tables that a case's data refers to."""
    if isinstance(data, Mapping):
        own = [data["table"]] if isinstance(data.get("table"), str) else []
        return list(dict.fromkeys([*own, *(t for part in data.values() for t in tables_of(part))]))
    if isinstance(data, list):
        return list(dict.fromkeys(t for part in data for t in tables_of(part)))
    return []
