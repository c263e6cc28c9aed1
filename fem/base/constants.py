"""Physical constants, SI (CODATA 2018, exact where the SI defines them)."""

from __future__ import annotations

#: Avogadro constant, 1/mol (exact).
AVOGADRO = 6.02214076e23
#: Boltzmann constant, J/K (exact).
BOLTZMANN = 1.380649e-23
#: Elementary charge, C (exact).
ELEMENTARY_CHARGE = 1.602176634e-19
#: Charge of a mole of elementary charges, C/mol (exact).
FARADAY = AVOGADRO * ELEMENTARY_CHARGE
#: Molar gas constant, J/(mol K) (exact).
GAS_CONSTANT = AVOGADRO * BOLTZMANN
#: Permittivity of vacuum, F/m (measured).
EPSILON_0 = 8.8541878128e-12
#: Temperature that room-temperature data refer to, K.
T_REF = 298.15
