"""The books of films: what they took, what broke off, solvent, and where plated charge is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fem.base.constants import FARADAY
from fem.physics.sei.films import Coat, Films
from fem.physics.sei.pores import PoreFilms
from fem.solver.matrices import ROUND_OFF
from fem.system.ledger import Ledger
from fem.system.part import Event, Observer
from fem.system.system import System
from fem.values.units import shown_length

__all__ = ["Books"]

#: Share of the smallest pore or fibre above which a film moves the walls; here they stand still.
MAX_FILM_SHARE = 0.1
#: Share of the charge that has moved below which what was plated is round-off.
LEAST_PLATED = 1e-6
#: Share of the solvent up to which a step may take it; steps end within as much below it.
ALL_SOLVENT = 1.001


class Account:
    """Charge that films of one kind took and lost, since the start.

    Args:
        films: on walls, in pores, or on the counter electrode.

    Attributes:
        made, lost: in the step measured last: charge of the film that was made, and of what broke
            off, C (2D: C/m).
        grown: charge of the film that is there then, less that of the start, C.
    """

    def __init__(self, films: Films | PoreFilms):
        self.films, s, name = films, films.s, films.name
        self._made, self._lost = Ledger(s, f"{name}.made"), Ledger(s, f"{name}.broken")
        self._used = [Ledger(s, f"{name}.solvent.{k}") for k in range(len(films.coats))]

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """Integrals that it keeps."""
        return (self._made, self._lost, *self._used)

    def begin(self) -> None:
        """Take the film of the start as the reference (collective)."""
        for ledger in self.ledgers:
            ledger.begin()
        self.films.s.kept[f"{self.films.name}.start"] = self.films.amount()

    def step(self) -> None:
        """Measure the step just solved (collective)."""
        films = self.films
        self.made = self._made.step(films.rate("made"))
        self.lost = self._lost.step(films.rate("broken"))
        for k, ledger in enumerate(self._used):
            ledger.step(films.rate(f"made.{k}"))
        self.grown = films.amount() - films.s.kept[f"{films.name}.start"]

    def solvent(self) -> Iterator[tuple[Coat, float, float]]:
        """Each film with the solvent that it had taken before the step, and after it, mol."""
        for coat, ledger in zip(self.films.coats, self._used, strict=True):
            each = coat.film.data["n"] * FARADAY
            yield coat, float(ledger.history[0]) / each, ledger.found / each

    @property
    def accepted(self) -> float:
        """`made` at the last accepted step, C."""
        return float(self._made.history[0])


class Books(Observer):
    """Charge, metal and solvent that films took: on walls and in pores, and on a foil opposite.

    Args:
        films: of each kind.
        warnings: of the case.
    """

    def __init__(self, films: tuple[Films | PoreFilms, ...], warnings: tuple[str, ...] = ()):
        self.films, self.warnings = films, warnings
        self.grow = all(f.grow for f in films)
        self.needs = ("circuit", "stock", *(f.name for f in films))
        columns = {False: ("thickness", "thickest", "charge", "broken"),
                   True: ("counter_thickness", "counter_charge")}
        sides = dict.fromkeys(f.counter for f in films)
        self.makes = (
            *(f"sei_{name}" for counter in sides for name in columns[counter]),
            "solvent_used", "solvent_share", "sei", "lithium",
        ) if self.grow else ()

    def rows(self, s: System) -> None:
        """Open the accounts."""
        self.accounts = [Account(f) for f in self.films] if self.grow else []
        self.opposite = Ledger(s, "sei.opposite") if self._foil else None

    @property
    def _foil(self) -> Account | None:
        """The account of films on the counter electrode."""
        return next((a for a in self.accounts if a.films.counter), None)

    @property
    def _hosted(self) -> list[Account]:
        """Accounts of films on the side of the host, on walls and in pores."""
        return [a for a in self.accounts if not a.films.counter]

    # -- a run asks ----------------------------------------------------------------------------

    def begin(self) -> None:
        """Take film and metal of the start as the reference (collective)."""
        if not self.grow:
            return
        for account in self.accounts:
            account.begin()
        kept = {"metal": self.s["stock"].plated(), "plate": 0.0, "strip": 0.0}
        if self.opposite is not None:
            self.opposite.begin()
            kept["foil"] = self.s["opposite"].left()
        self.s.kept |= {f"sei.{name}": value for name, value in kept.items()}

    def step(self, scale: float) -> Mapping[str, float]:
        """Thickness, charges, solvent and both closures of the step."""
        if not self.grow:
            return {}
        out: dict[str, float] = {}
        for account in self.accounts:
            account.step()
        if hosted := self._hosted:
            out |= {
                "sei_thickness": _mean(hosted),
                "sei_thickest": max(a.films.thickest() for a in hosted),
                "sei_charge": sum(a.made for a in hosted),
                "sei_broken": sum(a.lost for a in hosted),
            }  # fmt: skip
        if (foil := self._foil) is not None:
            out |= {"sei_counter_thickness": _mean([foil]), "sei_counter_charge": foil.made}
        used = [entry for account in self.accounts for entry in account.solvent()]
        held = [entry for entry in used if entry[0].solvent is not None]
        self.share_before = sum(past / (coat.solvent or 1.0) for coat, past, _ in held)
        self.share_used = sum(now / (coat.solvent or 1.0) for coat, _, now in held)
        out |= {"solvent_used": sum(now for *_, now in used), "solvent_share": self.share_used}
        made = sum(abs(account.made) for account in self.accounts)
        size = max(made, self.s["circuit"].reference(scale))
        gap = sum(abs(a.grown + a.lost - a.made) for a in self.accounts)
        last_bits = ROUND_OFF * self._held()
        missed = max(sum(map(abs, self._lithium())) - last_bits, 0.0)
        return out | {"sei": gap / size, "lithium": missed / size}

    def _held(self) -> float:
        """Charge of the metal whose change is found as a difference, C (2D: C/m; collective)."""
        foil = 0.0 if self.opposite is None else float(self.s["opposite"].left())
        return abs(float(self.s["stock"].plated())) + foil

    def _lithium(self) -> Iterator[float]:
        """Charge passed against metal, film and side reactions of bare walls, of each side, C."""
        s, books, kept = self.s, self.s["circuit"], self.s.kept
        if hosted := self._hosted:
            made = sum(a.made for a in hosted)
            metal = s["stock"].plated() - kept["sei.metal"]
            metal += float(books.pending.get("dead", 0.0))  # what inputs strand
            bare = books.pending["side"] + made  # side reactions that make no film
            film = sum(a.grown + a.lost for a in hosted)
            yield metal + books.pending["reacted"] - bare + film
        if (foil := self._foil) is not None and self.opposite is not None:
            passed = self.opposite.step(books.total("counter"))
            yield s["opposite"].left() - kept["sei.foil"] + passed + foil.grown + foil.lost

    def accept(self) -> None:
        """Count what the step passed."""
        if not self.grow:
            return
        kept = self.s.kept
        for account in self.accounts:
            for ledger in account.ledgers:
                ledger.accept()
        if self.opposite is not None:
            self.opposite.accept()
        passed, before = (float(q) for q in self.s.charges["passed"])
        kept["sei.plate"] += max(before - passed, 0.0)
        kept["sei.strip"] += max(passed - before, 0.0)

    def share(self) -> float | None:
        """Share of a step that takes the last solvent."""
        if not self.grow or self.share_used <= ALL_SOLVENT or self.share_before >= 1.0:
            return None
        return (1.0 - self.share_before) / (self.share_used - self.share_before)

    def events(self) -> Iterator[Event]:
        """Solvent that has run out."""
        if self.grow and self.share_used >= 2.0 - ALL_SOLVENT:
            yield Event(
                "solvent_gone", {"share": self.share_used}, ends="run",
                reason="the film has taken all solvent of the cell",
            )

    def summary(self) -> Mapping[str, Any]:
        """Charge that came back, and where the rest is, over the charge plated (collective)."""
        kept = self.s.kept
        if not self.grow or not kept.get("sei.strip"):
            return {}
        plate, most = kept["sei.plate"], float(self.s.charges["absolute"][0])
        if plate < LEAST_PLATED * most:
            return {}
        made = sum(account.accepted for account in self._hosted)
        dead = float(self.s.charges["dead"][0]) if "dead" in self.s.charges else 0.0
        metal = self.s["stock"].plated() - kept["sei.metal"] + dead
        side = -float(self.s.charges["side"][0]) - made
        return {"coulombic": {
            "efficiency": kept["sei.strip"] / plate, "sei": made / plate, "left": metal / plate,
            "side": side / plate,
        }}

    def remarks(self, *, closely: bool) -> Iterator[tuple[str, str]]:
        """Data that stand in for others, and films that would have moved their walls."""
        if not closely:
            yield from ((f"sei.{k}", text) for k, text in enumerate(self.warnings))
            return
        diameter = self.s["stock"].diameter
        on_walls = next((f for f in self.films if f.name == "L_sei"), None)
        if on_walls is not None and diameter is not None and self.grow:
            thickest = on_walls.thickest()
            if thickest > MAX_FILM_SHARE * diameter:
                yield "sei_thick", (
                    f"the SEI reaches {shown_length(thickest, 3)}, above {MAX_FILM_SHARE:.0%} of "
                    f"the smallest diameter {shown_length(diameter, 3)}: it would narrow the pores"
                )


def _mean(accounts: Sequence[Account]) -> float:
    """Mean thickness of films, m (collective)."""
    volume, area = np.sum([account.films.sizes() for account in accounts], axis=0)
    return float(volume / area)
