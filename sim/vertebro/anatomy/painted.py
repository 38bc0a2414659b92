"""A picture that was painted instead of taken: what an import need not find out again."""

from __future__ import annotations

from dataclasses import dataclass

from vertebro.anatomy.anatomy import Landmarks, Surround
from vertebro.anatomy.volumes import Volume


@dataclass(frozen=True, kw_only=True, slots=True)
class Painted:
    """A synthetic CT along a vertebra's own axes.

    Attributes
    ----------
    ct : Volume
    surround : Surround
        The same voxels in the vertebra's frame: no table, no edge of the field of view, nothing to resample.
    landmarks : Landmarks
        Of the vertebra; the skin behind it as far as the box of the search.
    """

    ct: Volume
    surround: Surround
    landmarks: Landmarks
