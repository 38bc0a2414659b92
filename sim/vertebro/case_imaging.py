"""What a case says about its pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vertebro.quantity import Record, Within

# as `vertebro.aim`: names of views, or orbital and cranial angle
ViewName = Annotated[
    str,
    Field(
        pattern=r"^(ap|lateral|true-ap|true-lateral|en-face-left|en-face-right|[-+]?\d+(\.\d+)?,[-+]?\d+(\.\d+)?)$",
        max_length=20,
    ),
]


class ImagingInput(Record):
    """Simulated fluoroscopy."""

    tube_voltage: Annotated[float, Within("kV", 40, 150, "spekpy")] = 80.0
    """tube voltage of the fluoroscope"""
    rows: int = Field(512, ge=64, le=2048)
    """detector rows and columns"""
    field: Annotated[float, Within("mm", 50, 400, "vertebro")] = 0.16
    """width of the picture at the isocentre"""
    frames: int = Field(5, ge=2, le=60)
    """pictures per view over the whole schedule, first and last included"""
    views: tuple[ViewName, ...] = Field(("ap", "lateral"), min_length=1, max_length=6)
    """ap, lateral, true-ap, true-lateral, en-face-left, en-face-right, or "orbital,cranial" in degrees"""
