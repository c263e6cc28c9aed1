r"""The salt of a binary electrolyte: what its charges and its formula bring into transport.

A salt M_(nu+) X_(nu-) of concentration c (formula units) dissolves into M^(z) and X^(z_minus),
nu_plus z = nu_minus |z_minus| = n: the equivalents. Concentrated-solution theory, with phi_l the
potential of a reference electrode of the metal M held in the local solution, then reads

    i_l  = -kappa grad phi_l + kappa g (RT/F) (1 + dlnf/dlnc) (1 - t_plus) grad ln c
    N_an = -D grad c - (1 - t_plus) i_l/(n F)          anion flux over nu_minus
    g = (nu_plus + nu_minus)/(nu_plus z) = 1/z + 1/|z_minus|

    salt               z  z_minus   nu_plus  nu_minus   n     g
    LiPF6              1    -1         1        1       1     2
    ZnSO4              2    -2         1        1       2     1
    ZnCl2, Mg(TFSI)2   2    -1         1        2       2    3/2
    Li2SO4             1    -2         2        1       2    3/2

How: the reference electrode M = M^(z) + z e- has s_plus = -1 and z electrons in Newman's
i = -kappa grad phi_l - (kappa/F) [s_plus/(z nu_plus) + t_plus/(z nu_plus)] grad mu_e, and
grad mu_e = (nu_plus + nu_minus) RT (1 + dlnf/dlnc) grad ln c; the anions, which no electrode
touches, carry (1 - t_plus) i_l/(z_minus F) beside -nu_minus D grad c. For a z:z salt g = 2/z and
n = z. Nothing else of the formula enters: n and g belong to every prefactor there is.

Source: J. Newman and K. E. Thomas-Alyea, Electrochemical Systems, 3rd ed. (2004), chapter 12.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fem.base.constants import FARADAY, GAS_CONSTANT

__all__ = ["MONOVALENT", "Salt"]


class Salt(NamedTuple):
    """A binary salt by the charges of its ions; its formula is the smallest neutral one.

    Attributes:
        z: charge number of the metal ion, above 0.
        z_minus: charge number of the anion, below 0.
    """

    z: int = 1
    z_minus: int = -1

    @property
    def equivalents(self) -> int:
        """Charge of the metal ions of a formula unit, n = nu_plus z, in units of F/mol."""
        return math.lcm(self.z, self.z_minus)

    @property
    def nu_plus(self) -> int:
        """Metal ions in a formula unit."""
        return self.equivalents // self.z

    @property
    def nu_minus(self) -> int:
        """Anions in a formula unit."""
        return self.equivalents // -self.z_minus

    @property
    def factor(self) -> float:
        """Factor of the diffusion potential, g = 1/z + 1/|z_minus|."""
        return 1 / self.z - 1 / self.z_minus

    def diffusion_potential(self, T: Any, thermodynamic_factor: Any, t_plus: Any) -> Any:
        """The potential phi_l gains over ln c without current, g (RT/F)(1 + dlnf/dlnc)(1 - t+), V.

        Args:
            T: K.
            thermodynamic_factor: 1 + dlnf/dlnc.
            t_plus: transference number of the metal ion.
        """
        return self.factor * GAS_CONSTANT * T / FARADAY * thermodynamic_factor * (1 - t_plus)

    def anions_left(self, t_plus: Any) -> Any:
        """Salt that a current leaves behind, (1 - t_plus)/(n F), mol/C: it carries no anions."""
        return (1 - t_plus) / (self.equivalents * FARADAY)

    def ideal_kappa(self, c: Any, T: Any, D: Any, t_plus: Any) -> Any:
        """Conductivity of an ideal salt (Nernst-Einstein), n F^2 c D/(g RT t+ (1 - t+)), S/m.

        Follows from F^2 sum z_i^2 D_i c_i/(RT), t_plus = z D+/(z D+ + |z-| D-) and
        D = (z + |z-|) D+ D-/(z D+ + |z-| D-).

        Args:
            c: mol/m3.
            T: K.
            D: salt diffusivity, m2/s.
            t_plus: between 0 and 1.
        """
        n = self.equivalents * FARADAY * FARADAY
        return n * c * D / (self.factor * GAS_CONSTANT * T * t_plus * (1.0 - t_plus))


#: A salt whose ions carry one charge each, such as LiPF6.
MONOVALENT = Salt(1, -1)
