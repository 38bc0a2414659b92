"""Build the shipped photon tables: ``python -m vertebro.materials.make_tables [FILE]``.

Needed only by developers: run time reads ``data/photons.npz`` and imports neither xraydb nor spekpy. The table holds

- total mass attenuation of the elements [m²/kg] at 10, 11 … 150 keV (xraydb),
- mass energy-absorption of dry air [m²/kg] at the same energies, for air kerma (spekpy's NIST data),
- unfiltered tungsten spectra [photons/(m² keV mAs) at 1 m], 40 … 150 kVp in 1 kV steps, 11 degree anode, in bins of
  1 keV *centred* on the energies above (two half-keV bins of spekpy each).
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ELEMENTS = (
    "H", "C", "N", "O", "F", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca", "Ti", "V", "Cr", "Mn", "Fe", "Co",
    "Ni", "Cu", "Sr", "Zr", "Mo", "I", "Cs", "Ba", "Gd", "Ta", "W", "Au", "Pb",
)  # fmt: skip
ENERGIES = np.arange(10, 151)
VOLTAGES = np.arange(40, 151)
ANODE_ANGLE = 11.0
CM2_PER_G = 0.1  # m²/kg
PER_CM2 = 1e4  # 1/m²


def element_table() -> NDArray[np.float32]:
    """(elements, energies) total mass attenuation [m²/kg]."""
    import xraydb

    return np.array([xraydb.mu_elam(name, ENERGIES * 1e3) for name in ELEMENTS], np.float32) * np.float32(CM2_PER_G)


def spectrum_table() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(voltages, energies) tube spectra and (energies,) mass energy-absorption of air."""
    import spekpy

    rows = [_spectrum(spekpy, int(voltage)) for voltage in VOLTAGES]
    air = spekpy.Spek(kvp=100).muen_air_data.get_muen_over_rho_air(ENERGIES.astype(float))
    return np.array(rows, np.float32), (np.asarray(air) * CM2_PER_G).astype(np.float32)


def _spectrum(spekpy: Any, voltage: int) -> NDArray[np.float64]:
    energy, fluence = spekpy.Spek(kvp=voltage, th=ANODE_ANGLE, z=100, dk=0.5, mas=1).get_spectrum(edges=False)
    counts = np.bincount(np.rint(energy).astype(int), fluence * 0.5, minlength=ENERGIES[-1] + 1)
    return np.asarray(counts[ENERGIES[0] : ENERGIES[-1] + 1] * PER_CM2)


def main(argv: list[str]) -> None:
    """Write the table to the given file, or beside this module."""
    target = Path(argv[0]) if argv else Path(__file__).parent / "data" / "photons.npz"
    spectra, air = spectrum_table()
    provenance = {
        "command": "python -m vertebro.materials.make_tables",
        "xraydb": version("xraydb"),
        "spekpy": version("spekpy"),
        "anode": f"W, {ANODE_ANGLE:g} degrees, no filter, no inherent filtration",
        "licence": "xraydb: public domain / MIT; spekpy: MIT",
    }
    np.savez_compressed(
        target,
        elements=np.array(ELEMENTS),
        energies=ENERGIES,
        mass_attenuation=element_table(),
        air_absorption=air,
        voltages=VOLTAGES,
        spectra=spectra,
        provenance=json.dumps(provenance),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
