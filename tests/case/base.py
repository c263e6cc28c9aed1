"""A small valid case, and a way to change it, for the tests of the case format."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import pytest

from fem.case.files import set_path
from fem.materials import library

BASE: dict[str, Any] = {
    "schema": 1,
    "title": "test",
    "metal": "Li",
    "electrolyte": "LiPF6_EC_EMC_3_7",
    "geometry": {
        "family": "planar",
        "size": "2 um",
        "layers": [
            {"name": "bottom", "thickness": "30 um", "region": "host_bottom"},
            {"name": "free", "thickness": "50 um", "region": "electrolyte"},
        ],
    },
    "regions": {"host_bottom": {"material": "Cu"}},
    "protocol": [{"step": "plate", "current_density": "1 mA/cm^2", "duration": "1 h"}],
}

EVERYTHING: dict[str, Any] = {
    **BASE,
    "source": "nobody 2020",
    "notes": "two\nlines",
    "temperature": "25 degC",
    "geometry": {
        "family": "planar",
        "size": "2 um",
        "layers": [
            {"name": "bottom", "thickness": "30 um", "region": "host_bottom"},
            {"name": "free", "thickness": "50 um", "region": "electrolyte"},
            {"name": "film", "thickness": "10 um", "region": "separator"},
        ],
    },
    "regions": {
        "host_*": {
            "material": "Cu",
            "sigma": {"along": "depth", "at": ["0 um", "30 um"], "values": ["1 S/m", "6 kS/cm"]},
        },
        "electrolyte": {
            "kappa": {"expression": "k*(c/1000)", "unit": "mS/cm", "k": 10},
            "D": "3e-10 m^2/s",
            "t_plus": 0.4,
            "bridge_sigma": "34 kS/cm",
        },
        "separator": {"material": "polyolefin", "porosity": "40 %", "tortuosity": 2.5},
    },
    "kinetics": [
        {
            "surface": "host_*",
            "i0": {"expression": "i*(c/1000)^0.5", "unit": "mA/cm^2", "i": 1},
            "alpha_a": 0.5,
            "alpha_c": 0.5,
            "eta_nuc": "30 mV",
            "film_resistance": "5 ohm*cm^2",
            "c_ref": "1 mol/L",
            "q_cov": "0.01 mAh/cm^2",
        }
    ],
    "coatings": [{"on": "host_*", "material": "Li2O", "thickness": "20 nm"}],
    "boundaries": {
        "sides": {"phi_l": "0 V", "c": "1 mol/L"},
        "collector": {"contact_resistance": "1 ohm*m^2"},
    },
    "counter": {"kind": "ideal"},
    "collector": {"material": "Cu"},
    "protocol": [
        {
            "step": "plate",
            "current_density": "1 mA/cm^2",
            "capacity": "1 mAh/cm^2",
            "cutoff": "-1 V",
        },
        {"step": "rest", "duration": "10 min"},
        {"step": "strip", "current_density": "1 mA/cm^2", "cutoff": "1 V", "duration": "1 h"},
        {"step": "hold", "voltage": "-50 mV", "duration": "100 s"},
        {
            "step": "cycle",
            "cycles": 3,
            "steps": [
                {
                    "step": "pulse",
                    "direction": "strip",
                    "current_density": "1 mA/cm^2",
                    "on": "1 s",
                    "off": "2 s",
                    "cycles": 5,
                    "capacity": "1 mAh/cm^2",
                    "cutoff": "1 V",
                },
                {"step": "rest", "duration": "10 min"},
            ],
        },
    ],
    "initial": {"c": "1 mol/L"},
    "time": {"dt0": "0.5 s", "dt_max": "2 min", "dt_min": "1 us", "tolerance": 1e-4},
    "solver": {"kind": "direct", "rtol": 1e-8, "closure_limit": 1e-6},
    "output": {"fields_every": "10 min", "checkpoint_wall": "1 min", "pvd": True, "figures": False},
    "probe": [
        {"name": "a", "field": "c/1000", "point": ["1 um", "2 um"]},
        {
            "name": "b",
            "field": "phi_l",
            "line": [["1 um", "0 um"], ["1 um", "80 um"]],
            "samples": 11,
        },
        {"name": "d", "field": "i_n", "surface": "collector"},
        {"name": "e", "field": "c", "volume": "electrolyte"},
    ],
}


def changed(changes: dict[str, Any], base: dict[str, Any] = BASE) -> dict[str, Any]:
    """A copy of `base` with dotted paths set, or removed where the value is None."""
    data = copy.deepcopy(base)
    for path, value in changes.items():
        set_path(data, path, value)
    return data


OTHER: dict[str, dict[str, dict[str, str]]] = {  # kind -> name -> numbers of a later library
    "metal": {"Li": {"molar_volume": "14 cm^3/mol", "sigma": "1e6 S/m"}},
    "solid": {"Cu": {"sigma": "1e5 S/m"}},
    "electrolyte": {"LiPF6_EC_EMC_3_7": {"c0": "1.2 mol/L", "t_plus": "0.3", "kappa": "0.5 S/m"}},
    "pair": {"Li/Cu": {"eta_nuc": "123 mV"}, "Li/Li": {"i0_ref": "3 A/m^2"}},
}


@contextlib.contextmanager
def another_library() -> Iterator[None]:
    """A library of another day, in which the numbers of `OTHER` and of a new pair differ."""
    first = library._entries

    def entries(kind: str) -> dict[str, Any]:
        found = dict(first(kind))
        for name, numbers in OTHER.get(kind, {}).items():
            table, folder, where = found[name]
            new = {key: {"value": value, "source": "later", "status": "assumed"}
                   for key, value in numbers.items()}
            found[name] = ({**table, **new}, folder, where)
        if kind == "pair":  # for the very electrolyte: wins over that for any
            found["Li/Cu/LiPF6_EC_EMC_3_7"] = found["Li/Cu"]
        return found

    def forget() -> None:
        library._load.cache_clear()
        library._pair.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "_entries", entries)
        forget()
        try:
            yield
        finally:
            forget()
