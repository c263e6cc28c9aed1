r"""The linear systems of a stage: solvers, preconditioners, and what to do when they fail.

At a given current the potential E of the driven conductor is unknown too. Each Newton iteration
(`fem.solver.newton`) then solves

    [ J    b ] [du]     [  F    ]
    [ g^T  d ] [dE] = - [ i - I ]

A direct solver solves with J alone for two right-hand sides: J y = -F, J w = b,
dE = -(i - I + g.y)/(d - g.w), du = y - w dE. An iterative one takes the voltage as one more unknown
(`fem.solver.bordered`). The dense row never enters a matrix, so both see the same sparse J and give
the same current.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fem.compat import MPI, Callee, PETSc, quiet_options
from fem.solver.bordered import Bordered
from fem.solver.by_node import ByNode
from fem.solver.decoupling import Decoupling
from fem.solver.matrices import ROW_UNIT, Condensed
from fem.solver.wear import Wear

if TYPE_CHECKING:
    from fem.solver.options import Options
    from fem.solver.problem import Problem

__all__ = ["LinearSolver"]

Array = npt.NDArray[np.float64]
#: Newton's step of the fields and of the voltage, Krylov iterations, whether they converged.
Step = tuple[tuple[list[Array], float], int, bool]

#: Values of INFOG(1) of MUMPS for a singular matrix, by its numbers or by its structure.
SINGULAR_CODES = (-10, -6)
#: Values of INFOG(1) of MUMPS for too little memory.
MEMORY_CODES = (-7, -8, -9, -13, -14, -17, -18, -19)
#: Number of matrices that are factorised after the iterative solver has failed, before it is tried
#: again.
FACTORISED_SOLVES = 20

_ids = itertools.count()


class LinearSolver:
    """Solves with the matrix of a stage, and with the voltage where it is sought.

    Args:
        stage: whose parts are taken; its rows are in A, the solver's in `ROW_UNIT`.

    Attributes:
        direct: MUMPS instead of Krylov's method.
        matrix: all blocks. operator: what the solver sees, some unknowns eliminated.
        names: unknowns that it sees. sizes: how many owned values each has.
        decoupling: the preconditioner that frees salt from potential, None where there is none.
        by_node: the one that takes all unknowns of a node at once, None where it is not taken.
        rtol: relative tolerance of the next iterative solve.
        new: the preconditioner was made for the present matrix, from scratch.
        wear: once it is tired, the next matrix gets a preconditioner from scratch.
        factored_left: matrices still to be factorised after a failure.
    """

    def __init__(self, stage: Problem):
        self.stage = stage
        s = stage.system
        self.comm = s.domain.comm
        self.direct = self._chooses_direct()
        self.matrix: Any = stage.parts.nest
        self.operator, self.names, self.sizes = self.matrix, stage.names, stage.sizes
        alone = [k for k, u in enumerate(stage.unknowns) if u.nodal]
        self.condensed = None
        if alone and not self.direct:
            self.condensed = Condensed(self.matrix, stage.local, alone[0])
            self.operator, self.names = self.condensed.matrix, self.condensed.names
            self.sizes = self.condensed.sizes
        self.alone = not self.direct and len(self.names) == 1
        if self.alone:
            self.operator = self.operator.getNestSubMatrix(0, 0)
        if self.direct:
            self.operator = stage.parts.flat()
        self.decoupling = None
        for salt, split in s.splits.items() if stage.local and not self.direct else ():
            if {salt, split.potential} <= {*self.names}:
                phi, c = (stage.names.index(name) for name in (split.potential, salt))
                # With t_plus = 1 salt drives no current: there is nothing to free it from.
                if stage.parts.blocks[phi][c] is not None:
                    self.decoupling = Decoupling(self, salt)
        self.by_node = ByNode(self) if not self.direct and ByNode.suits(self) else None
        self.rhs = [self._vector() for _ in range(2)]
        self.solution = [self._vector() for _ in range(2)]
        self.prefix = f"hostplate_{next(_ids)}_{'_'.join(stage.names)}_"
        comm: Any = self.comm
        self.ksp = PETSc.KSP().create(comm)
        self.ksp.setOptionsPrefix(self.prefix)
        self.rtol = self.options.linear_rtol
        self.ready = self.new = False
        self.wear = Wear(self.options.patience)
        self.factored_left = 0
        self.factors: Any = None
        self.with_voltage: Bordered | None = None
        self.error = 0  # that PETSc raised last

    def _chooses_direct(self) -> bool:
        stage, options, s = self.stage, self.options, self.stage.system
        flat = s.domain.dim == 2
        if options.kind == "auto" and flat and s.hints.tight:
            return True
        if options.kind == "auto" and [u.solver for u in stage.unknowns] == ["diagonal"]:
            return False  # one iteration solves it: there is nothing to factorise
        limit = options.direct_limit_2d if flat else options.direct_limit_3d
        size = stage.total_size
        if s.hints.lasting:
            limit = options.direct_limit_growth if flat else min(limit, options.direct_limit_growth)
            dofmaps = [u.space.dofmap for u in s.unknowns.values()]
            size = sum(d.index_map.size_global * d.index_map_bs for d in dofmaps)
        if not flat and [u.definite for u in stage.unknowns] == [True]:
            limit, size = min(limit, options.direct_limit_definite), stage.total_size
        return options.kind == "direct" or (options.kind == "auto" and size <= limit)

    @property
    def options(self) -> Options:
        """Options of the stage."""
        return self.stage.options

    # -- vectors -------------------------------------------------------------------------------

    def _vector(self) -> Any:
        """A vector with the owned values of all unknowns, one field after the other."""
        vector = self.operator.createVecRight()
        vector.setUp()
        return vector

    def put(self, vec: Any, arrays: Sequence[Array]) -> None:
        """Put the owned values of these unknowns into a vector."""
        vec.array_w[:] = np.concatenate(arrays)

    def get(self, vec: Any) -> list[Array]:
        """Values of a vector, split by unknown."""
        return self._split(vec.array_r.copy())

    def _split(self, values: Array) -> list[Array]:
        return list(np.split(values, np.cumsum(self.sizes)[:-1]))

    # -- set-up --------------------------------------------------------------------------------

    def begin(self) -> None:
        """A Newton solve begins: the state is another one."""
        self._forget_border()
        self.wear.begin()

    def update(self, fresh: bool = False) -> int:
        """Take the matrix just filled; 1 if the solver was set up anew, 0 if it kept its set-up.

        From scratch takes several times as long as to take new values into what is there, as
        multigrid then keeps its aggregates. These are of the values that they were chosen by: once
        metal fills pores that were empty they no longer suit.

        Args:
            fresh: take the values of this matrix in any case.
        """
        if self.factors is not None:
            self.factors.destroy()
            self.factors = None
            self.factored_left -= 1
            self.ready = self.ready and self.factored_left > 0  # else it is old by now
        if self.direct:
            self.operator = self.stage.parts.flat()
        if self.condensed is not None:
            self.condensed.update()
        if self.wear.tired or not self.ready:
            self._begin_anew()
            return 1
        self.ksp.setOperators(self.operator)
        if self.direct:
            return 1
        self.new = False
        if fresh:
            self._forget_border()
            self.ksp.getPC().setReusePreconditioner(False)
        return int(fresh)

    def renew(self) -> bool:
        """After a failure: set up a new preconditioner, False if it is new already."""
        if self.direct or self.new:
            return False
        self._begin_anew()
        return True

    def _begin_anew(self) -> None:
        """Set up the solver from scratch."""
        self._forget_border()
        self.ksp.reset()
        self.ready = self._holds(self._configure)
        self.wear.renew()
        self.new = True

    def _forget_border(self) -> None:
        if self.with_voltage is not None:
            self.with_voltage.forget()

    def _chosen(self) -> dict[str, object]:
        """Options of the method; those of the user and PETSc's command line win."""
        if self.direct:
            options: dict[str, object] = dict(_LU)
        else:
            options = _FGMRES | {
                "ksp_max_it": self.options.max_linear,
                "pc_type": "fieldsplit",
                "pc_fieldsplit_type": "multiplicative",
            }
            system = self.stage.system
            for name in self.names:
                inside = "" if self.alone else f"fieldsplit_{name}_"
                chosen = _FIELD_SOLVER[system.unknowns[name].solver]
                if chosen is _GAMG and system.hints.even_mesh:
                    chosen = _SMOOTHED
                elif chosen is _GAMG and system.domain.dim == 2:
                    chosen = _STRETCHED
                if not self.alone:
                    options[f"{inside}ksp_type"] = "preonly"
                options |= {f"{inside}{k}": v for k, v in chosen.items()}
        one = self.stage.system.unknowns[self.names[0]]
        if self.alone and one.definite and not self.stage.drives:
            options |= {"ksp_type": "cg"} | _EVEN
        return options | self.options.overrides

    def _configure(self) -> None:
        """Set up the linear solver, and what frees the salt from the potential or goes by nodes."""
        ksp, options = self.ksp, self._chosen()
        ksp.setOperators(self.operator)
        if self.direct or self.alone:
            with quiet_options(self.prefix, options):
                ksp.setFromOptions()
                ksp.setUp()
            return
        pc, prefix, outer = ksp.getPC(), self.prefix, options
        if self.by_node is not None:
            self.by_node.pc.reset()
            inside = f"{prefix}nodes_"
            outer = {k: v for k, v in options.items() if k.startswith("ksp_")}
            pc.setType("python")
            pc.setPythonContext(Callee(self.by_node))
            self.by_node.pc.setOptionsPrefix(inside)
            with quiet_options(prefix, outer), quiet_options(inside, _NODES):
                self.by_node.pc.setFromOptions()
                ksp.setFromOptions()
                ksp.setUp()
            return
        if self.decoupling is not None:
            self.decoupling.renew()
            self.decoupling.pc.reset()
            pc.setType("python")
            pc.setPythonContext(Callee(self.decoupling))
            pc, prefix = self.decoupling.pc, f"{prefix}inside_"
            pc.setOptionsPrefix(prefix)
            pc.setOperators(self.decoupling.lower, self.decoupling.matrix)
            options["pc_fieldsplit_off_diag_use_amat"] = True
            outer = {k: v for k, v in options.items() if k.startswith("ksp_")}
        with quiet_options(prefix, options), quiet_options(self.prefix, outer):
            rows, _ = self.operator.getNestISs()
            pc.setType("fieldsplit")
            pc.setFieldSplitIS(*zip(self.names, rows, strict=True))
            pc.setFromOptions()
            ksp.setFromOptions()
            ksp.getPC().setUp()  # not its own vectors, which a voltage sought does not need
            for sub in pc.getFieldSplitSubKSP():
                sub.setFromOptions()
                sub.setUp()  # reads the options of its multigrid levels

    def _holds(self, action: Callable[[], object]) -> bool:
        """Let PETSc do something; False if it stopped without, and `why` then gives the reason."""
        try:
            action()
        except PETSc.Error as error:
            self.error = int(getattr(error, "ierr", -1))
            return False
        return True

    @property
    def why(self) -> str:
        """Cause of the last failure as a clause, empty where PETSc names none."""
        code = 0
        with contextlib.suppress(PETSc.Error):
            factors = self.ksp.getPC().getFactorMatrix() if self.direct else None
            code = factors.getMumpsInfog(1) if factors else 0
        if code in SINGULAR_CODES:
            return (": its matrix is singular (MUMPS -10): some part of the mesh has no potential "
                    "or no salt, or a conductivity is 0 there")
        if code in MEMORY_CODES:
            return (f": not enough memory for its factors (MUMPS {code}); take more ranks or a "
                    "coarser mesh")
        if code < 0:
            return f": its factorisation stopped (MUMPS {code})"
        return f": PETSc stopped with its error {self.error}" if self.error else ""

    def _watch(self, iterations: int) -> None:
        """Keep the preconditioner, and count what it costs."""
        self.ksp.getPC().setReusePreconditioner(True)
        self.wear.count(iterations, self.rtol)

    # -- solves --------------------------------------------------------------------------------

    def step(self, residual: Sequence[Array]) -> Step:
        """Newton's step at an imposed voltage (collective).

        Args:
            residual: F of all unknowns, A.
        """
        y, iterations, good = self.apply_inverse(0, [-r for r in residual])
        if not self.direct and not self.factored_left:
            self._watch(iterations)
        return (y, 0.0), iterations, good

    def step_with_voltage(
        self, residual: list[Array], border: list[Array], gradient: list[Array], slope: float,
        gap: float,
    ) -> Step:
        """Newton's step at an imposed current (collective).

        Args:
            residual: F, A.
            border: b, A/V.
            gradient: g.
            slope: d, A/V.
            gap: i - I, A.
        """
        if not self.direct and not self.factored_left:
            step, iterations, good = self._bordered(residual, border, gradient, slope, gap)
            self._watch(iterations)
            if good or not self.new:
                return step, iterations, good
            self.factored_left = FACTORISED_SOLVES
        y, _, good = self.apply_inverse(0, [-r for r in residual])
        w, _, fine = self.apply_inverse(1, border)
        local = np.array([
            sum(float(g @ a) for g, a in zip(gradient, y, strict=True)),
            sum(float(g @ a) for g, a in zip(gradient, w, strict=True)),
        ])
        self.comm.Allreduce(MPI.IN_PLACE, local, op=MPI.SUM)
        gy, gw = local.tolist()
        if slope == gw or not math.isfinite(gw + gy):
            return (y, 0.0), 0, False
        dE = -(gap + gy) / (slope - gw)
        return ([a - dE * b for a, b in zip(y, w, strict=True)], dE), 0, good and fine

    def apply_inverse(self, k: int, rhs: Sequence[Array]) -> tuple[list[Array], int, bool]:
        """Solve J x = rhs (A) with the k-th pair of vectors (collective)."""
        rhs = [r / ROW_UNIT for r in rhs]
        outer = list(rhs) if self.condensed is None else self.condensed.reduce(rhs)
        self.put(self.rhs[k], outer)
        iterations, good = 0, False
        if not self.factored_left:
            self.ksp.rtol = self.rtol
            went = self._solves(self.ksp, k)
            iterations = self.ksp.getIterationNumber()
            good = went and self.ksp.getConvergedReason() > 0  # type: ignore[operator]
            if not good and self.new and not self.direct:
                self.factored_left = FACTORISED_SOLVES
        if self.factored_left:
            good = self._factorise(k)
        x = self.get(self.solution[k])
        if self.condensed is not None:
            x = self.condensed.expand(x, rhs)
        return x, iterations, good

    def _solves(self, ksp: Any, k: int) -> bool:
        """Solve with the k-th pair of vectors; False after an error of PETSc.

        That leaves vectors locked and the solver unfit: both are made anew.
        """
        if self._holds(lambda: ksp.solve(self.rhs[k], self.solution[k])):
            return True
        self.rhs[k], self.solution[k] = self._vector(), self._vector()
        self.ready = self.ready and ksp is not self.ksp
        return False

    def _factorise(self, k: int) -> bool:
        """Solve by a factorisation, where the iterative solver failed a moment ago (collective)."""
        if self.factors is None:
            flat = PETSc.Mat()
            if self.alone:
                flat = self.operator.copy()
            else:
                self.operator.convert("aij", flat)
            comm: Any = self.comm
            self.factors = PETSc.KSP().create(comm)
            self.factors.setOptionsPrefix(f"{self.prefix}factors_")
            self.factors.setOperators(flat)
            options: dict[str, object] = dict(_LU)
            with quiet_options(f"{self.prefix}factors_", options):
                self.factors.setFromOptions()
            flat.destroy()
        if not self._solves(self.factors, k):
            return False
        reason: int = self.factors.getConvergedReason()
        return reason > 0

    def _bordered(
        self, residual: list[Array], border: list[Array], gradient: list[Array], slope: float,
        gap: float,
    ) -> Step:
        """The step by Krylov iterations in which the voltage takes part."""
        right, b, g = ([a / ROW_UNIT for a in arrays] for arrays in (residual, border, gradient))
        right, d, gap = [-r for r in right], slope / ROW_UNIT, -gap / ROW_UNIT
        if self.condensed is None:
            outer, inner_b, inner_g = right, b, g
        else:
            q = self.condensed.q
            inner_g, weights = self.condensed.fold(g)
            outer, inner_b = self.condensed.reduce(right), self.condensed.reduce(b)
            local = np.array([float(weights @ b[q]), float(weights @ right[q])])
            less = self.comm.allreduce(local, op=MPI.SUM)
            d, gap = d - less[0], gap - less[1]
        if self.with_voltage is None:
            options: dict[str, object] = _FGMRES | {"ksp_max_it": self.options.max_linear}
            options |= {k: v for k, v in self.options.overrides.items() if k.startswith("ksp_")}
            self.with_voltage = Bordered(
                self.operator, (self.rhs[1], self.solution[1]), self.ksp.getPC(),
                f"{self.prefix}bordered_", options,
            )
        self.ksp.getPC().setUp()
        x, dE, iterations, good = self.with_voltage.solve(
            self.operator, np.concatenate(inner_b), np.concatenate(inner_g), d,
            np.concatenate(outer), gap, self.rtol,
        )
        fields = self._split(x)
        if self.condensed is not None:
            whole = [r - dE * slope_of for r, slope_of in zip(right, b, strict=True)]
            fields = self.condensed.expand(fields, whole)
        return (fields, dE), iterations, good

    def release(self) -> None:
        """Free what the next solve makes anew: multigrid, Krylov vectors (collective)."""
        if self.direct:
            return
        self.ready = False
        self.ksp.reset()
        if self.with_voltage is not None:
            self.with_voltage.destroy()
            self.with_voltage = None

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        for helper in (self.with_voltage, self.decoupling, self.by_node):
            if helper is not None:
                helper.destroy()
        for thing in (*self.rhs, *self.solution, self.matrix, self.ksp):
            thing.destroy()


