"""Distances to masks and the generated surroundings, each against the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.parametric import ParametricSpec, build_parametric, build_surround
from vertebro.anatomy.resampling import signed_distance
from vertebro.anatomy.volumes import Volume
from vertebro.units import mm


@pytest.mark.parametrize("spacing", [(0.8, 0.8, 0.8), (0.7, 0.7, 2.5), (2.0, 0.3, 0.9)])
def test_signed_distance_is_the_exact_euclidean_one(spacing: tuple[float, float, float]) -> None:
    """Blobs with a cavity on unequal voxels, one touching the array's edge: as scipy's exact transform."""
    noise = ndimage.gaussian_filter(np.random.default_rng(4).normal(size=(30, 26, 22)), 2.0)
    mask = noise > 0.05
    place = Volume(data=mask, ras_from_voxel=np.diag([*np.array(spacing) * mm, 1.0]), name="blobs", digest="")
    edges, half = np.array(spacing) * mm, 0.5 * min(spacing) * mm
    out = ndimage.distance_transform_edt(~mask, sampling=edges) - half
    within = half - ndimage.distance_transform_edt(mask, sampling=edges)
    np.testing.assert_allclose(signed_distance(place).data, np.where(mask, within, out), atol=1e-3 * mm)


def test_a_surround_alone_is_the_generated_patients_own() -> None:
    spec = ParametricSpec(level="L2", spacing=1.5 * mm, surround_spacing=3.0 * mm, surround_height=80 * mm, seed=3)
    alone, whole = build_surround(spec), build_parametric(spec).surround
    assert alone.grid == whole.grid
    np.testing.assert_array_equal(alone.hu, whole.hu)
    np.testing.assert_array_equal(alone.organ, whole.organ)
