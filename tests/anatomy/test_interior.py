"""The interior of a toy vertebra: what the CT numbers and the faces must give."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from anatomy.block import GRID, block, labels
from vertebro.anatomy.assemble import InteriorSettings
from vertebro.anatomy.interior import TISSUE_FLOW
from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.materials.permeability import kozeny
from vertebro.materials.trabecular import TRABECULAR_THICKNESS, osteoporosis, principal_factors
from vertebro.tissue import Compartment, Tissue


def test_uniform_bone_gets_the_law_exactly() -> None:
    """107 HU is BV/TV 147/1840; K is the rod law split over the axes by the anisotropy of that density."""
    toy = block(veins=False, denoise=0.0)
    body = toy.compartment == Compartment.BODY
    fraction = 147.0 / 1840.0
    k = float(kozeny(1 - fraction, TRABECULAR_THICKNESS))
    np.testing.assert_allclose(toy.bone_fraction[body], fraction, rtol=1e-6)
    np.testing.assert_allclose(toy.porosity[body], 1 - fraction, rtol=1e-6)
    for axis, factor in enumerate(principal_factors(osteoporosis(fraction))):
        np.testing.assert_allclose(toy.permeability[axis][body], k * factor, rtol=1e-5)


def test_denoising_calms_noise_and_keeps_the_mean_inside_the_bone(rng: np.random.Generator) -> None:
    noisy = labels()
    noisy["hu"] += rng.normal(0, 45, noisy["hu"].shape).astype(np.float32)
    body = noisy["compartment"] == Compartment.BODY
    raw = block(arrays=noisy, veins=False, denoise=0.0, bone_fraction_floor=0.01).bone_fraction[body]
    calm = block(arrays=noisy, veins=False, denoise=1.6e-3, bone_fraction_floor=0.01).bone_fraction[body]
    assert calm.std() < 0.4 * raw.std()
    assert calm.mean() == pytest.approx(147 / 1840, rel=0.03)


def test_dark_voxels_stop_at_the_floor_so_that_permeability_stays_finite() -> None:
    dark = labels()
    dark["hu"][dark["compartment"] == Compartment.BODY] = -1000.0
    toy = block(arrays=dark, veins=False)
    assert toy.porosity.max() <= 0.97 + 1e-6
    assert np.all(np.isfinite(toy.permeability))
    assert toy.permeability.min() > 0


def test_body_volume_is_the_volume_of_its_voxels() -> None:
    toy = block()
    ellipse = np.pi * 0.021 * 0.0155 * 0.024
    assert toy.body_volume == pytest.approx(ellipse, rel=0.03)


def test_shell_lies_exactly_in_the_faces_between_body_and_muscle() -> None:
    toy = block(veins=False)
    assert toy.face_resistance is not None
    body = toy.compartment == Compartment.BODY
    muscle = toy.tissue == Tissue.MUSCLE
    wall = (body[:-1] & muscle[1:]) | (muscle[:-1] & body[1:])
    assert np.all(toy.face_resistance[0, :-1][wall] > 0)
    assert not toy.face_resistance[0, :-1][body[:-1] & body[1:]].any()
    assert not toy.face_resistance[0, -1].any()


def test_endplates_lie_in_the_faces_towards_the_discs_with_their_mean_resistance() -> None:
    toy = block(veins=False, shell_pattern=False, shell_sigma=0.0)
    assert toy.face_resistance is not None
    body = toy.compartment == Compartment.BODY
    disc = toy.tissue == Tissue.DISC
    plate = (body[:, :, :-1] & disc[:, :, 1:]) | (disc[:, :, :-1] & body[:, :, 1:])
    inner = plate & (np.hypot(*toy.grid.open_mesh()[:2]) < 0.012)[:, :, : plate.shape[2]]
    assert inner.sum() > 300
    np.testing.assert_allclose(toy.face_resistance[2, :, :, :-1][inner], 0.6e-3 / 1e-15, rtol=0.01)


def test_a_facet_joint_of_two_bones_is_closed_by_a_shell() -> None:
    arrays = labels()
    arrays["tissue"][:, :3, :] = Tissue.CANCELLOUS  # another bone
    arrays["tissue"][:, 3:6, :] = Tissue.CANCELLOUS
    arrays["compartment"][:, 3:6, :] = Compartment.ARCH
    toy = block(arrays=arrays, veins=False)
    assert toy.face_resistance is not None
    assert np.all(toy.face_resistance[1, :, 2, :] > 0)
    assert not toy.face_resistance[1, :, 1, :].any()


def test_soft_tissues_are_ordered_as_they_yield() -> None:
    """Epidural fat and plexus open, fat and muscle slow, disc and dura nearly tight."""
    order = [Tissue.EPIDURAL, Tissue.FAT, Tissue.MUSCLE, Tissue.DISC, Tissue.DURA]
    k = [TISSUE_FLOW[t].permeability for t in order]
    assert k == sorted(k, reverse=True)
    assert k[0] > 1e5 * k[-1]
    assert set(TISSUE_FLOW) == set(Tissue)


def test_log_normal_multiplier_spreads_permeability_by_its_sigma() -> None:
    plain = block(veins=False, denoise=0.0).permeability[2]
    varied = block(veins=False, denoise=0.0, k_sigma=0.6, k_correlation_length=2e-3, seed=4)
    body = varied.compartment == Compartment.BODY
    spread = np.log(varied.permeability[2][body] / plain[body])
    assert spread.std() == pytest.approx(0.6, abs=0.08)
    assert spread.mean() == pytest.approx(0.0, abs=0.12)


def test_same_seed_same_interior_other_seed_other_interior() -> None:
    one, two, three = (block(seed=s, k_sigma=0.5).permeability for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_grid_border_drains_everywhere_but_through_this_bone() -> None:
    toy = block()
    (around,) = [e for e in toy.exits if e.route == "tissue"]
    border = np.zeros(GRID.shape, bool)
    border[tuple(around.cells.T)] = True
    assert not border[1:-1, 1:-1, 1:-1].any()
    assert not border[np.isin(toy.compartment, (Compartment.BODY, Compartment.ARCH))].any()
    assert border.sum() > 0.95 * (border.size - np.prod(np.array(GRID.shape) - 2))


def test_inputs_are_left_alone() -> None:
    arrays = labels()
    kept = {name: array.copy() for name, array in arrays.items()}
    block(arrays=arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, kept[name])


def test_provenance_is_plain_json_with_settings_seed_and_veins() -> None:
    made = json.loads(json.dumps(block(seed=9).provenance))
    assert made["source"] == "toy"
    assert made["seed"] == 9
    assert made["interior"]["permeability_law"] == "rod-kozeny"
    assert InteriorSettings(**{**made["interior"], "basivertebral_size": tuple(made["interior"]["basivertebral_size"])})
    assert {"basivertebral", "epidural", "segmental"} <= {v["route"] for v in made["veins"]}


def test_settings_out_of_range_are_listed_all_at_once() -> None:
    with pytest.raises(CaseError) as caught:
        InteriorSettings(anisotropy=-1.0, shell_permeability=float("nan"), permeability_law="magic", segmental_veins=99)
    text = str(caught.value)
    for name in ("anisotropy", "shell_permeability", "permeability_law", "segmental_veins"):
        assert name in text


def test_settings_are_copied_with_a_change_by_replace() -> None:
    assert replace(InteriorSettings(), venous_pressure=2e3).venous_pressure == 2e3


def test_ct_numbers_that_are_not_finite_are_refused() -> None:
    arrays = labels()
    arrays["hu"][3, 3, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        block(arrays=arrays)


def test_a_label_map_without_body_is_refused() -> None:
    arrays = labels()
    arrays["compartment"][...] = 0
    with pytest.raises(DataError, match="vertebral body"):
        block(arrays=arrays)


def test_unknown_labels_are_refused() -> None:
    arrays = labels()
    arrays["tissue"][0, 0, 0] = 77
    with pytest.raises(DataError, match="unknown label"):
        block(arrays=arrays)


def test_arrays_of_another_grid_are_refused() -> None:
    arrays = labels()
    arrays["hu"] = arrays["hu"][1:]
    with pytest.raises(GeometryError, match="hu"):
        block(arrays=arrays)