_FGMRES: dict[str, object] = {"ksp_type": "fgmres", "ksp_gmres_restart": 60}
_LU: dict[str, object] = {
    "ksp_type": "preonly",
    "pc_type": "lu",
    "pc_factor_mat_solver_type": "mumps",
    "mat_mumps_icntl_14": 60,
}
# One V-cycle of unsmoothed aggregation. In a fibre mat smoothed prolongators fill the coarse levels
# (91,000 pore nodes: 13 s to set up, 0.14 s an iteration; unsmoothed 0.3 s and 0.02 s, for 16
# iterations instead of 9). Threshold 0 drops the structural zeros of lumped walls from the graph.
_GAMG: dict[str, object] = {
    "pc_type": "gamg",
    "pc_gamg_agg_nsmooths": 0,
    "pc_gamg_threshold": 0.0,
    "mg_levels_pc_type": "sor",
}
# All unknowns of a node at once. Incomplete factors in blocks of nodes smooth what drifts; GMRES
# around them holds at 17 RT/F a cell, too, where without it the coarse levels spoil the iterations.
# Smoothed prolongators take 15 s to set up for 3 iterations less, successive relaxation diverges
# (25,000 nodes, Debye length 0.02 of the cell).
_NODES: dict[str, object] = _GAMG | {
    "mg_levels_ksp_type": "gmres",
    "mg_levels_ksp_max_it": 2,
    "mg_levels_pc_type": "bjacobi",
    "mg_levels_sub_pc_type": "ilu",
}
# In 2D, and on the even meshes of growth, smoothing costs nothing: 8 instead of 25 iterations with
# 75,000 pore nodes in 2D; 13 of 0.05 s instead of 35 of 0.06 s with 47,000 in 3D.
_SMOOTHED = _GAMG | {
    "pc_gamg_agg_nsmooths": 1,
    "pc_gamg_threshold": 0.02,
    "mg_levels_ksp_type": "richardson",
    "mg_levels_ksp_max_it": 1,
}
# Other meshes in 2D. An averaged host of 20,000 even cells below a gap of cells five times as high
# as wide, whose rows couple by 0.02 of the diagonal: 16 iterations a step with 0.03 to 0.08, 24
# with 0.02; cut foams and powders gain a twentieth. Growth loses as much (1.27 instead of 1.19 a
# decade).
_STRETCHED = _SMOOTHED | {"pc_gamg_threshold": 0.04}
# For conjugate gradients, which ask for the same smoothing before and after the coarse correction.
# In a 3D fibre mat of 300,000 cells with contrast 1e7: 15 iterations to 1e-10 of the flux; with
# threshold 0.02 and Chebyshev 19 at the same cost, with threshold 0 35.
_EVEN: dict[str, object] = {
    "pc_gamg_agg_nsmooths": 1,
    "pc_gamg_threshold": 0.05,
    "mg_levels_ksp_type": "richardson",
    "mg_levels_ksp_max_it": 2,
}
_FIELD_SOLVER: dict[str, dict[str, object]] = {
    "multigrid": _GAMG,
    "blocks": {"pc_type": "bjacobi"},
    "diagonal": {"pc_type": "jacobi"},
}
