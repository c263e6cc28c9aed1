r"""Salt that reaches growing metal near its limit: no more reacts than diffusion brings.

Kinetics take the salt foreseen for the end of a step. While salt is ample that is enough. A voltage
held beyond the limiting current draws what salt is left within a step, foresees too little in the
next one, and current and salt swing; and so does a given current as Sand's time comes. And a
reaction that fast is over before the front is: the outermost tail, where there is salt, would grow
a front of its own. So, while a voltage is held, and in steps that begin with a given current above
half of the limit somewhere, metal plates with the salt of the end of the step, c, an unknown beside
the potentials, and through a layer of liquid that stands still:

    i_n = i_n(eta, c_lagged) c/c_lagged,  |i_n| <= K c min(1, <c>/c_lagged),  K = D i_l/(delta N_an)

Where the salt was foreseen right the first is the law itself. At the limit c falls to nothing
across delta = 0.7 lambda; below half of it nothing changes (`fem.system.reach`). <c> is the mean
of c_lagged along the front, weighted with the square of its area density: every node of a front may
take as much as its middle, the tail, too.

The layer is thinner than the front is wide and, like the width, a number of the method. With this
delta a flat front that is limited has c = 0 where xi = 1/2, and with it the current of a sharp
one (`tests/physics/metal/test_growth_holds.py`). So a given current has used up the salt when all
that is brought is no more than it: c is 0 at a sharp front then, while some is left along this one.
What reacts ahead of the middle has to be brought back: a front that is limited relaxes with a
mobility of 4 at least.
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
#: Share of the largest current at a front from which on a node's counts.
FAINT = 1e-3
#: Share of the limit, as K of the start has it, below which K is not looked up.
MARGIN = 0.25
#: What salt can bring over the current drawn below which no more is to be had: the bound is
#: approached as tanh does.
SPENT = 1.05
#: Least limit, A/m2, and least salt that is divided by, mol/m3.
LEAST = 1e-30

Array = npt.NDArray[np.float64]


class Supply(Observer):
    """Brings salt to all that plates near its limit (`fem.system.nodal.Supply`).

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
        self.begun: Begun | None = None
        self.bounds = False
        self.thickness, self.most = LAYER * metal.interface_width, 0.0

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
        """Note what is imposed."""
        self.begun, self.bounds = begun, self._held

    @property
    def _held(self) -> bool:
        """A voltage is held, and there is a front."""
        return self.front is not None and self.begun is not None and (
            self.begun.segment.voltage is not None)

    def reach(self, reaction: NodalReaction) -> Reach | None:
        """Bounds of a reaction at the present iterate; None while salt is ample."""
        if not self.bounds:
            return None
        nodes = reaction.nodes["c"]
        salt = (self.s.unknowns["c"].value.x.array if self.salt is None else self.salt)[nodes]
        lagged, slope = np.maximum(reaction.concentration(), LEAST), self.layer.x.array[nodes]
        if reaction is self.front:
            slope = slope * self.tail[nodes]
        return Reach(salt / lagged, np.maximum(slope * salt, LEAST), 1.0 / lagged, slope)

    def events(self) -> Iterator[Warn]:
        """A warning once a front takes all that is brought (collective)."""
        if self._limits():
            what = "voltage held" if self._held else "current"
            yield Warn("limited", (
                f"t = {self.s.t:.6g} s: the {what} draws more than salt can bring to the "
                "front, which takes what comes through a layer of "
                f"{LAYER:g} interface_width; after a way of 15 widths its tail may swell and the "
                "current be some per cent too large: compare with half the interface_width"
            ), once=True)  # fmt: skip

    def _limits(self) -> bool:
        """The front comes close to its limit somewhere (collective)."""
        if self.front is None or (reach := self.reach(self.front)) is None:
            return False
        drawn = -self.front.density()
        comm = self.s.domain.comm
        least = FAINT * comm.allreduce(float(drawn.max(initial=0.0)), op=MPI.MAX)
        near = bool((2.0 * drawn > reach.most)[drawn > least].any())
        return bool(comm.allreduce(near, op=MPI.LOR))

    def _prepare(self) -> None:
        """Find K at every node, and how much of it the tail may use (collective)."""
        self.salt = None
        self.bounds = self._held or self._may_limit()
        if not self.bounds or self.front is None:
            return
        rate, volume = (self.s.nodal(form) for form in self.forms)
        self.layer.x.array[: len(rate)] = rate / volume / self.thickness
        self.layer.x.scatter_forward()
        lagged = self.front.concentration()
        mean = self.mean.of(lagged)
        self.tail[self.front.nodes["c"]] = np.minimum(1.0, mean / np.maximum(lagged, LEAST))
        self.bounds = self._held or self._limits()

    def _may_limit(self) -> bool:
        """A given current may be above half of what salt brings, by K of the start (collective)."""
        if self.front is None or self.begun is None or not self.begun.segment.sign < 0.0:
            return False
        if not self.most:
            rate, volume = (self.s.nodal(form) for form in self.forms)
            most = float((rate / volume).max(initial=0.0)) / self.thickness
            self.most = self.s.domain.comm.allreduce(most, op=MPI.MAX)
        drawn = float(-self.front.density().min(initial=0.0))
        drawn = self.s.domain.comm.allreduce(drawn, op=MPI.MAX)
        return drawn > MARGIN * 0.5 * self.most * self.s.extrema("c")[0]

    def spent(self) -> bool:
        """A given current takes all that salt can bring to the front (collective)."""
        if self._held or self.front is None or (reach := self.reach(self.front)) is None:
            return False
        brought = float((self.front.area * reach.most).sum())
        brought = self.s.domain.comm.allreduce(brought, op=MPI.SUM)
        return brought < SPENT * abs(self.s["circuit"].current())

    def _keep(self) -> None:
        """Keep the salt that the front reacted by: it is settled anew once that has moved."""
        self.salt = self.s.unknowns["c"].value.x.array.copy() if self.bounds else None

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
