r"""Salt that reaches growing metal while a voltage is held: no more reacts than diffusion brings.

Kinetics take the salt foreseen for the end of a step. At a given current that is enough. A voltage
held beyond the limiting current draws what salt is left within a step, foresees too little in the
next one, and current and salt swing. And a reaction that fast is over before the front is: the
outermost tail, where there is salt, would grow a front of its own. So, while a voltage is held,
metal plates with the salt of the end of the step, c, an unknown beside the potentials, and through
a layer of liquid that stands still:

    i_n = i_n(eta, c_seen) c/c_seen,     |i_n| <= K c min(1, <c>/c_seen),     K = D i_l/(delta N_an)

Where the salt was foreseen right the first is the law itself. At the limit c falls to nothing
across delta = 0.7 lambda; below half of it nothing changes (`fem.system.reach`). <c> is the mean
of c_seen along the front, weighted with the square of its area density: every node of a front may
take as much as its middle, the tail, too.

The layer is thinner than the front is wide and, like the width, a number of the method. With this
delta a flat front that is limited has c = 0 where xi = 1/2, and with it the current of a sharp
one (`tests/physics/metal/test_growth_holds.py`). What reacts ahead of the middle has to be brought
back: a front that is limited relaxes with a mobility of 4 at least.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import MPI, PETSc, dfem, dpetsc
from fem.physics.metal.metal import Metal
from fem.setup.media import IonMedia
from fem.system.nodal import NodalReaction
from fem.system.part import Begun, Observer, Warn
from fem.system.reach import Reach
from fem.system.system import System

__all__ = ["Supply"]

#: Thickness of the layer, and the length over which the mean along the front is taken, in lambda.
LAYER, REACH = 0.7, 4.0
#: Least mobility of a front that is limited, over its largest speed.
LEAST_MOBILITY = 4.0
#: Tolerance of the mean: far from a front both its parts are small.
MEAN_RTOL = 1e-10
#: Least limit, A/m2, and least salt that is divided by, mol/m3.
LEAST = 1e-30

Array = npt.NDArray[np.float64]


class Supply(Observer):
    """Brings salt to all that plates while a voltage is held (`fem.system.nodal.Supply`).

    Args:
        ions: whose salt it is.
        metal: that grows.
    """

    needs: tuple[str, ...] = ("ions", "front", "xi")
    provides: tuple[str, ...] = ("supply",)
    unknown = "c"

    def __init__(self, ions: IonMedia, metal: Metal):
        self.ions, self.metal = ions, metal
        self.front: NodalReaction | None = None
        self.held = False

    def declare(self, s: System) -> None:
        """Look at the salt before the metal looks how fast it is, and keep what it reacts by."""
        self.s = s
        s.define("supply", self)
        s.preparers.append(self._prepare)
        s.before("front", self._keep)

    def rows(self, s: System) -> None:
        """Serve the front and all that plates beside it; no terms of its own."""
        forms = self.ions.brings(s)
        if forms is None:
            return
        c = s.unknowns["c"]
        self.forms = [s.form(form) for form in forms]
        self.layer = dfem.Function(c.space, name="layer")  # K, A m/mol
        self.tail = np.ones(len(c.value.x.array))  # what the tail of a front may use of it
        self.salt: Array | None = None  # what the front reacted by, while it is moved and after
        for reaction in s.reactions:
            if isinstance(reaction, NodalReaction) and "xi" in reaction.rows:
                reaction.supply = self
                if reaction.name == "front":
                    self.front = reaction
        self.mean = _Mean(s, self.metal)
        s.preparers.append(self._relax)

    def impose(self, begun: Begun) -> None:
        """Note whether a voltage is held."""
        self.held = self.front is not None and begun.segment.voltage is not None

    def reach(self, reaction: NodalReaction) -> Reach | None:
        """Bounds of a reaction at the present iterate; None while no voltage is held."""
        if not self.held:
            return None
        nodes = reaction.nodes["c"]
        salt = (self.s.unknowns["c"].value.x.array if self.salt is None else self.salt)[nodes]
        seen, slope = np.maximum(reaction.concentration(), LEAST), self.layer.x.array[nodes]
        if reaction is self.front:
            slope = slope * self.tail[nodes]
        return Reach(salt / seen, np.maximum(slope * salt, LEAST), 1.0 / seen, slope)

    def events(self) -> Iterator[Warn]:
        """A warning once a front takes all that is brought (collective)."""
        if self._limits():
            yield Warn("limited", (
                f"t = {self.s.t:.6g} s: the voltage held draws more than salt can bring to the "
                "front, which takes what comes through a layer of "
                f"{LAYER:g} interface_width; after a way of 15 widths its tail may swell and the "
                "current be some per cent too large: compare with half the interface_width"
            ), once=True)  # fmt: skip

    def _limits(self) -> bool:
        """The front comes close to its limit somewhere (collective)."""
        if self.front is None or (reach := self.reach(self.front)) is None:
            return False
        near = bool((-2.0 * self.front.density() > reach.most).any())
        return bool(self.s.domain.comm.allreduce(near, op=MPI.LOR))

    def _prepare(self) -> None:
        """Find K at every node, and how much of it the tail may use (collective)."""
        self.salt = None
        if not self.held or self.front is None:
            return
        rate, volume = (self.s.nodal(form) for form in self.forms)
        thickness = LAYER * self.metal.interface_width
        self.layer.x.array[: len(rate)] = rate / volume / thickness
        self.layer.x.scatter_forward()
        seen = self.front.concentration()
        mean = self.mean.of(seen)
        self.tail[self.front.nodes["c"]] = np.minimum(1.0, mean / np.maximum(seen, LEAST))

    def _keep(self) -> None:
        """Keep the salt that the front reacted by: it is settled anew once that has moved."""
        self.salt = self.s.unknowns["c"].value.x.array.copy() if self.held else None

    def _relax(self) -> None:
        """Let a front that is limited somewhere keep its profile (collective)."""
        if self._limits():
            self.s["front"].mobility.value *= max(1.0, LEAST_MOBILITY / self.metal.mobility)


class _Mean:
    """Mean along the front around each node: sum and weight spread by w - L^2 div grad w = source.

    Args:
        s: the system.
        metal: whose front it is; L is `REACH` of its widths.
    """

    def __init__(self, s: System, metal: Metal):
        self.s = s
        xi, domain = s.unknowns["xi"], s.domain
        u, v, length = xi.trial, xi.test, REACH * metal.interface_width
        spread = length**2 * ufl.inner(ufl.grad(u), ufl.grad(v)) * domain.weight
        here = u * v * domain.node_weight(metal.regions)
        self.forms = [
            s.form(spread * domain.dx(metal.regions)),
            s.form(here * domain.dx(metal.regions, lumped=True)),
        ]
        self.ksp: Any = None

    def _make(self) -> None:
        """Assemble the matrix, once it is needed (collective)."""
        self.matrix, own = (dpetsc.assemble_matrix(form) for form in self.forms)
        for matrix in (self.matrix, own):
            matrix.assemble()
        self.matrix.axpy(1.0, own)
        own.destroy()
        comm: Any = self.s.domain.comm
        self.ksp = PETSc.KSP().create(comm)
        self.ksp.setOperators(self.matrix)
        self.ksp.setType("cg")
        self.ksp.getPC().setType("jacobi")
        self.ksp.setTolerances(rtol=MEAN_RTOL)
        self.found, self.source = self.matrix.createVecs()

    def of(self, values: Array) -> Array:
        """Means at the owned nodes; without any front the values themselves (collective)."""
        if self.ksp is None:
            self._make()
        front = self.s["front"]
        weight = front.areas() ** 2 / front.volume
        if not self.s.domain.comm.allreduce(bool(weight.any()), op=MPI.LOR):
            return values
        total, whole = (self._spread(source) for source in (weight * values, weight))
        return np.asarray(np.maximum(total, 0.0) / np.maximum(whole, 1e-300))

    def _spread(self, source: Array) -> Array:
        self.source.array_w[:] = source
        self.ksp.solve(self.source, self.found)
        return np.array(self.found.array_r)
