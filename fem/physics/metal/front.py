r"""The metal front of the step at hand: where it is, which way it faces, how it bends.

All of it is computed once a step from the extrapolated phase field and then held, while the
potentials, the front and the salt are solved for one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import ufl

from fem.compat import MPI, dfem, dpetsc
from fem.mesh.gradients import NodalGradient
from fem.physics.metal.contact import Contact
from fem.physics.metal.crystal import Crystal
from fem.physics.metal.profile import distance, profile
from fem.solver.pattern import SHARED_PLACES
from fem.system.system import System
from fem.system.unknown import Unknown

__all__ = ["Front"]

#: Least xi and 1 - xi that still tell where the front is.
TAIL_XI = 1e-6
#: Largest travel of a front in a step, in lambda; what changes more is new metal.
MAX_TRAVEL = 2.0
#: What spreads where xi is out of [0, 1] by more than this, and how many lambda are added.
SPILL_XI, SPILL_WIDTHS = 0.005, 40.0
#: Boundaries that are no sides: on all others natural conditions make a mirror image of the cell.
ENDS = ("collector", "counter")
#: Least share of the sides around a node that face one way, for it to be one of its normals.
MIN_NORMAL_SHARE = 0.1
#: Variance of grad psi along a side from which on it is a kink, and wholly so from twice of it on.
KINK_SPREAD = 0.05
#: Least |grad psi| of a front; below it the normal goes to zero.
MIN_SLOPE = 0.5

Array = npt.NDArray[np.float64]


class Front:
    r"""Lagged front of a phase field xi with resting profile 1/(1 + exp(-x/lambda)).

    The normal comes from the distance psi = lambda ln(xi/(1 - xi)), which is linear across a
    resting front, where xi itself bends; its gradient is averaged to the nodes:

        g = <grad psi>,  nhat = g/max(|g|, 1/2)          from electrolyte to metal
        A = (nhat.grad xi, w)                            nodal areas of the front
        (K, w) = (e, grad w) - <cos(theta_c), w>         K > 0 where the metal is convex

    e is the energy vector of the crystal over gamma_0 (`fem.physics.metal.crystal`), of the normal;
    the normal itself where surface energy has no direction. For it g is freed from its bias
    (`fem.mesh.gradients`), or K, a derivative, would be off by up to 1/R next to walls and mirror
    planes. The wall term stands for a difference of wall energies, gamma_0 cos(theta_c), which
    knows no crystal: at rest e.n = cos(theta_c), n out of the pore (W. L. Winterbottom, Acta
    Metall. 15 (1967) 303). theta_c is the angle that is seen, Young's, only where delta_4 = 0.

    With D_k = (d u/dx_k, w), lumped, these are products with sparse matrices made once:
    g_k = D_k psi/V, (e, grad w) = sum D_k^T e_k, A = sum nhat_k D_k xi. (Around an axis the
    nodes of V and A carry the volume around them, `Domain.node_weight`.)

    Attributes:
        xi: extrapolated phase field.
        normal: nhat (UFL vector of nodal fields), zero away from the front.
        heading: nhat that the relaxation follows; along sides of the cell at kinks of the front.
        curvature: K, sum of principal curvatures, weighted by the energy of the crystal, 1/m.
        crystal: how surface energy depends on the normal.
        mobility: M, m/s.
        spread: what diffusion of the relaxation is multiplied by, less 1; see `spill`.
    """

    def __init__(
        self,
        s: System,
        unknown: Unknown,
        regions: Sequence[str],
        width: float,
        cos_contact: Mapping[tuple[str, str], float],
        crystal: Crystal,
        contact: Contact,
    ):
        self.s, self.unknown, self.width, self.crystal = s, unknown, width, crystal
        self.contact = contact
        space, domain = unknown.space, s.domain
        self.xi = dfem.Function(space, name="xi_front")
        self.other, self.own = dfem.Function(space), dfem.Function(space)
        self.psi, self.distance = dfem.Function(space), dfem.Function(space)
        self.components, self.steered = (
            [dfem.Function(space) for _ in range(domain.dim)] for _ in range(2))
        self.normal, self.heading = ufl.as_vector(self.components), ufl.as_vector(self.steered)
        self.curvature = dfem.Function(space, name="curvature")
        self.mobility = dfem.Constant(domain.mesh, 0.0)
        self.spread = dfem.Function(space, name="spread")
        u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
        here, dx = domain.node_weight(regions), domain.dx(regions, lumped=True)
        self._slopes = [u.dx(k) * v * here * dx for k in range(domain.dim)]
        # A uniform normal has no curvature: that asks for the weight of the cell, not of the node;
        # and next to the axis, where it vanishes, for more than its values at the nodes.
        exact = domain.dx(regions)
        self._bends = [u.dx(k) * v * domain.weight * exact for k in range(domain.dim)]
        self._volume_form = v * here * dx
        self._plain_form = v * dx if domain.axisymmetric else None
        self._mass_form = u * v * domain.weight * domain.dx(regions)
        out, sides = ufl.FacetNormal(domain.mesh), domain.sides(regions, ENDS)
        self._out_forms = [[o * p * v * sides for p in out] for o in out]
        rise = ufl.grad(self.psi)
        self._rise_forms = [*(r * v * sides for r in rise), ufl.inner(rise, rise) * v * sides]
        self._square_form = ufl.inner(rise, rise) * v * here * dx
        wall: Any = None
        for (a, b), cosine in cos_contact.items():
            if (a, b) in domain.walls:
                term = cosine * domain.wall_weight([(a, b)]) * v("-") * domain.dS([(a, b)])
            else:
                term = cosine * domain.wall_weight(faces=[(a, b)]) * v * domain.ds([(a, b)])
            wall = term if wall is None else wall + term
        self._wall_form = wall
        between = (1.0 - contact.flows) * ufl.inner(self.normal, ufl.grad(self.own))
        self._between = between * v * here * dx
        self._between_form: Any = None
        self._ready = False
        s.preparers.append(self.update)

    def prepare(self) -> None:
        """Assemble what depends on the mesh only (collective; once)."""
        if self._ready:
            return
        s = self.s
        bends = self._bends if s.domain.axisymmetric else []
        self.mass, *matrices = _matrices(s, [self._mass_form, *self._slopes, *bends])
        self.slopes = matrices[: len(self._slopes)]
        self.bends = matrices[len(self._slopes) :] or self.slopes
        self.volume = s.nodal(s.form(self._volume_form))
        self.wetting = 0.0 if self._wall_form is None else s.nodal(s.form(self._wall_form))
        self._out = self.slopes[0].createVecLeft()
        self.boundary = self._boundary()
        self.edge = _mean_edge(s, self.unknown)
        self.gradient = NodalGradient(self.slopes, self.volume, self.distance)
        self._find_sides()
        self._ready = True

    def _boundary(self) -> list[Array]:
        """N dS at every owned node, N out of the pores, by the theorem of Gauss, m2 (2D: m)."""
        plain = self.volume if self._plain_form is None else self.s.nodal(
            self.s.form(self._plain_form))
        n, work, here = len(plain), self.distance, self.volume / plain
        work.x.array[:n] = 1.0 / here
        work.x.scatter_forward()
        return [here * self._apply(D, work, transpose=True) for D in self.slopes]

    def _find_sides(self) -> None:
        """Find the owned nodes on sides of the cell, and what projects onto their normals.

        A node in a corner has more than one.
        """
        s = self.s
        products = np.array([[s.nodal(s.form(form)) for form in row] for row in self._out_forms])
        size = np.trace(products)
        self.on_sides = on = np.flatnonzero(size > 0.0)
        self.side_area = size[on]
        share, normals = np.linalg.eigh((products[..., on] / self.side_area).T)
        normals = normals * (share > MIN_NORMAL_SHARE)[:, None, :]
        self.outward = normals @ normals.swapaxes(1, 2)

    def _along_sides(self, g: Array) -> Array:
        """Owned nodes' gradients without what points out of a side along which psi has a kink.

        By symmetry nothing does, but the mean over the cells on one side of a mirror plane has such
        a part. On the ridge of a thin wall that ends at the plane the others cancel, and the normal
        would point out of the side: relaxation would carry metal along the ridge, away from the
        plane, until the wall opens there. A ridge that lies on the plane has no kink along it and
        keeps its normal. Collective.
        """
        s, on, out = self.s, self.on_sides, g[:, : len(self.volume)].copy()
        *rise, square = (s.nodal(s.form(form))[on] / self.side_area for form in self._rise_forms)
        kink = _kink(square - (np.array(rise) ** 2).sum(axis=0))
        out[:, on] -= kink * np.einsum("nij,jn->in", self.outward, out[:, on])
        return out

    def _heading(self, g: Array) -> Array:
        """Normal that the relaxation follows at owned nodes (collective).

        On the ridge of a thin wall the two fronts cancel but for the rise of the ridge itself. That
        is what diffusion carries down it, so it is not scaled up to a normal: else metal would go
        up the ridge, from where the wall is thin to where it is thick. (In pores and seams, where
        it does so, it fills what is narrow.)
        """
        out, n = self._along_sides(g), len(self.volume)
        spread = self.s.nodal(self.s.form(self._square_form)) / self.volume
        convex = (self.psi.x.array[:n] > 0.0) & (self.curvature.x.array[:n] > 0.0)
        ridge = convex * _kink(spread - (g[:, :n] ** 2).sum(axis=0))
        return _normal(out, MIN_SLOPE + (1.0 - MIN_SLOPE) * ridge)

    def update(self) -> None:
        """Take the present values of the phase field (collective)."""
        self.prepare()
        self.spread.x.array[:] = 0.0
        other, own, xi = (f.x.array for f in (self.other, self.own, self.xi))
        other[:] = self.contact.afloat.x.array
        own[:] = self._extrapolated()
        xi[:] = own + other
        self.expected = xi.copy()
        self.unknown.value.x.array[:] = xi
        psi = self.psi.x.array[:] = self.width * distance(own, TAIL_XI)
        g = self.gradient(psi)
        for component, values in zip(self.components, _normal(g), strict=True):
            component.x.array[:] = values
        n, work = len(self.volume), self.distance
        bend = -self.wetting * np.ones(n)
        energy = self.crystal.energy_vector(_normal(self.gradient.unbiased(g)))
        for values, D in zip(energy, self.bends, strict=True):
            work.x.array[:] = values
            bend += self._apply(D, work, transpose=True)
        self.curvature.x.array[:n] = bend / self.volume
        self.curvature.x.scatter_forward()
        for component, values in zip(self.steered, self._heading(g), strict=True):
            component.x.array[: len(values)] = values
            component.x.scatter_forward()

    def _apply(self, matrix: Any, function: Any, transpose: bool = False) -> Array:
        multiply = matrix.multTranspose if transpose else matrix.mult
        multiply(function.x.petsc_vec, self._out)
        return np.array(self._out.array_r)

    def normals(self) -> Array:
        """Vectors nhat of this rank's nodes, ghosts last, (dim, nodes)."""
        return np.stack([f.x.array for f in self.components])

    def areas(self) -> Array:
        """(nhat.grad xi, w): area of the front at every owned node, m2 (2D: m).

        Cells between two pieces of metal are left out.
        """
        n = len(self.volume)
        parts = zip(self.components, self.slopes, strict=True)
        area = np.asarray(sum(f.x.array[:n] * self._apply(D, self.own) for f, D in parts))
        if not self.contact.parted:
            return area
        if self._between_form is None:  # few runs need it
            self._between_form = self.s.form(self._between)
        return area - self.s.nodal(self._between_form)

    def facing(self) -> Array:
        """nhat.N dS at every owned node, N out of the pores, m2 (2D: m)."""
        n = len(self.volume)
        parts = zip(self.components, self.boundary, strict=True)
        return np.asarray(sum(f.x.array[:n] * N for f, N in parts))

    def gap(self) -> float:
        """Distance of the front from its expected place, root mean square of xi over the front.

        What remains jumps, and counts only where there is no front beside it: else the last of a
        pore is filled in one step, here more and there less than it should, and a void opens where
        least of it was filled as the metal is stripped.
        """
        n, meant = len(self.volume), self.unknown.meant
        remains = np.zeros(n, dtype=bool) if meant is None else meant
        now, expected = self.unknown.value.x.array[:n], self.expected[:n]
        counts = (~remains & (np.abs(now - 0.5) < 0.49), remains & (np.abs(expected - 0.5) < 0.49))
        sizes = [self.volume * on for on in counts]
        local = np.array([(size @ (now - expected) ** 2, size.sum()) for size in sizes])
        for square, size in self.s.domain.comm.allreduce(local, op=MPI.SUM):
            if size > 0.0:
                return float(np.sqrt(square / size))
        return 0.0

    def spill(self) -> bool:
        """Let metal spread where the step drove xi out of [0, 1]; True if it is new (collective).

        Where pores close or the last of a piece dissolves, the front that was foreseen and the
        memory of BDF2 go on for a while. What is too much then flows to the nodes around, fronts
        left out, by the same conservative relaxation with more diffusion; salt goes with it, and
        nothing is cut off. (The front is that of what moves: where it meets metal that floats, the
        two make 1.)
        """
        xi = self.unknown.value.x.array
        out = (np.maximum(xi - 1.0, -xi) > SPILL_XI) & (self.spread.x.array == 0.0)
        if not self.s.domain.comm.allreduce(bool(out.any()), op=MPI.LOR):
            return False
        near = self._around(out.astype(float)) > 0.0
        own = xi - self.other.x.array
        self.spread.x.array[out | near & (np.abs(own - 0.5) > 0.4)] = SPILL_WIDTHS
        return True

    def _extrapolated(self) -> Array:
        """Field at the end of the step.

        A front that moves is linear in time in its distance, metal that appears is linear in xi.
        The rule that would have foretold the present values around a node better has more say
        there. (Nodes that decide alone, for one rule or the other, differ from their neighbours,
        and long steps then tear the front.)
        """
        s = self.s
        now, before, first = (f.x.array - self.other.x.array for f in self.unknown.old)
        ratio = s.dt / s.time.past_dt[0] if s.time.history > 1 else 0.0
        # Metal at rest stays as it is, 1e-4 above 1: a jump to 1 would look like salt to be stored.
        rests = np.minimum(before, now) > 1.0
        grown = np.where(rests, now, _grow(before, now, ratio))
        if s.time.history < 3 or ratio == 0.0:
            return grown
        past = s.time.past_dt[0] / s.time.past_dt[1]
        travelled = self._travel(before, now, ratio)
        near = np.abs(ratio * (distance(now, TAIL_XI) - distance(before, TAIL_XI))) < MAX_TRAVEL
        moved, appeared = (
            self._around((rule(first, before, past) - now) ** 2) for rule in (self._travel, _grow)
        )
        share = ~rests * near * appeared**2 / np.maximum(moved**2 + appeared**2, 1e-300)
        return np.asarray(grown + share * (travelled - grown))

    def _travel(self, before: Array, now: Array, ratio: float) -> Array:
        """The front goes on as far as it went, averaged over that length where it is steep.

        A node that goes on by its own way remembers every error of it: a flat front that moves by
        lambda a step then buckles within 20 steps. One mean over neighbours reaches about h/3 far
        (h the longest edge), n of them h/3 sqrt(n); as the length is of the order of dt, the rule
        stays one of second order.
        """
        here, there = distance(now, TAIL_XI), distance(before, TAIL_XI)
        largest = self.s.domain.comm.allreduce(np.abs(now - before).max(initial=0.0), op=MPI.MAX)
        length = min(4.0 * ratio * largest, 1.0) * self.width  # the steepest slope is 1/(4 lambda)
        rounds = max(12.0 * (length / self.edge) ** 2 - 1.0, 0.0)  # short steps are harmless
        steep = profile(here) * (1.0 - profile(here))
        went = self._around(steep * (here - there), rounds) / self._around(steep, rounds)
        return profile(here + ratio * went)

    def _around(self, values: Array, rounds: float = 2.0) -> Array:
        """Mean over the nodes around each, over theirs, and so on; the last round may be a part."""
        work = self.distance
        while rounds > 0.0:
            work.x.array[:] = values
            n = len(self.volume)
            mean = self._apply(self.mass, work) / self.volume
            work.x.array[:n] += min(rounds, 1.0) * (mean - values[:n])
            work.x.scatter_forward()
            values, rounds = work.x.array.copy(), rounds - 1.0
        return values


