"""Points as the room wants them: three finite metres that nobody changes afterwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import GeometryError

Float = NDArray[np.float64]


def finite_point(value: ArrayLike, where: str) -> Float:
    """A read-only (3,) copy; `GeometryError` unless it is three finite numbers."""
    try:
        point = np.array(value, float)
    except (TypeError, ValueError) as problem:
        raise GeometryError("not a point", where=where, value=value, allowed="three finite lengths [m]") from problem
    if point.shape != (3,) or not np.all(np.isfinite(point)):
        raise GeometryError("not a point", where=where, value=value, allowed="three finite lengths [m]")
    point.setflags(write=False)
    return point
