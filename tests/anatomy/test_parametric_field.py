"""The trabecular field of generated vertebrae: mean, spread, correlation, regions, refinement."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.interior import structure
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.parametric import PARAMETRIC_INTERIOR, ParametricSpec, build_parametric
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue

NO_VEINS = InteriorSettings(veins=False, denoise=0.0, k_sigma=0.0, bone_fraction_floor=0.01)


@cache
def patient(variation: float = 0.30, spacing: float = 1.0e-3, seed: int = 5, fraction: float = 0.08) -> Anatomy:
    """An L1 without veins, so that the field alone speaks."""
    spec = ParametricSpec(
        spacing=spacing,
        variation=variation,
        bone_fraction=fraction,
        seed=seed,
        surround_spacing=3e-3,
        surround_height=0.08,
    )
    return build_parametric(spec, interior=NO_VEINS)


def _log_ratio() -> np.ndarray:
    varied, plain = (np.maximum(patient(v).bone_fraction, 1e-6) for v in (0.30, 0.0))
    return np.asarray(np.log(varied / plain))


def _core(one: Anatomy, depth: float = 3.5e-3) -> np.ndarray:
    """Spongy body farther than `depth` from the surface, without the basivertebral void."""
    body = one.compartment == Compartment.BODY
    inside = ndimage.distance_transform_edt(body, sampling=one.grid.spacing) > depth
    r, a, _ = one.grid.open_mesh()
    return np.asarray(inside & ~((np.abs(r) < 6e-3) & (a < 2e-3)))


@pytest.mark.parametrize("fraction", [0.06, 0.12])
def test_mean_of_the_core_is_the_one_asked_for(fraction: float) -> None:
    one = patient(fraction=fraction)
    assert one.bone_fraction[_core(one)].mean() == pytest.approx(fraction, rel=0.06)


def test_the_random_part_is_log_normal_with_the_spread_asked_for() -> None:
    ratio = _log_ratio()
    values = ratio[_core(patient())].astype(float)
    assert values.std() == pytest.approx(0.30, abs=0.03)
    assert values.mean() == pytest.approx(-0.045, abs=0.04)  # mean 1 before the logarithm
    skew = float(((values - values.mean()) ** 3).mean() / values.std() ** 3)
    assert abs(skew) < 0.35


def test_the_random_part_is_correlated_three_times_as_far_along_the_spine() -> None:
    """exp(−d²/ℓ²) with ℓ 1.8 mm across and 5.4 mm along, at 1 mm and 3 mm."""
    one = patient()
    ratio = _log_ratio()
    core = _core(one)
    for axis, steps, wanted in ((0, 1, np.exp(-((1 / 1.8) ** 2))), (2, 3, np.exp(-((3 / 5.4) ** 2)))):
        first = [slice(None)] * 3
        second = [slice(None)] * 3
        first[axis], second[axis] = slice(None, -steps), slice(steps, None)
        pair = core[tuple(first)] & core[tuple(second)]
        found = np.corrcoef(ratio[tuple(first)][pair], ratio[tuple(second)][pair])[0, 1]
        assert found == pytest.approx(wanted, abs=0.07)


def test_bone_is_denser_near_endplates_and_the_posterior_wall_and_gone_at_the_basivertebral_void() -> None:
    one = patient(0.0)
    r, a, s = (np.broadcast_to(x, one.grid.shape) for x in one.grid.open_mesh())
    bone = (one.compartment == Compartment.BODY) & (one.tissue == Tissue.CANCELLOUS)
    centre = one.bone_fraction[bone & (np.hypot(r, a) < 8e-3) & (np.abs(s) < 3e-3) & (a > 2e-3)].mean()
    depth = ndimage.distance_transform_edt(one.compartment == Compartment.BODY, sampling=one.grid.spacing)
    under = bone & (np.hypot(r, a - 3e-3) < 7e-3) & (depth > 1.6e-3) & (depth < 3.2e-3)
    assert 1.3 < one.bone_fraction[under].mean() / centre < 2.5
    back = bone & (np.abs(r) > 9e-3) & (np.abs(r) < 13e-3) & (a < -8e-3) & (np.abs(s) < 3e-3) & (depth > 2e-3)
    assert 1.1 < one.bone_fraction[back].mean() / centre < 1.8
    void = (np.abs(r) < 2e-3) & (a < -9e-3) & (a > -12e-3) & (np.abs(s - 1.5e-3) < 1.5e-3)
    assert one.bone_fraction[void].mean() < 0.5 * centre


def test_refining_the_grid_samples_the_same_field() -> None:
    """Local means (1.2 mm Gaussian) of one patient at 1.0 and 0.75 mm, away from endplates."""
    boxes = []
    for spacing in (1.0e-3, 0.75e-3):
        one = patient(spacing=spacing)
        index = one.grid.index(np.stack(np.meshgrid(*[np.arange(-4, 5, 2) * 1e-3] * 3, indexing="ij"), -1))
        smooth = ndimage.gaussian_filter(one.bone_fraction, 1.2e-3 / spacing)
        boxes.append(ndimage.map_coordinates(smooth, index.reshape(-1, 3).T, order=1))
    np.testing.assert_allclose(boxes[0], boxes[1], rtol=0.05)


def test_thickness_is_log_normal_and_spacing_and_anisotropy_follow() -> None:
    grid = VoxelGrid.around((-0.02,) * 3, (0.02,) * 3, 1e-3)
    where = np.ones(grid.shape, bool)
    fraction = np.full(grid.shape, 0.08, np.float32)
    settings = InteriorSettings(thickness_sigma=0.1, k_correlation_length=2e-3)
    made = structure(fraction, where, grid, settings, seed=3)
    assert made.thickness.mean() == pytest.approx(0.13e-3, rel=0.01)
    assert np.log(made.thickness).std() == pytest.approx(0.1, abs=0.015)
    np.testing.assert_allclose(made.spacing / made.thickness, made.spacing[0] / made.thickness[0])
    assert np.ptp(made.anisotropy) == 0
    assert 1.28 < made.anisotropy[0] < 2.05


def test_osteoporotic_bone_is_more_anisotropic_than_young_bone() -> None:
    ratios = []
    for fraction in (0.06, 0.20):
        one = patient(fraction=fraction)
        core = _core(one) & (one.tissue == Tissue.CANCELLOUS)
        ratios.append(float((one.permeability[2] / one.permeability[0])[core].mean()))
    assert ratios[0] > ratios[1] + 0.3
    assert 1.28 <= ratios[1] < ratios[0] <= 2.05


@pytest.mark.parametrize("law", ["rod-kozeny", "widmer2013", "nauman1999", "baroud2004", "kohles2001"])
def test_every_law_gives_a_positive_tensor_symmetric_across_the_spine(law: str) -> None:
    spec = ParametricSpec(spacing=1.4e-3, surround_spacing=3e-3, surround_height=0.08)
    one = build_parametric(spec, interior=InteriorSettings(permeability_law=law, denoise=0.0))
    assert one.permeability.min() > 0
    cancellous = one.tissue == Tissue.CANCELLOUS
    np.testing.assert_array_equal(one.permeability[0][cancellous], one.permeability[1][cancellous])
    assert np.all(one.permeability[2][cancellous] >= one.permeability[0][cancellous])


def test_density_measures_build_the_same_patient() -> None:
    for measure in ({"density": 88.0}, {"t_score": -2.2}, {"hu": 107.2}):
        assert ParametricSpec(**measure).mean_bone_fraction == pytest.approx(0.08, rel=1e-3)
    with pytest.raises(CaseError, match="density and t_score"):
        ParametricSpec(density=80.0, t_score=-2.5)


def test_generated_bone_scatters_its_thickness_by_default() -> None:
    assert PARAMETRIC_INTERIOR.thickness_sigma > 0
    assert PARAMETRIC_INTERIOR.shell_from_hu == 0
