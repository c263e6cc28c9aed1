"""Ions at rest: the equilibrium that a cell with charged walls or layers begins with."""

from __future__ import annotations

import numpy as np
import ufl

from fem.base.constants import FARADAY
from fem.base.errors import RunError
from fem.physics.pnp.space_charge import ROUND_OFF_SHARE, SpaceCharge
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.system import System

__all__ = ["settle"]

#: Most change of phi in one iteration, in RT/F: ions follow it exponentially.
MAX_MOVE = 4.0
MAX_NEWTON = 200


def settle(model: SpaceCharge) -> int:
    """Set ions and potential to their equilibrium with the electrolyte of the start (collective).

    Every ion is at its electrochemical potential in the bath, c_i = c0_i exp(-z_i phi F/RT),
    and metal at rest has phi_s = 0: Poisson's equation alone, one unknown a node.

    Returns:
        Newton iterations.

    Raises:
        RunError: it is not found.
    """
    main = model.s
    s = System(main.domain, float(main.temperature.value))
    s.hints.tight = True
    known = main.unknowns["phi"]
    phi = s.add("phi", known.part, potential=True, scale=model.thermal)
    phi.largest_move = MAX_MOVE * model.thermal
    phi.value.x.array[:] = known.value.x.array
    phi.fixed += known.fixed
    lift = phi.value / model.thermal
    ions = {ion.name: ion.c0 * ufl.exp(-ion.z * lift) for ion in model.ions}
    rho = FARADAY * sum(ion.z * ions[ion.name] for ion in model.ions)
    model.poisson(s, rho)
    for e in model.electrodes:
        both = model.omega * model.stern * phi.value * phi.test
        s.row("phi", s.domain.integral_on(e.walls, e.faces, both))
    s.remember()
    s.close()
    options = Options(kind=main.shared.get("solver", "auto"), max_newton=MAX_NEWTON)
    stage = Stage(s, ("phi",), options, drives=False)
    strength = sum(abs(ion.z) * ion.c0 for ion in model.ions)
    content = strength * FARADAY * s.domain.volume(model.regions)
    # As exactly as the rows of steps: what a step finds missing of this charge, it calls a current.
    scale = ROUND_OFF_SHARE * float(model.omega.value) * content
    outcome = stage.solve(Control(None), scale)
    stage.destroy()
    if not outcome.converged:
        share = ROUND_OFF_SHARE * outcome.residual
        raise RunError(
            f"pnp: no equilibrium of ions and charge at the start ({outcome.reason}, residual "
            f"{share:.1e} of all ions); refine the mesh at charged walls"
        )
    known.value.x.array[:] = phi.value.x.array
    at = model.nodes_of_phi
    level = phi.value.x.array[at] / model.thermal
    for ion in model.ions:
        main.unknowns[model.name_of(ion)].value.x.array[:] = ion.c0 * np.exp(-ion.z * level)
    main.remember()
    return outcome.newton
