"""The part of a case that says when cement outside the bone counts, and which risks are warned of."""

from __future__ import annotations

from typing import Annotated

from vertebro.quantity import Record, Within


class LeakageInput(Record):
    """When cement outside the bone is called a leak, and from when on a risk is an event."""

    threshold: Annotated[float, Within("ml", 0.001, 1, "vertebro")] = 1e-8
    """smallest volume in a compartment that is an event"""
    posterior_margin: Annotated[float, Within("1", 0.05, 0.5, "jp_tech")] = 0.25
    """share of the body's depth, from behind, that is to stay free of cement; cement farther back is an event"""
    canal_narrowed: Annotated[float, Within("1", 0.01, 0.9, "vertebro")] = 0.25
    """share of the canal's cross-section whose loss is an event, beside the first cement there"""
    embolic_load: Annotated[float, Within("ml", 1e-6, 1, "vertebro")] = 1e-9
    """cement beyond the segmental veins that is an event"""