def _normal(g: Array, least: Any = MIN_SLOPE) -> Array:
    """g/max(|g|, least)."""
    return np.asarray(g / np.maximum(np.sqrt((g**2).sum(axis=0)), least))


def _kink(spread: Array) -> Array:
    """Share of a kink, 0 to 1, in places where grad psi has this variance."""
    return np.asarray(np.clip(spread / KINK_SPREAD - 1.0, 0.0, 1.0))


def _matrices(s: System, forms: Sequence[Any]) -> list[Any]:
    """Matrices of forms over the same cells, whose places are found once (collective)."""
    first, *others = [s.form(form) for form in forms]
    made = [dpetsc.assemble_matrix(first)]
    made[0].assemble()
    for form in others:
        made.append(made[0].duplicate(copy=SHARED_PLACES))
        dpetsc.assemble_matrix(made[-1], form)
        made[-1].assemble()
    return made


def _mean_edge(s: System, unknown: Unknown) -> float:
    """Mean over the cells of their longest edge, m (collective)."""
    mesh = unknown.part.mesh
    count = mesh.topology.index_map(mesh.topology.dim).size_local
    edges = mesh.h(mesh.topology.dim, np.arange(count, dtype=np.int32))
    total, n = s.domain.comm.allreduce(np.array([edges.sum(), count]), op=MPI.SUM)
    return float(total / n)


def _grow(before: Array, now: Array, ratio: float) -> Array:
    """Linear in xi, within 0 and 1."""
    return np.asarray(now + np.clip(ratio * (now - before), -now, 1.0 - now))
