r"""A published single-potential model of plating, to compare with: the grand-potential phase field.

One potential phi runs through metal and electrolyte. Its value against the far side drives both
the reaction and the ohmic drop, so there is no overpotential phi_s - phi_l, no floating metal and
no wall of another kind; what that does to the speed of a front stands in docs/growth.md.

**Units are those of the papers**: 1 um, 1 s, 2.5e6 J/m3; phi in V. The mesh is in micrometres.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import SimpleNamespace

import numpy as np
import ufl

from fem.compat import dfem
from fem.system.system import System

__all__ = ["AHMAD_2020", "HONG_2018", "GrandPotential", "Parameters"]

#: Smallest susceptibility chi; what little salt the metal stores would leave w undetermined there.
MIN_SUSCEPTIBILITY = 1e-3
#: Slope of the starting profile (1 - tanh(slope (x - x0)))/2, 1/um.
START_SLOPE = 2.0


@dataclass(frozen=True)
class Parameters:
    """Numbers of one paper, under the names of its input file where these differ.

    Attributes:
        overpotential: of the metal against the far side, V; negative plates.
        gradient_energy: k. barrier: B.
        mobility: L, of the relaxation. reaction: Ls, of the kinetics, 1/s.
        diffusivity: M0, um2/s. diffusion_power: of the free volume 1 - h in diffusion.
        sigma, kappa: S1 and S2, conductivity of metal and electrolyte.
        charge: ft2, charge of the metal per volume, in the unit of kappa V s/um2.
        e_s, e_l: of the chemical potential in both phases at rest.
        site_ratio: dv, sites per volume in the metal over those in the electrolyte.
        c0: share of sites that salt takes at rest; the reaction is of first order in c/c0.
        RT, F: gas constant times temperature, and Faraday's constant.
    """

    overpotential: float
    gradient_energy: float
    barrier: float
    mobility: float
    reaction: float
    diffusivity: float
    diffusion_power: int
    sigma: float
    kappa: float
    charge: float
    e_s: float
    e_l: float
    site_ratio: float
    c0: float
    RT: float
    F: float


#: Z. Hong, V. Viswanathan, ACS Energy Lett. 3 (2018) 1737, with its input file.
HONG_2018 = Parameters(
    overpotential=-0.45, gradient_energy=0.3, barrier=2.4, mobility=6.25, reaction=1e-3,
    diffusivity=317.9, diffusion_power=2, sigma=1e6, kappa=1.19, charge=0.0074,
    e_s=-13.8, e_l=2.631, site_ratio=5.5, c0=1 / 14.89, RT=1.0, F=38.69,
)  # fmt: skip
#: Z. Ahmad, Z. Hong, V. Viswanathan, PNAS 2020, with the input file of its plain electrolyte.
AHMAD_2020 = Parameters(
    overpotential=-0.2, gradient_energy=0.33, barrier=2.64, mobility=6.318, reaction=0.1347,
    diffusivity=319.7, diffusion_power=1, sigma=3.953e12, kappa=4.704e5, charge=2934.0,
    e_s=-13.64, e_l=2.598, site_ratio=5.342, c0=0.067083438, RT=0.987, F=38.14,
)  # fmt: skip


@dataclass(frozen=True)
class GrandPotential:
    r"""Phase psi (1 metal), chemical potential w of the salt, one potential phi.

        Strong:  psi_t = -L (f' - k lap psi) - Ls h' [e^{F phi/2RT} - (c/c0) e^{-F phi/2RT}]
                 chi w_t = div{ M0 cl [(1-h)^n grad w + (1-h)^2 (F/RT) grad phi] }
                           - (dv cs - cl) h' psi_t
                 div{ [S1 h + S2 (1-h)] grad phi } = ft2 psi_t
        with     h = psi^3 (6 psi^2 - 15 psi + 10),  f = B psi^2 (1-psi)^2,  c = cl (1-h),
                 cl, cs = 1/(1 + e^{-(w - el, es)/RT}),
                 chi = [cl (1-cl) (1-h) + dv cs (1-cs) h]/RT
        Weak:    (psi_t, q) + L (f', q) + L k (grad psi, grad q) + Ls (h' [...], q) = 0
                 (chi w_t, q) + (M0 cl {...}, grad q) + ((dv cs - cl) h' psi_t, q) = 0
                 (1/ft2) ([S1 h + S2 (1-h)] grad phi, grad q) + (psi_t, q) = 0

    psi is cut to [0, 1] inside h, or the conductivity could turn negative. Here a row is not a
    current but the area of metal per second (1D: um/s, 2D: um2/s), the same for all three. The
    papers' noise, which makes their dendrites, is left out.

    Held: psi = 1 and phi = overpotential at `collector`; psi, phi, w = 0 at `counter`.

    Attributes:
        parameters: of a paper.
        front: where it starts, um above the collector.
        regions: that it fills.
        degree: of the quadrature; 3 is two Gauss points on an interval, as the papers' own code
            takes. With one element per interface the rule is part of the result.
    """

    parameters: Parameters
    front: float = 20.0
    regions: tuple[str, ...] = ("electrolyte",)
    degree: int = 3

    provides: tuple[str, ...] = ("w", "psi", "phi")
    needs: tuple[str, ...] = ()

    def declare(self, s: System) -> None:
        """Add the three unknowns with their starting profiles, held at both ends."""
        domain, given = s.domain, self.parameters
        part, axis = domain.subdomain(self.regions), domain.dim - 1
        w = s.add("w", part, differential=True)
        psi = s.add("psi", part, differential=True)
        phi = s.add("phi", part, scale=1e-2, potential=True)
        x = psi.space.tabulate_dof_coordinates()[:, axis] - domain.extent[0][axis]
        psi.value.x.array[:] = 0.5 * (1.0 - np.tanh(START_SLOPE * (x - self.front)))
        phi.value.x.array[:] = given.overpotential * psi.value.x.array
        held = {"collector": ((psi, 1.0), (phi, given.overpotential)),
                "counter": ((psi, 0.0), (phi, 0.0), (w, 0.0))}  # fmt: skip
        for boundary, ends in held.items():
            faces = domain.faces_of(boundary, self.regions)
            for unknown, value in ends:
                nodes = domain.nodes_on(unknown.space, part, faces=faces)
                unknown.fix(nodes, value, group=boundary)

    def rows(self, s: System) -> None:
        """Relaxation and reaction; salt; charge."""
        w, psi, phi = s["w"], s["psi"], s["phi"]
        # constants, so that one compiled kernel serves both papers
        p = SimpleNamespace(**{
            name: dfem.Constant(s.domain.mesh, float(value))
            for name, value in asdict(self.parameters).items()
        })
        dx, grad, inner = s.domain.dx(self.regions, degree=self.degree), ufl.grad, ufl.inner
        inside = ufl.min_value(ufl.max_value(psi, 0.0), 1.0)
        h = inside**3 * (6 * inside**2 - 15 * inside + 10)
        dh = 30 * inside**2 * (1 - inside) ** 2
        cl, cs = (1 / (1 + ufl.exp(-(w - e) / p.RT)) for e in (p.e_l, p.e_s))
        free, drive, growth = 1 - h, p.F * phi / (2 * p.RT), s.ddt(psi)

        q = s.test("psi")
        slope = 2 * p.barrier * psi * (1 - psi) * (1 - 2 * psi)
        relaxed = slope * q + p.gradient_energy * inner(grad(psi), grad(q))
        reaction = p.reaction * dh * (ufl.exp(drive) - cl * free / p.c0 * ufl.exp(-drive))
        s.row("psi", (growth * q + p.mobility * relaxed + reaction * q) * dx)

        q = s.test("w")
        chi = (cl * (1 - cl) * free + p.site_ratio * cs * (1 - cs) * h) / p.RT
        chi = ufl.max_value(chi, MIN_SUSCEPTIBILITY)
        stored = chi * s.ddt(w) + (p.site_ratio * cs - cl) * dh * growth
        spread = free**p.diffusion_power * grad(w) + free**2 * (p.F / p.RT) * grad(phi)
        s.row("w", (stored * q + p.diffusivity * cl * inner(spread, grad(q))) * dx)

        q = s.test("phi")
        conduction = (p.sigma * h + p.kappa * free) / p.charge
        s.row("phi", (conduction * inner(grad(phi), grad(q)) + growth * q) * dx)
