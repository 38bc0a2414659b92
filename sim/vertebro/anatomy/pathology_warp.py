"""A fracture as a smooth map: where a point of the broken spine was before it broke.

The map is written for the broken spine, as grids ask it (`Warp.pull`): every voxel looks up where its tissue came
from. In the broken body heights are stretched back, so the map cannot fold: its Jacobian is the old volume over the
new one, positive everywhere. Three parts follow each other: walls bulge outward (and the upper posterior wall into the
canal), the body and everything above bends about the posterior upper rim while everything below rises by the lost
posterior height, the endplates dent. The neighbours follow rigidly along the midline; the arch keeps its form and its
place at the upper posterior wall, the neighbours' joints give way; organs in front sink with the anterior wall.
`Warp.push` is the inverse for single points, such as landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.anatomy.pathology_frame import DISC, Frame
from vertebro.anatomy.pathology_records import Fracture, losses
from vertebro.anatomy.shapes import smooth_max, smooth_min
from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.units import mm

Array = NDArray[Any]
Coordinates = tuple[Array, Array, Array]
BULGE = Constant(0.11, "1", 0.0, 0.3, "vertebro", "ours", "widening at mid height per lost share of height")
LOWER_SHARE = {"wedge": 0.15, "biconcave": 0.42, "crush": 0.4, "plana": 0.5}  # of a dent, in the lower endplate
SOFT = 4.0 * mm  # over which walls and bends are rounded
SPLAY = 30.0 * mm  # how far behind the wall the arch's neighbours follow the bend


@dataclass(frozen=True, kw_only=True, slots=True)
class Warp:
    """The map of one fracture.

    Attributes
    ----------
    frame : Frame
        Of the unbroken body.
    sine : float [1]
        Sine of the wedge angle: how far the spine above tips forward.
    sink : float [m]
        Loss of posterior height: the spine below comes up by it, since the pedicles hold the upper half.
    dent : (2,) floats [m]
        Upper and lower endplate.
    bulge : float [1]
        Widening at mid height.
    retropulsion : float [m]
    impaction : float [1]
    """

    frame: Frame
    sine: float = 0.0
    sink: float = 0.0
    dent: tuple[float, float] = (0.0, 0.0)
    bulge: float = 0.0
    retropulsion: float = 0.0
    impaction: float = 0.0

    @property
    def angle(self) -> float:
        """Wedge angle [rad]."""
        return float(np.arcsin(self.sine))

    def pull(self, r: Array, a: Array, s: Array) -> Coordinates:
        """Coordinates [m] before the fracture of points after it; broadcast inputs."""
        r, a, s = self._unbulge(r, a, s)
        a, s = self._unbend(a, s)
        return r, a, self._undent(r, a, s)

    def pull_points(self, points: ArrayLike) -> Array:
        """`pull` for points (…, 3) [m]."""
        p = np.asarray(points, float)
        return np.stack(np.broadcast_arrays(*self.pull(p[..., 0], p[..., 1], p[..., 2])), axis=-1)

    def push(self, points: ArrayLike) -> Array:
        """Where points (…, 3) [m] of the unbroken spine lie after the fracture (Newton, to a micrometre)."""
        target = np.asarray(points, float).reshape(-1, 3)
        y, step = target.copy(), 0.02 * mm
        for _ in range(60):
            miss = target - self.pull_points(y)
            if np.abs(miss).max() < 1e-7:
                break
            columns = [(self.pull_points(y + d) - self.pull_points(y - d)) / (2 * step) for d in step * np.eye(3)]
            move = np.linalg.solve(np.stack(columns, axis=-1), miss[..., None])[..., 0]
            y = y + np.clip(move, -2 * mm, 2 * mm)
        return y.reshape(np.shape(points))

    def rims(self, a: Array) -> tuple[Array, Array]:
        """s [m] of the broken body's lower and upper rim lines at a (limited to the body)."""
        inside = self._inside(a)
        drop = self.sine * (inside - self.frame.back)
        return self.frame.rim(inside, upper=False) + self.sink, self.frame.rim(inside, upper=True) - drop

    def volume_ratio(self, r: Array, a: Array, s: Array, step: float = 0.2 * mm) -> Array:
        """Volume before over volume after (the Jacobian of `pull`), by central differences."""
        rows = []
        for axis in range(3):
            ends = []
            for sign in (0.5, -0.5):
                moved = [np.asarray(x, np.float64) for x in (r, a, s)]
                moved[axis] = moved[axis] + sign * step
                ends.append(self.pull(*moved))
            rows.append([(p - m) / step for p, m in zip(*ends, strict=True)])
        u, v, w = rows
        return np.asarray(
            u[0] * (v[1] * w[2] - v[2] * w[1]) - u[1] * (v[0] * w[2] - v[2] * w[0]) + u[2] * (v[0] * w[1] - v[1] * w[0])
        )

    def _inside(self, a: Array, behind: float = 0.0) -> Array:
        """a limited to the body (and `behind` the wall), rounded."""
        f = self.frame
        return smooth_max(smooth_min(a, np.asarray(f.front), SOFT), np.asarray(f.back - behind), SOFT)

    def _unbend(self, a: Array, s: Array) -> tuple[Array, Array]:
        f, n = self.frame, self.sine
        c = np.sqrt(1 - n * n) - 1.0
        lower, upper = self.rims(a)
        hinge = float(f.rim(f.back, upper=True))
        upright = a - n * smooth_max(s - hinge, np.asarray(0.0), SOFT)  # the bones above lean: so does the limit
        eff = a - upright + self._inside(upright, SPLAY)
        behind = _ramp((f.back - a) / (8 * mm))
        # behind the body the arch stays: it tips above its middle only, and what lies below it rises
        start = lower + behind * (f.middle_s - 2 * mm - lower)
        end = upper + behind * (hinge + 2 * DISC - n * (eff - f.back) - upper)
        t = self._taken(s, start, end, behind)
        rise = self._taken(s, lower - behind * 2 * DISC, upper + behind * (lower + 4 * mm - upper), behind)
        back_a = a + t * (c * (eff - f.back) - n * (s - hinge))
        back_s = s + t * (n * (eff - f.back) + c * (s - hinge)) + self.sink * (rise - 1)
        return back_a, back_s

    def _taken(self, s: Array, start: Array, end: Array, behind: Array) -> Array:
        """Share of a displacement reached between two heights; more of it under the upper end in the body."""
        share = np.clip((s - start) / (end - start), 0, 1)
        w = self.impaction * (1 - behind)
        return np.asarray((1 - w) * share + w * share**3)

    def _undent(self, r: Array, a: Array, s: Array) -> Array:
        f = self.frame
        radius = f.radius(r, a)
        profile = np.maximum(1 - radius, 0) ** 1.5
        out = s
        for upper, depth in zip((True, False), self.dent, strict=True):
            sign = 1.0 if upper else -1.0
            hollow = f.bowl(upper=upper) * np.maximum(1 - 1.7 * radius, 0)
            end = sign * f.rim(a, upper=upper) - hollow - sign * f.middle_s
            now = end - depth * profile
            away = sign * (s - f.middle_s)
            gap = DISC + np.abs(depth) * profile
            share = np.clip(np.where(away < now, away / np.maximum(now, 0.2 * mm), 1 - (away - now) / gap), 0, 1)
            out = out + sign * depth * profile * share
        return np.asarray(out)

    def _unbulge(self, r: Array, a: Array, s: Array) -> Coordinates:
        f = self.frame
        lower, upper = self.rims(a)
        level = np.clip((s - lower) / (upper - lower), 0, 1)
        radius = np.sqrt(f.radius(r, a) + 1e-12)
        around = self.bulge * 4 * level * (1 - level) * (1 - _ramp((radius - 1.0) / 0.8))
        ahead = _ramp((a - f.back) / (0.5 * f.depth))
        out_r = f.middle_r + (r - f.middle_r) * (1 - around * (0.3 + 0.7 * ahead))
        out_a = a - (a - f.back) * around * ahead
        if self.retropulsion:
            across = np.maximum(1 - ((r - f.middle_r) / (0.65 * f.half_width)) ** 2, 0) ** 2
            along = np.where(a > f.back, 1 - _ramp((a - f.back) / (14 * mm)), 1 - _ramp((f.back - a) / (13 * mm)))
            height = np.maximum(1 - ((level - 0.75) / 0.5) ** 2, 0) ** 2 * (s < upper + 4 * mm)
            out_a = out_a + self.retropulsion * across * along * height
        return out_r, out_a, s


