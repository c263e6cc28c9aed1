"""Sums that one physics takes up and others contribute to, and reactions without area."""

from __future__ import annotations

import numpy as np
import pytest
import ufl

from fem.base.errors import RunError
from fem.solver.options import Control, Options
from fem.solver.stage import Stage
from fem.system.nodal import LocalTerms, NodalReaction
from fem.system.system import System
from tests.verification.fronts import box

HERE = ("electrolyte",)


def test_a_rod_is_heated_by_its_current() -> None:
    """-k T'' = sigma (U/L)^2 between ends at 0: in the middle sigma U^2/(8 k), whatever L."""
    domain = box((0, 0), (1.0, 2.0), (2, 16))
    s, part = System(domain), domain.subdomain(HERE)
    sigma, k, U = 7.0, 0.5, 1.2
    s.slot("heat")
    T = s.add("T", part, degree=2, slot="heat")
    s.ports.take("heat", "T")  # before anybody has contributed
    phi = s.add("phi", part, potential=True)
    dx = domain.dx(HERE)
    s.row("T", k * ufl.inner(ufl.grad(T.value), ufl.grad(T.test)) * dx)
    s.row("phi", sigma * ufl.inner(ufl.grad(phi.value), ufl.grad(phi.test)) * dx)
    s.ports.contribute(
        "heat", lambda v: sigma * ufl.inner(ufl.grad(phi.value), ufl.grad(phi.value)) * v * dx
    )
    for u, top in ((T, 0.0), (phi, U)):
        for name, value in (("collector", 0.0), ("counter", top)):
            u.fix(domain.nodes_on(u.space, part, faces=((name, *HERE),)), value)
    s.close()
    s.begin(0.0)
    for rows in s.plan():
        assert Stage(s, rows, Options("direct"), drives=False).solve(Control(None), 1.0).converged
    assert s.plan() == (("phi",), ("T",))
    assert T.owned.max() == pytest.approx(sigma * U**2 / (8 * k), rel=1e-10)


def test_what_reactions_bring_is_conserved() -> None:
    """The integral of T is the sum of i_n eta over nodes, though T has nodes on edges, too."""
    domain = box((0, 0), (3.0, 2.0), (6, 4))
    s, part = System(domain), domain.subdomain(HERE)
    phi = s.add("phi_l", part, potential=True)
    s.slot("heat")
    T = s.add("T", part, degree=2, slot="heat")
    s.define("c_lagged", ufl.as_ufl(1000.0))
    dx, n = domain.dx(HERE), len(phi.owned)
    rng = np.random.default_rng(4)
    reaction = NodalReaction(
        s, "front", lambda eta, c, T: 5.0 * eta, {"phi_l": np.arange(n, dtype=np.int32)},
        {"phi_l": -1.0}, rng.random(n), drives=False,
    )  # fmt: skip
    s.reactions.append(reaction)
    s.ports.contribute_at_nodes(
        "heat", reaction, lambda: reaction.current() * reaction.overpotential()
    )
    s.ports.take("heat", "T")
    s.row("phi_l", phi.value * phi.test * dx)
    s.row("T", T.value * T.test * domain.dx(HERE, 4))
    s.close()
    phi.value.x.array[:] = rng.random(n) - 0.5
    s.begin(0.0)
    phi.value.x.array[:] = rng.random(n) - 0.5
    supplied = float((5.0 * reaction.area * phi.owned**2).sum())
    assert Stage(s, ("T",), Options("direct"), drives=False).solve(Control(None), 1.0).converged
    assert s.integral(s.form(T.value * dx)) == pytest.approx(supplied, rel=1e-12)


def test_a_port_that_is_not_there() -> None:
    s = System(box((0, 0), (3.0, 2.0), (2, 2)))
    with pytest.raises(RunError, match="no port 'haet'; did you mean 'heat'"):
        s.ports.contribute("haet", lambda v: v)


def test_a_reaction_without_area_is_not_asked() -> None:
    """Its law is not evaluated and it brings nothing; once it has area somewhere it does."""
    domain = box((0, 0), (3.0, 2.0), (6, 4))
    s, part = System(domain), domain.subdomain(HERE)
    phi = s.add("phi_l", part, potential=True)
    s.define("c_lagged", ufl.as_ufl(1000.0))
    n, asked = len(phi.owned), []

    def law(eta: np.ndarray, c: np.ndarray, T: np.ndarray | float) -> np.ndarray:
        asked.append(len(eta))
        return 5.0 * eta

    nodes = {"phi_l": np.arange(n, dtype=np.int32)}
    reaction = NodalReaction(s, "front", law, nodes, {"phi_l": -1.0}, np.zeros(n), drives=False)
    s.reactions.append(reaction)
    phi.owned[:] = 0.1
    local = LocalTerms(s, ["phi_l"])
    found = local.residual()["phi_l"]
    local.linearise()
    assert not found.any() and not local.diagonal("phi_l").any()
    assert not reaction.current().any() and not any(reaction.spending().values())
    assert asked == []
    reaction.area = np.where(np.arange(n) == 3, 2.0, 0.0)
    found = local.residual()["phi_l"]
    local.linearise()
    assert found.sum() == pytest.approx(5.0 * 0.1 * 2.0) and asked  # i_n of -0.1 V, into the row
    assert local.diagonal("phi_l").sum() == pytest.approx(5.0 * 2.0)
