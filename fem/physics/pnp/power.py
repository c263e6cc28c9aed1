r"""The power that ions spend, as parts of the cell voltage.

The row of each ion, tested with its potential w_i = phi + (RT/z_i F) ln(c_i/c0_i) + U0, says

    I E = <i_n, phi_s - w_M> + sum over ions and edges z_i F N_ij (w_i(i) - w_i(j))
          + sum over ions (z_i F (dc_i/dt - made_i r), w_i) + <dq_S/dt, phi_s>     [W, 2D: W/m]

the second term is what ions spend, the last two are stored, in charge and by mixing. Of an edge's
current i the part i^2/g with its conductance g = sum z_i F D_i w_ij |z_i| L(c_i)/(RT/F) is ohmic,
the rest is that of differences of concentration.
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

    def _potential(self, ion: Any) -> Array:
        """w_i at the nodes of the ions, V."""
        model, s = self.model, self.model.s
        phi = s.unknowns["phi"].value.x.array[model.nodes_of_phi]
        c = s.unknowns[model.name_of(ion)].value.x.array
        lift = model.thermal / ion.z * np.log(c / (ion.c0 or model.c0))
        return np.asarray(phi + lift + model.U0)

    def spending(self) -> dict[str, float]:
        """Power of each part on this rank, W (2D: W/m)."""
        model, s, moment = self.model, self.model.s, Moment()
        total, ohmic = 0.0, 0.0
        flows: dict[int, Array] = {}
        conducts: dict[int, Array] = {}
        for ion, sign, along in self.along:
            f, _ = along.at(moment)
            here, there = along.where.edges
            w = self._potential(ion)
            total += sign * float(f @ (w[here] - w[there]))
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
        return {"ohmic_l": ohmic, "concentration": total - ohmic, "stored": self._stored()}

    def _stored(self) -> float:
        """Power that charge and mixing store on this rank, W (2D: W/m)."""
        model, s, n = self.model, self.model.s, len(self.volumes)
        c, stored = [s.unknowns[model.name_of(ion)].owned for ion in model.ions], 0.0
        for ion in model.ions:
            if ion.z:
                made, rate = model.made(ion, c), s.rate_at_nodes(model.name_of(ion))[:n]
                kept = rate if made is None else rate - made
                stored += ion.z * FARADAY * float((self._potential(ion)[:n] * kept) @ self.volumes)
        return stored + sum(float(dfem.assemble_scalar(form)) for form in self.charging)