def _ramp(x: Array) -> Array:
    """Smooth step from 0 (x <= 0) to 1 (x >= 1)."""
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def fracture_warp(fracture: Fracture, frame: Frame) -> Warp:
    """The map that takes the wanted shares off the three heights of a measured body.

    Raises
    ------
    CaseError
        If the three losses cannot be had together (a dent deeper than half the body).
    """
    wanted = np.array(losses(fracture))
    heights = np.array(frame.heights)
    lower = LOWER_SHARE[fracture.kind]
    warp = Warp(
        frame=frame,
        bulge=float(BULGE) * float(wanted.max()),
        retropulsion=fracture.retropulsion,
        impaction=fracture.impaction,
    )
    behind, ahead = frame.stations
    for _ in range(40):
        front, middle, back = (wanted * heights) - (heights - np.array(broken_heights(warp)))
        sine = warp.sine + 0.8 * (front - back) / (ahead - behind)
        dent = sum(warp.dent) + 0.8 * (middle - 0.5 * (front + back))
        if not abs(sine) < 0.7 or not abs(dent) < 0.85 * heights[1]:
            break
        warp = replace(warp, sine=sine, sink=warp.sink + 0.8 * back, dent=((1 - lower) * dent, lower * dent))
        if max(abs(front), abs(middle), abs(back)) < 0.02 * mm:
            return warp
    raise CaseError(
        "these heights do not belong to one fracture",
        where=f"anatomy.pathology ({fracture.kind}).anterior, middle, posterior",
        value=tuple(wanted.tolist()),
        allowed="a middle loss near the mean of the other two, or larger by up to 0.4",
        hint="leave heights out: the grade sets them",
    )


def broken_heights(warp: Warp) -> tuple[float, float, float]:
    """Anterior, middle, posterior height [m] after the fracture, between the pushed ends of the old ones."""
    f = warp.frame
    behind, ahead = f.stations
    ends = [
        (ahead, f.front_top, f.front_low),
        (f.middle_a, f.middle_top, f.middle_low),
        (behind, f.back_top, f.back_low),
    ]
    points = np.array([[[f.middle_r, a, top], [f.middle_r, a, low]] for a, top, low in ends])
    moved = warp.push(points)
    a, m, p = np.linalg.norm(moved[:, 0] - moved[:, 1], axis=1)
    return float(a), float(m), float(p)
