"""Does one label number hold one vertebra? Two bodies, a body of two, or a neighbour's arch are refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.frame import Scout, endplate_points, wall_line
from vertebro.errors import DataError
from vertebro.units import mm

APART = 15 * mm  # along the spine: less than any two vertebrae, more than the halves of a cleft body
SECOND_BODY = 0.2  # of the larger body's volume
FAR_ARCH = 1.2  # body heights above or below the body's middle
FAR_SHARE = {"above": 0.04, "below": 0.12}  # of the label's volume; steep spinous processes hang far down
TALLEST = 1.4  # body heights per body depth


def check_single(scout: Scout, level: str, name: str) -> None:
    """Refuse a label that holds more than one vertebra.

    The search for the vertebra's frame keeps the largest piece in front of the canal; without this check a second
    body under the same number would vanish, and with it the doubt which of the two was meant.

    Parameters
    ----------
    scout : Scout
        The label in the frame of the body that was found.
    level, name : str
        Of the vertebra and of the label map, for the message.

    Raises
    ------
    DataError
        For a second body more than 15 mm away along the spine, a body taller than 1.4 times its depth (two bodies
        joined across their disc), or an arch of two vertebrae.
    """
    second = _second_body(scout)
    if second is not None:
        share, apart = second
        value = (
            f"a second body {abs(apart) / mm:.0f} mm {'above' if apart > 0 else 'below'}, {100 * share:.0f} % as big"
        )
        raise _merged(level, name, value, "one body")
    height, depth = _height(scout), _depth(scout)
    if height > TALLEST * depth:
        value = f"a body {height / mm:.0f} mm high and {depth / mm:.0f} mm deep"
        raise _merged(level, name, value, f"a height of at most {TALLEST:g} times the depth")
    s = scout.grid.axes()[2]
    for side, far in (("above", s > FAR_ARCH * height), ("below", s < -FAR_ARCH * height)):
        share = float(scout.bone[:, :, far].sum() / scout.bone.sum())
        if share > FAR_SHARE[side]:
            value = f"{100 * share:.0f} % of it lie more than {FAR_ARCH * height / mm:.0f} mm {side} the body's middle"
            raise _merged(level, name, value, f"at most {100 * FAR_SHARE[side]:.0f} %")


def _merged(level: str, name: str, value: str, allowed: str) -> DataError:
    return DataError(
        f"the label of {level} holds more than one vertebra",
        where=name,
        value=value,
        allowed=allowed,
        hint="correct the label map: bridged neighbours need numbers of their own",
    )


def _second_body(scout: Scout) -> tuple[float, float] | None:
    """Volume of the next largest piece in front of the canal over the body's, and its distance along s [m]."""
    _, a, _ = scout.grid.open_mesh()
    front = scout.bone & (a > wall_line(scout.tube, scout.grid)[None, None, :])
    parts, count = ndimage.label(ndimage.binary_opening(front, iterations=1))
    if count < 2:
        return None
    index = np.arange(1, count + 1)
    size = np.bincount(parts.ravel())[1:]
    height = scout.grid.origin[2] + scout.grid.spacing[2] * _middles(parts, index)
    own = int(np.argmax(size))
    away = height - height[own]
    other = np.flatnonzero((np.abs(away) > APART) & (size > SECOND_BODY * size[own]))
    if not other.size:
        return None
    largest = other[np.argmax(size[other])]
    return float(size[largest] / size[own]), float(away[largest])


def _middles(parts: NDArray[np.int32], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean third index of every part."""
    return np.array([k[2] for k in ndimage.center_of_mass(parts > 0, parts, index)])


def _height(scout: Scout) -> float:
    top, bottom = endplate_points(scout.body, scout.grid)
    return float(np.median(top[:, 2]) - np.median(bottom[:, 2]))


def _depth(scout: Scout) -> float:
    r, a, _ = scout.grid.open_mesh()
    line = scout.body & (np.abs(r) < 4 * mm)
    columns = line.any(axis=(0, 2))
    found = a.ravel()[columns]
    return float(found[-1] - found[0]) if found.size else float(scout.grid.spacing[1])
