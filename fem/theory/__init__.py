"""Closed forms of electrodeposition: plain functions, numpy in, numpy out, SI throughout.

Every argument may be a float or an array (they broadcast); scalars give a float. Arguments out of
range raise ValueError with the name, the bound and the value. Symbols:

| name | meaning | unit |
|---|---|---|
| J | current density, a positive magnitude | A/m2 |
| c0 | salt concentration at the start or far away | mol/m3 |
| D, kappa, sigma | salt diffusivity, ionic and electronic conductivity | m2/s, S/m, S/m |
| t_plus, z | transference number and charge number of the cation | - |
| z_minus | charge number of the anion, below 0; not given: -z | - |
| L, T | distance between the electrodes (or stated length), temperature | m, K |
| molar_volume, surface_energy | of the metal | m3/mol, J/m2 |
"""

from fem.theory.current import (
    bottom_up,
    column_number,
    disk_current,
    resistive_column,
    sphere_limiting_current,
    tafel_column,
    wagner_linear,
    wagner_number,
    wagner_tafel,
)
from fem.theory.cycling import (
    apparent_retention,
    cycles_of_excess,
    cycles_to,
    host_thickness,
    metal_mass,
    n_to_p,
    retention,
)
from fem.theory.effective import (
    bruggeman,
    cylinder_array,
    hashin_shtrikman,
    maxwell_cylinders,
    maxwell_spheres,
)
from fem.theory.growth import (
    coulombic_efficiency,
    cubic_curvature,
    cubic_surface_energy,
    faraday_thickness,
    front_growth_rate,
    front_speed,
    neutral_wavelength,
)
from fem.theory.mechanics import monroe_newman_factor, monroe_newman_shift, sei_shell_stress
from fem.theory.nucleation import (
    critical_radius,
    heterogeneous_factor,
    nucleation_barrier,
    nucleation_rate,
    nuclei_density_ratio,
    nucleus_current,
)
from fem.theory.space_charge import (
    boltzmann_anion,
    debye_length,
    donnan_potential,
    gouy_chapman,
    grahame_charge,
)
from fem.theory.transport import (
    chazalviel_speed,
    closed_cell_concentration,
    concentration_cell_voltage,
    depletion_time,
    limiting_current,
    polarisation,
    sand_capacity,
    sand_time,
    sand_time_of_ions,
    steady_gradient,
)

__all__ = [
    "apparent_retention",
    "boltzmann_anion",
    "bottom_up",
    "bruggeman",
    "chazalviel_speed",
    "closed_cell_concentration",
    "column_number",
    "concentration_cell_voltage",
    "coulombic_efficiency",
    "critical_radius",
    "cubic_curvature",
    "cubic_surface_energy",
    "cycles_of_excess",
    "cycles_to",
    "cylinder_array",
    "debye_length",
    "depletion_time",
    "disk_current",
    "donnan_potential",
    "faraday_thickness",
    "front_growth_rate",
    "front_speed",
    "gouy_chapman",
    "grahame_charge",
    "hashin_shtrikman",
    "heterogeneous_factor",
    "host_thickness",
    "limiting_current",
    "maxwell_cylinders",
    "maxwell_spheres",
    "metal_mass",
    "monroe_newman_factor",
    "monroe_newman_shift",
    "n_to_p",
    "neutral_wavelength",
    "nucleation_barrier",
    "nucleation_rate",
    "nuclei_density_ratio",
    "nucleus_current",
    "polarisation",
    "resistive_column",
    "retention",
    "sand_capacity",
    "sand_time",
    "sand_time_of_ions",
    "sei_shell_stress",
    "sphere_limiting_current",
    "steady_gradient",
    "tafel_column",
    "wagner_linear",
    "wagner_number",
    "wagner_tafel",
]
