"""Physical constants, SI (CODATA 2018, exact where the SI defines them)."""

from __future__ import annotations

AVOGADRO = 6.02214076e23
"""Avogadro constant, 1/mol (exact)."""
BOLTZMANN = 1.380649e-23
"""Boltzmann constant, J/K (exact)."""
ELEMENTARY_CHARGE = 1.602176634e-19
"""Elementary charge, C (exact)."""
FARADAY = AVOGADRO * ELEMENTARY_CHARGE
"""Charge of a mole of elementary charges, C/mol (exact)."""
GAS_CONSTANT = AVOGADRO * BOLTZMANN
"""Molar gas constant, J/(mol K) (exact)."""
EPSILON_0 = 8.8541878128e-12
"""Permittivity of vacuum, F/m (measured)."""
MU_0 = 1.25663706212e-6
"""Permeability of vacuum, H/m (measured)."""
T_REF = 298.15
"""Temperature that room-temperature data refer to, K."""
