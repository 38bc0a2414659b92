"""When a leak counts (`LeakSettings`) and what is said about it (`LeakEvent`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.tissue import LeakKind
from vertebro.units import ml, mm

Float = NDArray[np.float64]

DETECTION_VOLUME = Constant(0.01 * ml, "m^3", 0.001 * ml, 0.1 * ml, "vertebro", "ours", "a drop; about 2.7 mm across")
EMBOLUS_VOLUME = Constant(0.01 * ml, "m^3", 0.001 * ml, 0.1 * ml, "vertebro", "ours", "silent emboli are often smaller")
WET_FRACTION = Constant(1e-4, "1", 1e-9, 1e-2, "vertebro", "ours", "share of a voxel from which cement is traced")
TRACK_DEPTH = Constant(
    2.5 * mm, "m", 1 * mm, 5 * mm, "vertebro", "ours", "needle channel this far from bone is soft tissue"
)
PATH_POINTS = 32  # about as many of a path are told


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakSettings:
    """When cement outside the bone counts.

    Parameters
    ----------
    threshold : float [m³]
        Volume from which a leak is an event.
    embolus_threshold : float [m³]
        Volume beyond the segmental veins from which an embolus is an event.
    wet_fraction : float [1]
        Share of a voxel from which its cement is traced.
    track_depth : float [m]
        Cells of the needle channel farther than this from bone count as soft tissue.

    Raises
    ------
    CaseError
        If a value is negative, not finite or absurd.
    """

    threshold: float = DETECTION_VOLUME
    embolus_threshold: float = EMBOLUS_VOLUME
    wet_fraction: float = WET_FRACTION
    track_depth: float = TRACK_DEPTH

    def __post_init__(self) -> None:
        limits = {
            "threshold": (20 * ml, "m³"),
            "embolus_threshold": (20 * ml, "m³"),
            "wet_fraction": (0.5, "1"),
            "track_depth": (0.05, "m"),
        }
        for name, (high, unit) in limits.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 < value <= high):
                raise CaseError(
                    "out of range", where=f"leakage.{name}", value=value, allowed=f"above 0, at most {high:g} {unit}"
                )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LeakEvent:
    """One leak.

    Attributes
    ----------
    kind : LeakKind
    compartment : str
        Place: ``epidural``, ``foramen_left``, ``disc_superior``, ``paravertebral``, ``track``, ``beyond`` …
    route : str
        How it left the bone: ``basivertebral``, ``segmental``, ``wall``, ``endplate``, ``track``.
    volume : float [m³]
        When the record was made.
    length : float [m]
        Farthest reach from where it began.
    onset, detected : float [s]
        First cement there; volume above the threshold.
    position : (3,) float [m] or None
        First cell outside the bone (or of the place); None where cement left the region and no exit place is known.
    words : str
    key : int
        Identity for `LeakMonitor.path`.
    source_voxel : (3,) tuple of int or None
        Indices of that first cell, or of the cell at the vein or crack that leaked first.
    path : (n, 3) float array [m]
        From there back to where the cement came in.
    """

    kind: LeakKind
    compartment: str
    route: str
    volume: float
    length: float
    onset: float
    detected: float
    position: Float | None
    words: str
    key: int
    source_voxel: tuple[int, int, int] | None
    path: Float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values (mL, s, mm)."""
        return {
            "kind": self.kind.value,
            "compartment": self.compartment,
            "route": self.route,
            "volume_ml": self.volume / ml,
            "length_mm": round(self.length / mm, 2),
            "t_leak_s": self.onset,
            "t_detected_s": self.detected,
            "position_mm": None if self.position is None else [round(float(x) / mm, 2) for x in self.position],
            "position_words": self.words,
            "source_voxel": None if self.source_voxel is None else list(self.source_voxel),
            "path_mm": (self.path[:: max(len(self.path) // PATH_POINTS, 1)] / mm).round(1).tolist(),
        }
