"""What a CT scan costs: CTDIvol and dose-length product, shots of CT fluoroscopy and the table's travel.

>>> shot = ct_dose(kvp=120, mas=30, length=12e-3)
>>> round(shot.ctdi_vol * 1e3, 2), round(shot.dlp * 1e5, 2)  # mGy, mGy cm
(2.55, 3.06)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vertebro.errors import CaseError
from vertebro.sources import Constant

# weighted CT dose index in the 32 cm body phantom for 100 mAs a turn; scanners differ by a third
CTDI_W = {
    80: Constant(2.4e-3, "Gy/100mAs", 1.7e-3, 3.0e-3, "impact_ct", "recalled", "0.28 of 120 kV"),
    100: Constant(5.1e-3, "Gy/100mAs", 4.0e-3, 6.2e-3, "impact_ct", "recalled", "0.60 of 120 kV"),
    120: Constant(8.5e-3, "Gy/100mAs", 7.2e-3, 10.1e-3, "fujii2009", "computed", "mean of four 64-row scanners"),
    140: Constant(12.4e-3, "Gy/100mAs", 10.0e-3, 15.0e-3, "impact_ct", "recalled", "1.46 of 120 kV"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CTDose:
    """Dose of one scan or shot.

    Attributes
    ----------
    kvp : float [kV]
    mas : float [mAs]
        Of a turn.
    ctdi_vol : float [Gy]
    length : float [m]
        Irradiated.
    dlp : float [Gy m]
        1 Gy m is 1e5 mGy cm.
    """

    kvp: float
    mas: float
    ctdi_vol: float
    length: float
    dlp: float

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return asdict(self)


def ct_dose(*, kvp: float, mas: float, length: float, pitch: float = 1.0) -> CTDose:
    """Dose of a scan from the table of CT dose indices.

    Parameters
    ----------
    kvp : float [kV]
        80 to 140; log-log between the tabulated voltages.
    mas : float [mAs]
        Tube charge of a turn.
    length : float [m]
        Irradiated along the patient; the collimation for a shot without travel.
    pitch : float
        Table feed of a turn over the collimation.

    Raises
    ------
    CaseError
        If a value is out of range.
    """
    if not (80 <= kvp <= 140 and 0 < mas <= 2000 and 0 < length <= 2 and 0.1 <= pitch <= 3):
        raise CaseError(
            "no dose for this scan",
            where="kvp, mas, length, pitch",
            value=(kvp, mas, length, pitch),
            allowed="80 to 140 kV, up to 2000 mAs, 0 to 2 m, pitch 0.1 to 3",
        )
    voltages, index = np.log(list(CTDI_W)), np.log([float(value) for value in CTDI_W.values()])
    weighted = float(np.exp(np.interp(np.log(kvp), voltages, index))) * mas / 100
    ctdi_vol = weighted / pitch
    return CTDose(kvp=kvp, mas=mas, ctdi_vol=ctdi_vol, length=length, dlp=ctdi_vol * length)


@dataclass(kw_only=True, slots=True)
class CTLedger:
    """Adds up the CT of a procedure.

    Attributes
    ----------
    scans : list of dict
        What was booked, in order: phase, table position [m], turns and the dose.
    dlp : float [Gy m]
    beam_time : float [s]
    travel : float [m]
        Of the table between scans.
    """

    scans: list[dict[str, Any]] = field(default_factory=list)
    dlp: float = 0.0
    beam_time: float = 0.0
    travel: float = 0.0
    _local: dict[float, float] = field(default_factory=dict)

    def add(self, dose: CTDose, *, phase: str, table: float, seconds: float = 0.5) -> None:
        """Write a scan or shot down.

        Parameters
        ----------
        dose : CTDose
        phase : str
            ``"planning"``, ``"needle"``, ``"cement"``, ``"control"`` … as the caller likes.
        table : float [m]
            Height of the scan's middle in the world.
        seconds : float [s]
            Beam-on time.

        Raises
        ------
        CaseError
            If the phase has no name or a number is impossible.
        """
        if not (phase and np.isfinite(table) and 0 < seconds < 1000):
            raise CaseError(
                "a scan that cannot be booked", value=(phase, table, seconds), allowed="a name, finite, 0 to 1000 s"
            )
        if self.scans:
            self.travel += abs(table - float(self.scans[-1]["table_m"]))
        self.scans.append({"phase": phase, "table_m": float(table), "seconds": float(seconds), **dose.to_dict()})
        self.dlp += dose.dlp
        self.beam_time += seconds
        # shots on the same spot pile up: counted millimetre by millimetre
        low, high = (round((table + side * dose.length / 2) * 1e3) for side in (-1, 1))
        for place in range(low, max(high, low + 1)):
            self._local[place] = self._local.get(place, 0.0) + dose.ctdi_vol

    @property
    def peak_ctdi(self) -> float:
        """Largest sum of CTDIvol over one place [Gy]: repeated shots without travel add up."""
        return max(self._local.values(), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        phases: dict[str, float] = {}
        for scan in self.scans:
            phases[scan["phase"]] = phases.get(scan["phase"], 0.0) + scan["dlp"]
        return {
            "scans": list(self.scans),
            "dlp_gy_m": self.dlp,
            "dlp_mgy_cm": self.dlp * 1e5,
            "peak_ctdi_gy": self.peak_ctdi,
            "beam_time_s": self.beam_time,
            "table_travel_m": self.travel,
            "phases_dlp_gy_m": phases,
        }
