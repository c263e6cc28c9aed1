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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fem.base.constants import FARADAY
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
        self.volumes = model.s.nodal(model.s.form(model.volumes()))

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
        return np.asarray(phi + model.thermal / metal.z * np.log(c / model.c0))

    def spending(self) -> dict[str, float]:
        """Power of each part on this rank, W (2D: W/m)."""
        phi_l, total, ohmic = self._potential(), 0.0, 0.0
        for along in self._edges({}):
            here, there = along.ends
            total += float(along.i @ (phi_l[here] - phi_l[there]))
            ohmic += float((along.i**2 * along.per_g).sum())
        layers = sum(layers.work() for layers in self.model.layers)
        stored = float((phi_l[: len(self.volumes)] * self._charging()) @ self.volumes) + layers
        return {"ohmic_l": ohmic, "concentration": total - ohmic, "stored": stored}

    def changes(self, moves: Mapping[str, Array], rise: float) -> dict[str, float]:
        """Change of each with the unknowns, on this rank, W (2D: W/m).

        By derivatives: differences of what is stored are lost in its last bits over short steps.

        Args:
            moves: changes of all unknowns, at all their nodes of this rank.
            rise: of the voltage, V.
        """
        model, n = self.model, len(self.volumes)
        metal = model.name_of(model.ions[0])
        c = model.s.unknowns[metal].value.x.array
        phi_l, total, ohmic = self._potential(), 0.0, 0.0
        lift = moves["phi"][model.nodes_of_phi]
        lift = lift + model.thermal / model.ions[0].z * moves[metal] / c
        for along in self._edges(moves):
            here, there = along.ends
            total += float(along.di @ (phi_l[here] - phi_l[there]))
            total += float(along.i @ (lift[here] - lift[there]))
            spent = along.i * along.per_g
            ohmic += float((spent * (2 * along.di - spent * along.dg)).sum())
        now, charging = float(model.s.rate.value), self._charging()
        more = FARADAY * now * sum(ion.z * moves[model.name_of(ion)][:n] for ion in model.ions)
        stored = float((lift[:n] * charging + phi_l[:n] * more) @ self.volumes)
        stored += sum(layers.work_change(moves, rise) for layers in model.layers)
        return {"ohmic_l": ohmic, "concentration": total - ohmic, "stored": stored}

    def _charging(self) -> Array:
        """Rate at which the charge of ions grows at each owned node, A/m3."""
        model, n = self.model, len(self.volumes)
        rate = sum(ion.z * model.s.rate_at_nodes(model.name_of(ion))[:n] for ion in model.ions)
        return np.asarray(FARADAY * rate)

    def _edges(self, moves: Mapping[str, Array]) -> Iterable[_Edges]:
        """Current and conductance of edges, summed over the ions, and their changes.

        Args:
            moves: changes of the unknowns; without any there are none.
        """
        model, s, moment = self.model, self.model.s, Moment()
        found: dict[int, _Edges] = {}
        for ion, sign, along in self.along:
            here, there = along.where.edges
            sums = found.setdefault(id(along.where), _Edges((here, there)))
            f, slopes = along.at(moment)
            name = model.name_of(ion)
            c = s.unknowns[name].value.x.array
            mean, by_a, by_b = log_mean(c[here], c[there])
            k = abs(ion.z) / model.thermal * along.weights
            sums.i, sums.g = sums.i + sign * f, sums.g + k * mean
            if moves:
                ends = {column: (moves[column][a], moves[column][b])
                        for column, (a, b) in along.nodes.items()}
                change = sum(slopes[column][0] * a + slopes[column][1] * b
                             for column, (a, b) in ends.items())
                a, b = ends[name]
                sums.di, sums.dg = sums.di + sign * change, sums.dg + k * (by_a * a + by_b * b)
        return found.values()


@dataclass
class _Edges:
    """Edges of a pattern.

    Attributes:
        ends: nodes. i: current, A. g: conductance, A/V. di, dg: their changes.
    """

    ends: tuple[Any, Any]
    i: Any = 0.0
    g: Any = 0.0
    di: Any = 0.0
    dg: Any = 0.0

    @property
    def per_g(self) -> Array:
        """One over the conductance; nothing where there is none, nor a current."""
        flows = self.g != 0.0
        return np.where(flows, 1.0 / np.where(flows, self.g, 1.0), 0.0)
