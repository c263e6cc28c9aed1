r"""The power that ions spend, as parts of the cell voltage.

The rows of the ions add up to that of their charge, F sum z_i; tested with phi_l, the potential of
an electrode of the metal, it says

    I E = <i_n, phi_s - phi_l> + sum over edges i (phi_l(i) - phi_l(j))
          + (F sum z_i dc_i/dt, phi_l) + <dq_S/dt, phi_s>     [W, 2D: W/m]

with the current i = sum z_i F N_ij of an edge. The second term is what ions spend, the last two
charge layers. Of an edge the part i^2/g with its conductance g = sum z_i F D_i w_ij |z_i| L(c_i)/
(RT/F) is ohmic; the rest is the diffusion potential, as in models without space charge.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.constants import FARADAY
from fem.compat import dfem
from fem.solver.corners import Moment
from fem.solver.edges import AlongEdges
from fem.solver.fitted import log_mean

__all__ = ["Spending"]

Array = npt.NDArray[np.float64]


class Spending:
    """Power of ions at the present state, with the interface of `NodalReaction.spending`.

    Args:
        model: whose ions they are (`fem.physics.pnp.space_charge.SpaceCharge`).
    """

    spends = ("ohmic_l", "concentration", "stored")

    def __init__(self, model: Any):
        self.model = model
        s = model.s
        self.charging = [s.form(form) for layers in model.layers for form in layers.working()]
        self.volumes = s.nodal(s.form(model.volumes()))

    @functools.cached_property
    def along(self) -> list[tuple[Any, float, AlongEdges]]:
        """(ion, its sign, its flux) of all that are charged."""
        s, ions = self.model.s, {self.model.name_of(ion): ion for ion in self.model.ions}
        mine = [(ions[flux.row], flux) for flux in s.edge_fluxes if flux.row in ions]
        return [(ion, float(np.sign(ion.z)), AlongEdges(s, flux)) for ion, flux in mine if ion.z]

    def _potential(self) -> Array:
        """phi_l at the nodes of the ions, V."""
        model, s, metal = self.model, self.model.s, self.model.ions[0]
        phi = s.unknowns["phi"].value.x.array[model.nodes_of_phi]
        c = s.unknowns[model.name_of(metal)].value.x.array
        return np.asarray(phi + model.thermal / metal.z * np.log(c / model.c0) + model.U0)

    def spending(self) -> dict[str, float]:
        """Power of each part on this rank, W (2D: W/m)."""
        model, s, moment = self.model, self.model.s, Moment()
        phi_l, total, ohmic = self._potential(), 0.0, 0.0
        flows: dict[int, Array] = {}
        conducts: dict[int, Array] = {}
        for ion, sign, along in self.along:
            f, _ = along.at(moment)
            here, there = along.where.edges
            total += sign * float(f @ (phi_l[here] - phi_l[there]))
            c = s.unknowns[model.name_of(ion)].value.x.array
            mean, _, _ = log_mean(c[here], c[there])
            g = abs(ion.z) / model.thermal * along.weights * mean
            k = id(along.where)
            flows[k] = flows.get(k, np.zeros(1)) + sign * f
            conducts[k] = conducts.get(k, np.zeros(1)) + g
        for k, i in flows.items():
            g = conducts[k]
            flowing = np.abs(g) > 0.0
            ohmic += float((i[flowing] ** 2 / g[flowing]).sum())
        return {"ohmic_l": ohmic, "concentration": total - ohmic, "stored": self._stored(phi_l)}

    def _stored(self, phi_l: Array) -> float:
        """Power that charges layers on this rank, W (2D: W/m)."""
        model, n = self.model, len(self.volumes)
        rate = sum(ion.z * model.s.rate_at_nodes(model.name_of(ion))[:n] for ion in model.ions)
        ions = FARADAY * float((phi_l[:n] * rate) @ self.volumes)
        return ions + sum(float(dfem.assemble_scalar(form)) for form in self.charging)
