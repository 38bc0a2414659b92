"""Grow the arches of neighbouring vertebrae into the bright bone around their templates, kept apart at the joints."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name its manual uses)
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.grid import VoxelGrid
from vertebro.units import mm

Bools = NDArray[np.bool_]
Distances = NDArray[np.float32]
# All ours, tuned on four labelled vertebrae of two patients.
BONE_HU = 190.0  # bright enough to be bone behind the body
REACH = 5.0 * mm  # bone farther from the template is another bone's
CORE = 1.2 * mm  # that deep inside the template everything is bone, however dark
_BLUR = 0.6 * mm


def grow_arches(
    hu: Distances, grid: VoxelGrid, bones: dict[str, Distances], body: Distances, canal: Distances
) -> dict[str, Bools]:
    """Masks of whole vertebrae.

    Parameters
    ----------
    hu : float32 array [HU]
    bones : dict of float32 arrays [m]
        Signed distance to the fitted template of each vertebra; the level itself first.
    body : float32 array [m]
        Signed distance to the level's refined body.
    canal : float32 array [m]
        Signed distance to the canal behind it.

    Returns
    -------
    dict of bool arrays
        Under the same names; disjoint, the level's own body included.
    """
    smooth = ndimage.gaussian_filter(hu, [_BLUR / h for h in grid.spacing])
    names = list(bones)
    stack = np.stack([bones[n] for n in names])
    nearest = stack.argmin(axis=0)
    least = stack.min(axis=0)
    free = canal > -1.0 * mm
    bright = (smooth > BONE_HU) & (least < REACH)
    region = ((bright & free) | (least < -CORE)) & (body > 0)
    parts = _partition(smooth, region, nearest, least < -CORE)
    out = {name: parts == 1 + n for n, name in enumerate(names)}
    own = out[names[0]]
    own = _closed(own, grid) & (body > 0) & free & ~np.isin(parts, range(2, 1 + len(names)))
    out[names[0]] = _attached(own | (body < 0), body < 0)
    for name in names[1:]:
        out[name] = _closed(out[name], grid) & ~out[names[0]]
    return out


def _partition(smooth: Distances, region: Bools, nearest: NDArray[np.intp], core: Bools) -> NDArray[np.uint8]:
    """Share the region out among the templates: watershed on darkness, so that borders run along joint spaces."""
    markers = np.where(core & region, nearest + 1, 0).astype(np.uint8)
    outside = 255
    markers[~region] = outside
    darkness = sitk.GetImageFromArray(-np.clip(smooth, -100, 600))
    image = sitk.MorphologicalWatershedFromMarkers(
        darkness, sitk.GetImageFromArray(markers), markWatershedLine=False, fullyConnected=False
    )
    parts = sitk.GetArrayFromImage(image).astype(np.uint8)
    parts[~region] = 0
    return parts


def _closed(mask: Bools, grid: VoxelGrid) -> Bools:
    """Marrow spaces inside the mask filled, clefts of 2 mm closed."""
    n = max(1, round(1.0 * mm / grid.spacing[0]))
    closed = ndimage.binary_closing(np.pad(mask, n), iterations=n)[n:-n, n:-n, n:-n]
    return np.asarray(ndimage.binary_fill_holes(closed))


def _attached(mask: Bools, anchor: Bools) -> Bools:
    """The piece of a mask that holds most of an anchor."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts[anchor], minlength=count + 1)[1:])))
