"""COMSOL's tables of a metal cell in a charged host, by J. Electrochem. Soc. 166 (2019) A2280.

E. Khoo, H. Zhao, M. Z. Bazant: J = 1.5 in units of 4 F D c0/L, time in Sand's times, concentrations
over c0, eta in RT/F. Their anode x = 0 is our counter electrode, their cathode x = 1 the collector.
"""

from __future__ import annotations

#: Without charge: times; c at the cathode, exact; eta at the cathode and at the anode.
TIMES = [0.2, 0.4, 0.6, 0.8, 0.85, 0.9, 0.95]
C_EXACT = [0.55279, 0.36760, 0.22648, 0.11071, 0.08489, 0.06019, 0.03654]
ETA_1 = [-6.01326, -6.4195, -6.90225, -7.61855, -7.88609, -8.23146, -8.73991]
ETA_0 = [5.05943, 4.94059, 4.85891, 4.79675, 4.78354, 4.7713, 4.76069]
#: With rho_s = -0.05: time -> eta at the cathode, beyond the neutral cell's end.
CHARGED = {0.2: -5.90541, 0.6: -6.59836, 1.0: -7.52713, 1.2: -8.09749, 1.6: -8.41063, 2.0: -8.41226}
