"""Electroneutral solution of any number of ions: the potential phi_l and one for each other ion."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import ufl

from fem.base.constants import FARADAY, GAS_CONSTANT
from fem.case.species import Species
from fem.case.turnover import Turnover
from fem.compat import dfem, owned_size
from fem.mesh.spaces import space_on
from fem.physics.species.neutrality import Neutrality
from fem.setup.media import Dissolved
from fem.system.leftover import Leftover
from fem.system.system import System
from fem.system.unknown import Split

__all__ = ["Liquid", "Solution"]

Array = npt.NDArray[np.float64]

#: Share of the metal ion's c0 that conducts for any ion in its own row, however few there are: a
#: row of nothing would be singular.
TRACE = 1e-30
#: Degree of quadrature of what liquid carries through an edge; exact for Poiseuille's flow.
FLOW_DEGREE = 4


@dataclass(frozen=True)
class Liquid:
    """Some regions and how ions move there.

    Attributes:
        regions: their names.
        porosity, tortuosity: of an averaged region (UFL), or 1; D_eff = D porosity/tortuosity. A
            porosity may be a name that another physics defines (the pore that metal leaves).
        kappa: of a single-ion conductor, S/m, (c, T) -> UFL; None where ions are dissolved.
    """

    regions: tuple[str, ...]
    porosity: Any = 1.0
    tortuosity: Any = 1.0
    kappa: Callable[[Any, Any], Any] | None = None

    @property
    def moving(self) -> bool:
        """Metal moves through; integrals are then sums over nodes."""
        return isinstance(self.porosity, str)

    def open(self, s: System, pore: str = "") -> Any:
        """Effective over bulk properties.

        Args:
            s: the system.
            pore: name by which another physics gives the pore that is meant; its own by default.
        """
        share = s[pore or self.porosity] if self.moving else self.porosity
        return share / self.tortuosity * s.values.get("passage", 1.0)

    def room(self, s: System) -> Any:
        """Share of the volume that is electrolyte; inside metal there is none."""
        return s["room"] if self.moving else self.porosity

    def storing(self, s: System, c: Any) -> Any:
        """Rate at which a volume takes up what has the concentration c, mol/(m3 s).

        The floor of the pores, which keeps c defined inside metal, takes up what c changes by.
        """
        rate = s.ddt(self.room(s) * c)
        floor = s[self.porosity] - self.room(s) if self.moving else None
        return rate if floor is None else rate + floor * s.ddt(c)


@dataclass
class Solution:
    r"""Any number of dilute ions, electroneutral, with fixed charge, and single-ion conductors.

    phi_l is the electrochemical potential of the metal ion over zF, what a reference electrode of
    the metal shows; mu_i that of ion i over z_i F, less phi_l (of a molecule: RT/F ln c/c_ref), at
    the temperature T0 of the case, so that concentrations depend on mu alone.

        Strong:  N_i = -(D_i F/(RT)) c_i (s_i (T/T0) grad mu_i + z_i grad phi_l) + c_i u
                 d(porosity c_i)/dt + div N_i = porosity sum made_i r,  i not the metal ion
                 div i_l = 0,  i_l = F sum z_i N_i
                 c_i from mu_i by electroneutrality (`fem.physics.species.neutrality`)
        Walls:   i_l . n_l = -i_n,  N_i . n_l = 0
        Edges:   N_i . n = c_i u . n where liquid leaves, c0_i u . n where it enters
        Weak:    -(i_l, grad v) + <i_l . n_l, v> = 0                                     [A]
                 s_i F [ (d(porosity c_i)/dt - porosity made_i r, v) - (N_i, grad v)
                         + <N_i . n, v> ] = 0,  s_i = z_i, or 1                          [A]

    Where metal grows, porosity is what it leaves, and N_i has besides c_i times the velocities of
    the front's relaxation and of the liquid that is displaced (`fem.physics.metal`); neither moves
    charge. The rows of ions are solved once more with the new front, currents as they are:

        N_i = -(D_i F/(RT)) c_i (s_i (T/T0) grad mu_i + z_i E),
        E = -(i_l + F sum z_j N_j(E = 0))/kappa

    T is what heat finds, else T0: where it varies and no current flows, ions that are even stay
    even (no Soret effect, no thermopower). The heat is -i_l . grad phi_l, that of an ideal
    solution, whose ions mix without.

    The metal ion's own balance is the first row less all others: its walls stand in that. All ions
    are positive whatever mu is; where all mu and phi_l are constant nothing moves, and where fixed
    charge jumps they are continuous: Donnan's equilibrium.

    Attributes:
        ions: the species, that of the plated metal first.
        media: what fills the ion-conducting regions.
        charge: fixed charge by region, C/m3 of liquid; 0 where none is given.
        start: regions that begin with another concentration of anions than the neutral
            electrolyte, and that one, mol/m3.
        fixed_potential: boundaries where phi_l is held (the values are set later).
        fixed_ions: boundary -> concentrations of all ions held there, over those of the start.
        inflow: boundary -> current density of metal ions into the electrolyte, A/m2.
        reactions: homogeneous ones.
        velocity: of the liquid, m/s (UFL, a vector), or None.
        open: boundaries through which it may flow.
    """

    ions: tuple[Species, ...]
    media: tuple[Liquid, ...]
    charge: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    fixed_potential: Sequence[str] = ()
    fixed_ions: Mapping[str, float] = field(default_factory=dict)
    inflow: Mapping[str, Any] = field(default_factory=dict)
    reactions: Sequence[Turnover] = ()
    velocity: Any = None
    open: Sequence[str] = ()

    provides: tuple[str, ...] = ("phi_l", "c", "c_lagged", "ions")
    needs: tuple[str, ...] = ()
    potential: ClassVar[str] = "phi_l"

    def __post_init__(self) -> None:
        self.neutrality = Neutrality(tuple(ion.z for ion in self.ions), self.c0)
        # Number of an ion -> functions that tell what takes it out of the liquid, mol/s.
        self.takers: dict[int, list[Callable[[], float]]] = {}

    @property
    def c0(self) -> float:
        """Metal ions at the start in neutral electrolyte, mol/m3."""
        return self.ions[0].c0

    @property
    def salty(self) -> tuple[str, ...]:
        """Regions that dissolve ions."""
        return tuple(n for medium in self.media if medium.kappa is None for n in medium.regions)

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions that conduct ions."""
        return tuple(n for medium in self.media for n in medium.regions)

    def conductivities(self, T: float) -> Iterator[float]:
        """Conductivity at the start (Nernst-Einstein) where it is one number, S/m."""
        ideal = FARADAY**2 / (GAS_CONSTANT * T) * sum(ion.z**2 * ion.D * ion.c0
                                                      for ion in self.ions)
        for medium in self.media:
            with contextlib.suppress(TypeError):  # of place
                kappa = ideal if medium.kappa is None else float(medium.kappa(self.c0, T))
                pore = 1.0 if medium.moving else float(medium.porosity)
                yield kappa * pore / float(medium.tortuosity)

    # -- unknowns ------------------------------------------------------------------------------

    def declare(self, s: System) -> None:
        """Add phi_l and mu of each other ion, at the start."""
        self.s, domain = s, s.domain
        self.thermal = GAS_CONSTANT / FARADAY * s.temperature
        part = domain.subdomain(self.regions)
        phi = s.add("phi_l", part, scale=1e-2, potential=True)
        for boundary in self.fixed_potential:
            faces = domain.faces_of(boundary, self.regions)
            phi.fix(domain.nodes_on(phi.space, part, faces=faces), 0.0, group=boundary)
        same = {*self.salty} == {*self.regions}
        self.part = part if same else domain.subdomain(self.salty)
        self.mu = [
            s.add(f"mu_{ion.name}", self.part, differential=True, scale=self.volts)
            for ion in self.ions[1:]
        ]
        self.space = self.mu[0].space
        self._find_places()
        self._begin()
        s.define("ions", self)
        s.reports.conductivities.append(self.conductivities)
        self.c = self._concentrations([u.value for u in self.mu], self.psi)
        self.lagged: list[Any] = [*self.c]  # until metal asks for what is foreseen
        s.define("c", self.c[0], stored=f"c_{self.ions[0].name}")
        s.define("c_lagged", self.c[0])
        for k, u in enumerate(self.mu, 1):
            u.judged = functools.partial(self._judged, k)
            u.rounded = self.volts  # c changes by a factor e

    @property
    def volts(self) -> float:
        """RT/F at the temperature of the case, V."""
        return GAS_CONSTANT / FARADAY * float(self.s.temperature.value)

    def recount(self, volts: float, c_ref: float) -> None:
        """Count potentials that were taken over from those of this case; ions stay as many.

        Args:
            volts: RT/F of the run that they are from, V.
            c_ref: of that run, mol/m3.
        """
        own, first = self.neutrality, self.neutrality.z[0]
        for u, z in zip(self.mu, own.z[1:], strict=True):
            more = (1.0 - z / first) * np.log(c_ref / own.c_ref) / (z or 1)
            u.value.x.array[:] = self.volts * (u.value.x.array / volts + more)

    def _find_places(self) -> None:
        """Nodes, and where the fixed charge varies each node once for each charge around it."""
        domain, n = self.s.domain, len(self.mu[0].value.x.array)
        values = {self.charge.get(name, 0.0) for name in self.salty}
        self.even = len(values) == 1
        self.node, self.rho = np.arange(n), np.full(n, next(iter(values)))
        self.field_space: Any = self.space
        if not self.even:
            self.field_space = space_on(self.part.mesh, ("DG", 1))
            rho = domain.field({k: v for k, v in self.charge.items() if k in self.salty}, "rho")
            cells = self.field_space.dofmap.list
            self.node = np.empty(cells.size, dtype=np.int64)
            self.node[cells] = self.space.dofmap.list
            self.rho = np.empty(cells.size)
            self.rho[cells] = rho.x.array[self.part.cells][:, None]
        pairs = np.stack([self.node.astype(float), self.rho], axis=1)
        _, first, self.back = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        self.back = self.back.ravel()
        self.node, self.rho = self.node[first], self.rho[first]
        self.mine = self.node < owned_size(self.space)
        self.signs = any(v > 0.0 for v in values), any(v < 0.0 for v in values)
        self.explicit = self.neutrality.symmetric() and not all(self.signs)

    def _begin(self) -> None:
        """Ions of the start: in equilibrium with neutral electrolyte, or those that are given."""
        domain, start = self.s.domain, [ion.c0 for ion in self.ions]
        for u, value in zip(self.mu, self.neutrality.potentials(start, self.volts), strict=True):
            u.value.x.array[:] = value
        cells = self.space.dofmap.list[: len(self.part.cells)]
        for name, anions in self.start.items():
            nodes = np.unique(cells[domain.in_regions([name])[self.part.cells]])
            c = self.with_anions(anions, self.charge.get(name, 0.0))
            for u, value in zip(self.mu, self.neutrality.potentials(c, self.volts), strict=True):
                u.value.x.array[nodes] = value
        for boundary, share in self.fixed_ions.items():
            faces = domain.faces_of(boundary, self.salty)
            on = domain.nodes_on(self.space, self.part, faces=faces)
            c = [share * ion.c0 for ion in self.ions]
            for u, value in zip(self.mu, self.neutrality.potentials(c, self.volts), strict=True):
                u.fix(on, float(value), group=boundary)
        self.psi = dfem.Function(self.field_space, name="psi")
        self.psi_old = [dfem.Function(self.field_space) for _ in range(3)]
        if self.explicit:
            return
        self.s.past[self.psi] = tuple(self.psi_old)
        self.s.refreshers.append(lambda: self._solve(None, self.psi))
        self.s.preparers.append(self._recall)
        self._solve(None, self.psi)

    def with_anions(self, anions: float, rho: float) -> list[float]:
        """Concentrations with so many anions beside a fixed charge; cations keep their shares."""
        negative = sum(ion.c0 for ion in self.ions if ion.z < 0)
        charge = sum(-ion.z * ion.c0 for ion in self.ions if ion.z < 0) * anions / negative
        positive = sum(ion.z * ion.c0 for ion in self.ions if ion.z > 0)
        more = (charge - rho / FARADAY) / positive
        return [ion.c0 * (more if ion.z > 0 else anions / negative if ion.z < 0 else 1.0)
                for ion in self.ions]

    # -- ions at places ------------------------------------------------------------------------

    def _at(self, state: int | None) -> list[Array]:
        """Mu at the places, V, of the iterate (None) or of an old state."""
        functions = [u.value if state is None else u.old[state] for u in self.mu]
        return [f.x.array[self.node] for f in functions]

    def _solve(self, state: int | None, psi: Any) -> None:
        """Bring psi to a state, from wherever it is."""
        guess = np.empty(len(self.node))
        guess[self.back] = psi.x.array
        found = self.neutrality.find(self._at(state), self.volts, self.rho, guess)
        psi.x.array[:] = found[self.back]

    def _recall(self) -> None:
        """Bring psi of all states to them, where a step begins."""
        for k, psi in enumerate(self.psi_old):
            self._solve(k, psi)
        self._solve(None, self.psi)

    def at_places(self, state: int | None = None) -> list[Array]:
        """Concentrations at the places that this rank owns, mol/m3, ion by ion.

        Args:
            state: one of the last three, newest first; None for the present iterate.
        """
        return self._at_all(self._at(state), self.mine, state)

    def _at_all(self, mu: list[Array], on: Any, state: int | None) -> list[Array]:
        """Concentrations at some places, mol/m3, ion by ion.

        Args:
            mu: of all of them, V.
            on: which.
            state: see `at_places`.
        """
        mu = [values[on] for values in mu]
        if self.explicit:
            surplus = np.abs(self.rho[on]) / (2 * self.ions[0].z * FARADAY)
            return self.neutrality.closed(
                mu[0], self.volts, surplus, positive=self.signs[0], exp=np.exp, sqrt=np.sqrt
            )
        psi = np.empty(len(self.node))
        psi[self.back] = (self.psi if state is None else self.psi_old[state]).x.array
        found = self.neutrality.ions(mu, self.volts, psi[on])
        return [np.broadcast_to(c, len(mu[0])) for c in found]

    def _judged(self, ion: int) -> list[Array]:
        """Concentrations in units of c0, as volts: of the iterate and of the last three states.

        The metal ion, whose balance is no row of its own, goes along with the first of the others.
        """
        rows = [0, ion] if ion == 1 else [ion]
        units = [self.volts / max(self.ions[k].c0, 1e-3 * self.c0) for k in rows]
        states = (self.at_places(state) for state in (None, 0, 1, 2))
        return [np.stack([u * c[k] for u, k in zip(units, rows, strict=True)]) for c in states]

    def _concentrations(self, given: Sequence[Any], psi: Any) -> list[Any]:
        """c_i as functions of mu, mol/m3 (UFL).

        Args:
            given: mu of all ions but the first.
            psi: that of the nodes.
        """
        plus, minus = self.signs
        if self.explicit:
            surplus = 0.0 if not (plus or minus) else self._charge(1.0 if plus else -1.0) / (
                2 * self.ions[0].z * FARADAY
            )
            return self.neutrality.closed(given[0], self.thermal, surplus, positive=plus)
        sides = self._charge(1.0) if plus else None, self._charge(-1.0) if minus else None
        return self.neutrality.near(given, self.thermal, sides, psi)

    def _charge(self, sign: float) -> Any:
        """Size of the fixed charge of one sign, C/m3: a number, or one a region."""
        sizes = {n: max(sign * self.charge.get(n, 0.0), 0.0) for n in self.salty}
        return next(iter(sizes.values())) if self.even else self.s.domain.field(sizes, "charge")

    # -- rows ----------------------------------------------------------------------------------

    def _keep_found(self) -> None:
        """Keep ions as the potentials were solved with, where they are solved for once more."""
        s, self.found, self.found_c = self.s, [u.value for u in self.mu], self.c
        if not self.grows:
            return
        self.found = [s.rows_of(u.name)[-1][1] for u in self.mu]
        psi = dfem.Function(self.field_space, name="psi.found")
        s.before("settled", lambda: psi.x.array.__setitem__(slice(None), self.psi.x.array))
        self.found_c = self._concentrations(self.found, psi)

    @property
    def grows(self) -> bool:
        """Metal moves through some region."""
        return any(medium.moving for medium in self.media)

    def unit(self, k: int) -> float:
        """Charge by which the balance of an ion other than the metal's is a current, C/mol."""
        return (self.ions[k].z or 1) * FARADAY

    def _dx(self, medium: Liquid) -> Any:
        """Measure of fluxes."""
        return self.s.domain.dx(medium.regions, lumped=medium.moving)

    def _diffusivity(self, k: int) -> Any:
        """D_k, m2/s: a number, unless a temperature is solved for."""
        ion, T = self.ions[k], self.s["T"]
        return ion.D if T is self.s.temperature else ion.D * ion.warming(T)

    def _mobile(self, k: int, *, found: bool = False) -> Any:
        """D_k F/(RT) c_k with a trace that always conducts, mol/(V m s)."""
        c = self.found_c[k] if found else self.c[k]
        thermal = GAS_CONSTANT / FARADAY * self.s["T"]
        return self._diffusivity(k) / thermal * (c + TRACE * self.c0)

    def _slope(self, k: int, *, found: bool = False) -> Any:
        """s_k (T/T0) grad mu_k, V/m (vector); that of the metal ion is 0."""
        if not k:
            return ufl.as_vector([0.0] * self.s.domain.dim)
        mu = self.found[k - 1] if found else self.mu[k - 1].value
        return (self.ions[k].z or 1) * self.s["T"] / self.s.temperature * ufl.grad(mu)

    def flux(self, k: int, medium: Liquid, *, found: bool = False) -> Any:
        """N_k against the liquid, mol/(m2 s) (vector).

        Args:
            k: number of the ion.
            medium: where.
            found: as the potentials were solved with, also once the metal has grown.
        """
        pull = self._slope(k, found=found) + self.ions[k].z * ufl.grad(self.s["phi_l"])
        return -medium.open(self.s, "pore_lagged") * self._mobile(k, found=found) * pull

    def moved(self, k: int, medium: Liquid, *, settled: bool) -> Any:
        """N_k of an ion other than the metal's, mol/(m2 s) (vector).

        Args:
            k: number of the ion.
            medium: where.
            settled: with currents as they are, else as potentials have it.
        """
        s, flux = self.s, self.flux(k, medium)
        if settled:
            flux = self._settled(k, medium)
        if self.velocity is not None:
            flux += self.c[k] * self.velocity
        if self.grows and (swept := s.values.get("swept", 0.0)):
            flux -= swept * self.lagged[k] * self.current(medium, found=settled)
        return flux

    def _settled(self, k: int, medium: Liquid) -> Any:
        """N_k that goes with the current that was found, mol/(m2 s) (vector)."""
        open_, ions = medium.open(self.s), self.ions
        spread = sum((FARADAY * ions[j].z * self._mobile(j) * self._slope(j)
                      for j in range(1, len(ions))), self._slope(0))
        conducts = sum(FARADAY * ion.z**2 * self._mobile(j) for j, ion in enumerate(ions) if ion.z)
        field = -(self.current(medium, found=True) + open_ * spread) / conducts
        return -self._mobile(k) * (open_ * self._slope(k) + ions[k].z * field)

    # -- what metal that grows asks ------------------------------------------------------------

    def foresee(self, s: System) -> None:
        """Let kinetics see the ions foreseen for the end of each step."""
        for k, ion in enumerate(self.ions):
            lagged = dfem.Function(self.space, name=f"{ion.name}_lagged")
            self.lagged[k] = lagged
            s.preparers.append(functools.partial(self._foresee, k))
        s.define("c_lagged", self.lagged[0], self.part)
        s.fields["c"] = self.space, self.part

    def _foresee(self, k: int) -> None:
        self.lagged[k].x.array[:] = self.everywhere()[k]

    def dissolved(self, s: System) -> tuple[Dissolved, ...]:
        """All ions but that of the metal, whose balance is what the charge leaves to it."""
        return tuple(
            Dissolved(self.ions[k].name, u.name, self.unit(k), self.c[k], self.lagged[k],
                      functools.partial(self._rate, k))
            for k, u in enumerate(self.mu, 1)
        )

    def at_nodes(self, s: System, state: int | None = None) -> Array:
        """Metal ions at the nodes of this rank, ghosts last, mol/m3."""
        return self.everywhere(state)[0]

    def brings(self, s: System) -> None:
        """Nothing: what a current does to each ion depends on all of them."""

    def _rate(self, k: int) -> Array:
        """d(c_k)/dt at the nodes of this rank, mol/(m3 s)."""
        return self.s.time.difference([self.everywhere(state)[k] for state in (None, 0, 1)])

    def everywhere(self, state: int | None = None) -> list[Array]:
        """Concentrations at the nodes of this rank, ion by ion; without fixed charge."""
        return self._at_all(self._at(state), slice(None), state)

    def sources(self, k: int) -> Any:
        """Amount of an ion that reactions make, mol/(m3 s) of liquid, or None."""
        made = [r.made(k) * r.rate(self.c) for r in self.reactions if r.made(k)]
        return sum(made[1:], made[0]) if made else None

    def outflow(self, k: int, v: Any) -> Any:
        """Amount of an ion that liquid takes out through edges, tested with v, mol/s; or None."""
        domain = self.s.domain
        faces = [f for name in self.open for f in domain.faces_of(name, self.salty)]
        if self.velocity is None or not faces:
            return None
        out = ufl.inner(self.velocity, ufl.FacetNormal(domain.mesh))
        flow = ufl.max_value(out, 0.0) * self.c[k] + ufl.min_value(out, 0.0) * self.ions[k].c0
        measure = domain.ds(faces)(metadata={"quadrature_degree": FLOW_DEGREE})
        return flow * v * domain.weight * measure

    def current(self, medium: Liquid, *, found: bool = False) -> Any:
        """i_l, A/m2 (vector); `found` as of `flux`."""
        if medium.kappa is not None:
            kappa = medium.kappa(self.c0, self.s["T"]) * medium.open(self.s)
            return -kappa * ufl.grad(self.s["phi_l"])
        terms = [FARADAY * ion.z * self.flux(k, medium, found=found)
                 for k, ion in enumerate(self.ions) if ion.z]
        return sum(terms[1:], terms[0])

    def conductivity(self, medium: Liquid, *, found: bool = False) -> Any:
        """Conductivity of dissolved ions in a region as it stands in `current`, S/m."""
        terms = [FARADAY * ion.z**2 * self._mobile(k, found=found)
                 for k, ion in enumerate(self.ions) if ion.z]
        return medium.open(self.s, "pore_lagged") * sum(terms[1:], terms[0])

    def _power(self, medium: Liquid) -> tuple[Any, Any]:
        """Power of a region, -i_l . grad phi_l, in two: |i_l|^2/kappa, and the rest, W/m3."""
        i_l = self.current(medium, found=True)
        whole = -ufl.inner(i_l, ufl.grad(self.s["phi_l"]))
        if medium.kappa is not None:
            return whole, ufl.as_ufl(0.0)
        ohmic = ufl.inner(i_l, i_l) / self.conductivity(medium, found=True)
        return ohmic, whole - ohmic

    def _taken(self, part: int, v: Any) -> Any:
        """One of the powers of `_power`, tested with v, W."""
        return sum(self._power(medium)[part] * v * self.s.domain.weight * self._dx(medium)
                   for medium in self.media if not part or medium.kappa is None)

    def rows(self, s: System) -> None:
        """Balance of charge, and of each ion but that of the metal."""
        w, v = s.domain.weight, s.test("phi_l")
        pores = sum((1.0 if m.moving else m.porosity) * w * s.domain.dx(m.regions)
                    for m in self.media if m.kappa is None)
        volume = s.integral(s.form(ufl.as_ufl(1.0) * pores))
        if not self.grows:  # there currents are those that were found, and steps are short
            for u, ion in zip(self.mu, self.ions[1:], strict=True):
                content = max(abs(ion.z), 1) * FARADAY * ion.c0 * volume
                u.again = Leftover.of_row(s, u, content)
        self._keep_found()
        for medium in self.media:
            dx = self._dx(medium)
            s.row("phi_l", -ufl.inner(self.current(medium), ufl.grad(v)) * w * dx)
        for density, measure in s.domain.through(self.inflow, self.regions):
            s.row("phi_l", -density * v * measure)
            s.reports.flow("inflow", density * measure)
            s.reports.flow("carried", abs(density) * measure)
        for medium in (m for m in self.media if m.kappa is None):
            here = s.domain.node_weight(medium.regions)
            for k, u in enumerate(self.mu, 1):
                q, unit = s.test(u.name), self.unit(k)
                rate, made = medium.storing(s, self.c[k]), self.sources(k)
                if made is not None:
                    rate = rate - medium.room(s) * made
                stored = unit * rate * here * q * s.domain.dx(medium.regions, lumped=True)
                for row, _ in s.rows_of(u.name):
                    flux = self.moved(k, medium, settled=row != u.name)
                    s.row(row, stored - unit * ufl.inner(flux, ufl.grad(q)) * w * self._dx(medium))
        for k, u in enumerate(self.mu, 1):
            q, unit = s.test(u.name), self.unit(k)
            if (flow := self.outflow(k, q)) is not None:
                s.row(u.name, unit * flow)
        s.ports.contribute("work", self._work)
        if len(self.mu) == 1:
            s.splits[self.mu[0].name] = self._split()
        s.reports.spend("ohmic_l", functools.partial(self._taken, 0))
        s.reports.spend("concentration", functools.partial(self._taken, 1))

    def _split(self) -> Split:
        """Coupling of mu of the only other ion to phi_l, for the solver: its share of kappa."""
        s = self.s
        metal, other = (ion.z**2 * self._diffusivity(k) * self.c[k]
                        for k, ion in enumerate(self.ions))
        share, q = other / (metal + other), s.test(self.mu[0].name)
        dx = s.domain.dx(self.salty, lumped=True)
        return Split("phi_l", -share * q * dx, -share * q * dx, q * dx)

    def elsewhere(self, s: System) -> Any:
        """Current into the liquid from single-ion conductors and from `inflow`, A, or None."""
        v, w = s.test("phi_l"), s.domain.weight
        terms = [density * v * measure
                 for density, measure in s.domain.through(self.inflow, self.regions)]
        terms += [ufl.inner(self.current(m), ufl.grad(v)) * w * self._dx(m)
                  for m in self.media if m.kappa is not None]
        return sum(terms[1:], terms[0]) if terms else None

    def _work(self, v: Any) -> Any:
        """Electrical work through the boundaries of `inflow`, tested with v, W."""
        return sum(density * self.s["phi_l"] * v * measure
                   for density, measure in self.s.domain.through(self.inflow, self.regions))
