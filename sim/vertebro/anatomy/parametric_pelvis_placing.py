"""Where the pelvis lies: with its sacrum or a hip as the target, or under the last vertebra of a column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_column import Bone, Column, sacral_pose
from vertebro.anatomy.parametric_hip_bone import Hip
from vertebro.anatomy.parametric_pelvis_dimensions import PelvisDimensions
from vertebro.anatomy.parametric_sacrum_bend import Bend
from vertebro.anatomy.parametric_sacrum_bone import Sacrum, inverse, slope_pose
from vertebro.anatomy.shapes import Pose
from vertebro.units import mm

Array = NDArray[Any]
LUMBAR = 3  # vertebrae drawn above the sacrum


@dataclass(frozen=True, slots=True)
class PelvisScene:
    """Bones of one patient in the frame they are painted in.

    Attributes
    ----------
    dim : PelvisDimensions
    pose : Pose
        The pelvis in this frame.
    column : Column
        The vertebrae above, in this frame.
    level : str
        Which bone is the target: "S1", "HIP_L", "HIP_R", or a vertebra.
    """

    dim: PelvisDimensions
    pose: Pose
    column: Column
    level: str

    @property
    def sacrum(self) -> Sacrum:
        """The straight sacrum."""
        return Sacrum(self.dim)

    @property
    def hip(self) -> Hip:
        """The right hip in the pelvis's frame."""
        return Hip(self.dim)

    @property
    def bend(self) -> Bend:
        """The sacrum's line in this frame."""
        return self.sacrum.bend(compose(self.pose, slope_pose(self.dim)))

    @property
    def scale(self) -> float:
        """Size of the pelvis relative to the mean."""
        return float(self.dim.hip_distance + self.dim.hip_bone_height) / (383.0 * mm)


def compose(outer: Pose, inner: Pose) -> Pose:
    """The pose of something given in the frame of another pose."""
    at = outer.to_world([0.0, inner.a, inner.s])
    return Pose(float(at[1]), float(at[2]), outer.angle + inner.angle)


def build_scene(level: str, dim: PelvisDimensions, column: Column) -> PelvisScene:
    """Place pelvis and lumbar spine: in the frame of S1 for the sacrum, in the pelvis's own for a hip.

    Parameters
    ----------
    column : Column
        Of the same patient, with L5 as its target.
    """
    own = slope_pose(dim)
    pose = inverse(own) if level == "S1" else Pose()
    place = compose(compose(pose, own), inverse(_under(column.bones[-1], dim)))
    bones = [replace(b, pose=compose(place, b.pose)) for b in column.bones[-LUMBAR:]]
    bones[-1] = _seated(bones[-1], dim, compose(pose, own))
    return PelvisScene(dim, pose, replace(column, bones=tuple(bones), target=LUMBAR - 1), level)


def pelvis_under(column: Column, dim: PelvisDimensions) -> PelvisScene:
    """Pelvis below a column, in the frame of the column's target; L5's lower facets meet the sacrum's."""
    s1 = _under(column.bones[-1], dim)
    bones = (*column.bones[:-1], _seated(column.bones[-1], dim, s1))
    return PelvisScene(dim, compose(s1, inverse(slope_pose(dim))), replace(column, bones=bones), column.main.level)


def _under(last: Bone, dim: PelvisDimensions) -> Pose:
    """Pose of S1 under L5: their endplates lie a disc and the lumbosacral angle apart."""
    under = sacral_pose(last)
    middle = under.to_world([0.0, 0.0, 0.5 * (last.dim.height - dim.s1_height)])
    return Pose(float(middle[1]), float(middle[2]), under.angle)


def _seated(last: Bone, dim: PelvisDimensions, s1: Pose) -> Bone:
    """L5 with its lower facets behind and inside of the upper processes of S1."""
    tip = Sacrum(dim).process(1.0)[1]
    turn = np.array([-0.6, -0.8, 0.0])
    centre = last.pose.from_world(s1.to_world(tip + 5.5 * mm * turn - np.array([0.0, 0.0, 3.0]) * mm))
    origin = last.pose.from_world(s1.to_world(np.zeros(3)))
    normal = last.pose.from_world(s1.to_world(turn)) - origin
    return replace(last, lower=replace(last.lower, centre=centre, normal=normal))
