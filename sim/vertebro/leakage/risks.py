"""Risks followed while cement flows: the rearmost cement, the canal, the foramina, cement on its way to the lungs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.leakage.events import DETECTION_VOLUME
from vertebro.leakage.filled import Filled, canal_sections
from vertebro.leakage.frame import BodyFrame
from vertebro.leakage.measures import POSTERIOR_QUARTER, VISIBLE_FRACTION
from vertebro.sources import Constant
from vertebro.units import ml

Float = NDArray[np.float64]

CANAL_ENTERED = Constant(
    1e-3, "1", 1e-6, 1e-2, "vertebro", "ours", "share of the canal's section from which it counts as entered"
)
CANAL_NARROWED = Constant(
    0.25, "1", 0.1, 0.5, "vertebro", "ours", "share of the canal's section whose loss is a grave error"
)
EMBOLIC_TRACE = Constant(
    1e-3 * ml, "m^3", 1e-6 * ml, 0.1 * ml, "vertebro", "ours", "any embolus; less is cement smeared along the ducts"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskSettings:
    """Limits whose crossing is a warning sign.

    Parameters
    ----------
    posterior_margin : float [1]
        Depth of the body that is to stay free, from its posterior wall (jp_tech).
    canal_entered, canal_narrowed : float [1]
        Shares of the canal's cross-section.
    foramen_volume : float [m³]
    embolic_load : float [m³]
        Cement beyond the segmental veins.

    Raises
    ------
    CaseError
        If a limit is negative, not finite or absurd.
    """

    posterior_margin: float = POSTERIOR_QUARTER
    canal_entered: float = CANAL_ENTERED
    canal_narrowed: float = CANAL_NARROWED
    foramen_volume: float = DETECTION_VOLUME
    embolic_load: float = EMBOLIC_TRACE

    def __post_init__(self) -> None:
        for name in ("posterior_margin", "canal_entered", "canal_narrowed", "foramen_volume", "embolic_load"):
            value, high = getattr(self, name), 20 * ml if name in ("foramen_volume", "embolic_load") else 1.0
            if not (math.isfinite(value) and 0.0 < value <= high):
                raise CaseError("out of range", where=f"leakage.{name}", value=value, allowed=f"above 0 to {high:g}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WarningSign:
    """A limit crossed for the first time.

    Attributes
    ----------
    sign : str
        ``posterior quarter``, ``canal entered``, ``canal narrowed``, ``foramen entered`` or ``embolic load``.
    time : float [s]
    value, limit : float
        Shares [1] or volumes [m³].
    source : str
        Key of the limit's source.
    words : str
    """

    sign: str
    time: float
    value: float
    limit: float
    source: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values (s, mL, shares)."""
        volume = self.sign in ("foramen entered", "embolic load")
        unit, scale = ("_ml", ml) if volume else ("", 1.0)
        return {
            "sign": self.sign,
            "t_s": self.time,
            f"value{unit}": self.value / scale,
            f"limit{unit}": self.limit / scale,
            "source": self.source,
            "words": self.words,
        }


class RiskWatch:
    """Follows the risks; call `look` after every round. Looks at the cells with cement only.

    Parameters
    ----------
    grid : VoxelGrid
    compartment : (…) integer array of `Compartment`
    frame : BodyFrame
        A bone without a canal has no posterior-quarter rule.
    settings : RiskSettings

    Attributes
    ----------
    posterior_margin : float [1]
        Rearmost cement in the body, 0 at the posterior, 1 at the anterior wall; 1 while there is none.
    canal_encroachment : float [1]
        Largest share of the canal's cross-section in any axial slice.
    foramen_volume, embolic_load : float [m³]
    signs : list of WarningSign
        In the order of their coming.

    Raises
    ------
    GeometryError
        If the compartments do not fit the grid.
    """

    def __init__(
        self,
        *,
        grid: VoxelGrid,
        compartment: NDArray[np.integer[Any]],
        frame: BodyFrame,
        settings: RiskSettings | None = None,
    ) -> None:
        grid.check(compartment, "compartment")
        self._grid, self._frame, self._settings = grid, frame, settings or RiskSettings()
        self._compartment, self._sections = compartment, canal_sections(compartment, grid)
        self.posterior_margin, self.canal_encroachment = 1.0, 0.0
        self.foramen_volume, self.embolic_load = 0.0, 0.0
        self.signs: list[WarningSign] = []

    def look(self, time: float, cement_volume: Float, embolic: float = 0.0) -> list[WarningSign]:
        """Measure the cement of this moment; returns the signs that are new.

        Parameters
        ----------
        time : float [s]
        cement_volume : (…) float array [m³]
            In every cell, veins and cracks included where they pass the grid.
        embolic : float [m³]
            Cement beyond the segmental veins.

        Raises
        ------
        GeometryError
            If the array does not fit the grid.
        """
        self._grid.check(cement_volume, "cement_volume")
        filled = Filled.of(cement_volume, self._grid, self._compartment)
        margin = filled.posterior_margin(self._frame, VISIBLE_FRACTION)
        self.posterior_margin = 1.0 if margin is None else margin
        self.canal_encroachment = filled.canal_encroachment(self._sections)
        self.foramen_volume = filled.foramen_volume()
        self.embolic_load = float(embolic)
        new = [sign for sign in self._crossed(time) if sign.sign not in {known.sign for known in self.signs}]
        self.signs += new
        return new

    def row(self) -> dict[str, float]:
        """This moment's values for a run's history."""
        return {
            "posterior_margin": self.posterior_margin,
            "canal_encroachment": self.canal_encroachment,
            "volume_foramen_m3": self.foramen_volume,
        }

    def _crossed(self, time: float) -> list[WarningSign]:
        limits, margin, canal = self._settings, self.posterior_margin, self.canal_encroachment
        share, lost = f"{100 * canal:.2g} % of the canal's cross-section", limits.canal_narrowed
        found = []

        def note(sign: str, value: float, limit: float, words: str, source: str = "vertebro") -> None:
            found.append(WarningSign(sign=sign, time=time, value=value, limit=limit, source=source, words=words))

        if self._frame.canal_centre is not None and margin < limits.posterior_margin:
            words = f"cement reaches back to {100 * max(margin, 0.0):.0f} % of the body's depth"
            note("posterior quarter", margin, limits.posterior_margin, words, POSTERIOR_QUARTER.source)
        if canal > limits.canal_entered:
            note("canal entered", canal, limits.canal_entered, f"cement takes {share}")
        if canal > lost:
            note("canal narrowed", canal, lost, f"cement takes {share}, more than {100 * lost:.0f} %")
        if self.foramen_volume > limits.foramen_volume:
            words = f"{self.foramen_volume / ml:.2g} mL of cement in the foramina"
            note("foramen entered", self.foramen_volume, limits.foramen_volume, words)
        if self.embolic_load > limits.embolic_load:
            words = f"{self.embolic_load / ml:.2g} mL of cement beyond the segmental veins"
            note("embolic load", self.embolic_load, limits.embolic_load, words)
        return found
