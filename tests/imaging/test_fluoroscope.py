"""The whole chain: Beer and Lambert, inverse squares, exposure control, seeds, polarity, doses, refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging import (
    CArm,
    Fluoroscope,
    Shadow,
    TissueLayer,
    covered_field,
    needle_path,
    needle_shadow,
    tissue_layers,
)
from vertebro.imaging.detector import Detector
from vertebro.imaging.dose import field_area, reference_distance
from vertebro.imaging.fluoro_view import FluoroView
from vertebro.imaging.spectrum import tube_spectrum, whole_kev
from vertebro.materials.attenuation import MATERIALS, cement_material

Patient = tuple[TissueLayer, ...]
SMALL = CArm.lateral(rows=64, cols=64, pitch=2e-3)
PLAIN = Fluoroscope(kvp=80.0, scatter=None, focal_spot=0.0)


@pytest.fixture(scope="module")
def view(patient: Patient) -> FluoroView:
    return PLAIN.prepare(SMALL, patient)


def middle(image: np.ndarray) -> float:
    return float(image[30:34, 30:34].mean())


def test_primary_follows_beer_and_lambert_over_the_spectrum(patient: Patient) -> None:
    """Water slab, central ray: signal behind / signal open = sum S D exp(-mu L) / sum S D, over every keV."""
    grid = VoxelGrid.around([-0.06, -0.08, -0.08], [0.06, 0.08, 0.08], 4e-3)
    view = PLAIN.prepare(SMALL, tissue_layers(np.zeros(grid.shape), grid))
    beam = tube_spectrum(80.0, copper=2e-4)
    deposit = beam.fluence * beam.energy * Detector().absorbed(beam.energy)
    expected = deposit @ np.exp(-0.12 * whole_kev(MATERIALS["water"], beam.energy)) / deposit.sum()
    assert middle(view.expected()) / middle(view.open_quanta) == pytest.approx(expected, rel=5e-3)


def test_cement_and_steel_are_multiplied_in_as_if_projected_with_the_tissue(view: FluoroView) -> None:
    """2 mm of cement and 0.5 mm of steel behind this patient, against the sum over every keV."""
    beam, soft, bone = view.spectrum, middle(view.soft_line), middle(view.bone_line)
    layers = [(2e-3, cement_material()), (-2e-3, MATERIALS["yellow marrow"]), (5e-4, MATERIALS["steel 304"])]
    tissue = soft * whole_kev(MATERIALS["water"], beam.energy) + bone * whole_kev(
        MATERIALS["cortical bone"], beam.energy
    )
    added = sum(path * whole_kev(matter, beam.energy) for path, matter in layers)
    deposit = beam.fluence * beam.energy * Detector().absorbed(beam.energy) * np.exp(-tissue)
    full = np.full((64, 64), 2e-3, np.float32)
    ratio = middle(view.expected(full, full / 4)) / middle(view.expected())
    assert ratio == pytest.approx(deposit @ np.exp(-added) / deposit.sum(), rel=0.01)


def test_cached_tissue_with_cement_equals_projecting_everything_anew(patient: Patient, patient_grid: VoxelGrid) -> None:
    """Water for cement, air for marrow: multiplied in behind the tissue or projected with it, the picture is one."""
    extra = np.zeros(patient_grid.shape, np.float32)
    extra[18:22, 12:16, 17:20] = 0.5
    water_more = TissueLayer(soft=extra, bone=np.zeros_like(extra), grid=patient_grid)
    view = PLAIN.prepare(SMALL, patient)
    line = view.cement_line(extra, patient_grid)
    layered = view.expected(line, cement=MATERIALS["water"], replaced="air")
    anew = PLAIN.prepare(SMALL, [*patient, water_more])
    same_charge = middle(anew.open_quanta) / middle(view.open_quanta)
    assert np.allclose(layered * same_charge, anew.expected(), rtol=2e-3)


def test_signal_falls_with_the_square_of_the_distance() -> None:
    """No patient, equal tube charge: four times the pixels' distance squared, a quarter of the signal."""
    empty: Patient = ()
    near, far = (
        PLAIN.prepare(replace(SMALL, source_isocentre=0.4, source_detector=distance), empty) for distance in (0.75, 1.5)
    )
    per_charge = [middle(view.open_quanta) / view.dose.mas for view in (near, far)]
    assert per_charge[0] / per_charge[1] == pytest.approx(4.0, rel=2e-3)


def test_open_field_falls_with_slant_and_distance() -> None:
    """Without a patient: cos³ of the angle over the square of SDD, pixel by pixel, also at a tilted C-arm."""
    geometry = replace(SMALL, cranial=0.3, orbital=0.7).geometry
    field = replace(PLAIN, heel=None).prepare(geometry, ()).open_quanta
    expected = geometry.obliquity() ** 3
    assert np.allclose(field / field[32, 32], expected / expected[32, 32], rtol=1e-5)


def test_exposure_control_reaches_the_detector_dose(patient: Patient) -> None:
    for dose in (20e-9, 500e-9):
        view = replace(PLAIN, detector_dose=dose).prepare(SMALL, patient)
        assert view.dose.detector_air_kerma == pytest.approx(dose, rel=1e-3)


def test_tube_limit_leaves_thick_patients_noisy(patient: Patient) -> None:
    view = replace(PLAIN, detector_dose=1e-5, pulse_limit=0.1).prepare(SMALL, patient)
    assert view.dose.mas == pytest.approx(0.1)
    assert view.dose.detector_air_kerma < 1e-5


def test_thicker_patients_get_a_higher_voltage(patient: Patient) -> None:
    automatic = Fluoroscope(scatter=None)
    thin, thick = (automatic.prepare(pose, patient).spectrum.kvp for pose in (CArm.ap(rows=32, cols=32), SMALL))
    assert 60 <= thin < thick <= 120


def test_dose_area_product_does_not_depend_on_distance_and_kerma_does(patient: Patient) -> None:
    """DAP = K(d) A(d): at the reference point and at 1 m the same; K falls as 1/d²."""
    view = PLAIN.prepare(SMALL, patient)
    kerma, distance = view.dose.reference_air_kerma, reference_distance(view.geometry)
    assert distance == pytest.approx(0.55)
    assert kerma * field_area(view.geometry, distance) == pytest.approx(view.dose.dose_area_product, rel=1e-6)
    assert kerma == pytest.approx(tube_spectrum(80.0, copper=2e-4).air_kerma() * view.dose.mas / 0.55**2, rel=1e-6)


def test_collimation_halves_the_dose_area_product_and_blackens_the_rest(patient: Patient) -> None:
    wide, half = (PLAIN.prepare(SMALL, patient, collimation=field) for field in (None, (0, 64, 16, 48)))
    assert half.dose.dose_area_product / half.dose.mas == pytest.approx(
        0.5 * wide.dose.dose_area_product / wide.dose.mas, rel=0.01
    )
    shown = half.frame().display
    assert not shown[:, :16].any()
    assert not shown[:, 48:].any()
    assert shown[:, 16:48].mean() > 30


def test_bone_cement_and_metal_are_dark(patient: Patient, patient_grid: VoxelGrid) -> None:
    view = Fluoroscope(kvp=80.0).prepare(SMALL, patient)
    bare = view.frame(noise=False).display.astype(float)
    assert middle(bare) < bare[30:34, 8:12].mean() - 20
    cement = np.zeros(patient_grid.shape, np.float32)
    cement[19:21, 14:16, 19:21] = 0.8
    line = view.cement_line(cement, patient_grid)
    filled = view.frame(cement_line=line, noise=False).display.astype(float)
    assert middle(filled) < middle(bare) - 30
    steel = needle_path(view.geometry, [0, -0.05, 0], [0, 0.03, 0], outer_diameter=3e-3, inner_diameter=0.0)
    needled = view.frame(needle_line=steel, noise=False).display
    assert needled[steel > 2e-3].mean() < 0.5 * bare[steel > 2e-3].mean()


def test_window_is_fixed_so_tissue_beside_the_cement_does_not_flicker(patient: Patient) -> None:
    view = replace(PLAIN, glare=None).prepare(SMALL, patient)
    line = np.zeros((64, 64), np.float32)
    line[28:36, 28:36] = 8e-3
    bare, filled = (view.frame(cement_line=cement, noise=False).display for cement in (None, line))
    away = np.ones((64, 64), bool)
    away[10:54, 10:54] = False
    assert np.array_equal(bare[away], filled[away])


def test_same_seed_and_number_give_the_same_frame(view: FluoroView) -> None:
    one, again, other = (view.frame(seed=7, number=number) for number in (3, 3, 4))
    assert np.array_equal(one.signal, again.signal)
    assert np.array_equal(one.display, again.display)
    assert not np.array_equal(one.signal, other.signal)
    assert (one.number, one.display.dtype, one.display.shape) == (3, np.uint8, (64, 64))


def test_noise_of_a_frame_is_that_of_its_quanta(patient: Patient) -> None:
    """Difference of two frames: variance 2 x mean, when light does not spread and the read-out is silent."""
    silent = replace(PLAIN, detector=Detector(sharp_sigma=0.0, wide_share=0.0, electronic=0.0), detector_dose=5e-8)
    view = silent.prepare(SMALL, patient)
    stack = np.array([view.frame(number=number).signal for number in range(60)])
    assert stack.var(axis=0, ddof=1).sum() / stack.mean(axis=0).sum() == pytest.approx(1.0, abs=0.02)


def test_scatter_lowers_contrast(patient: Patient) -> None:
    def contrast(fluoroscope: Fluoroscope) -> float:
        image = fluoroscope.prepare(SMALL, patient).expected()
        return 1 - middle(image) / float(image[30:34, 8:12].mean())

    assert contrast(replace(Fluoroscope(kvp=80.0), focal_spot=0.0)) < 0.95 * contrast(PLAIN)


def test_covered_field_keeps_to_the_rows_of_the_ct() -> None:
    """A grid 40 mm high around the isocentre casts rows 40 mm x 1/0.7 high."""
    grid = VoxelGrid.around([-0.05, -0.05, -0.02], [0.05, 0.05, 0.02], 2e-3)
    top, bottom, left, right = covered_field(SMALL.geometry, grid)
    assert (bottom - top) * 2e-3 == pytest.approx(0.04 / 0.7, abs=4e-3)
    assert (left, right) == (0, 64)


@pytest.mark.parametrize("kvp", [39.0, 151.0, math.nan])
def test_voltages_outside_40_to_150_are_refused(kvp: float) -> None:
    with pytest.raises(CaseError, match="40 to 150"):
        Fluoroscope(kvp=kvp)


@pytest.mark.parametrize("wrong", [{"detector_dose": 0.0}, {"pulse_limit": -1.0}, {"focal_spot": 1.0}])
def test_impossible_exposures_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CaseError, match="impossible"):
        Fluoroscope(**wrong)


@pytest.mark.parametrize("field", [(10, 10, 0, 64), (0, 64, 40, 30), (-5, 0, 0, 64), (64, 90, 0, 64)])
def test_exposures_with_a_closed_collimator_are_refused(field: tuple[int, int, int, int], patient: Patient) -> None:
    with pytest.raises(GeometryError, match="collimator is closed"):
        PLAIN.prepare(SMALL, patient, collimation=field)


def test_source_inside_the_patient_is_refused(patient: Patient) -> None:
    pose = CArm.ap(source_isocentre=0.05, rows=16, cols=16)
    with pytest.raises(GeometryError, match="source lies inside"):
        PLAIN.prepare(pose, patient)


def test_tissue_and_paths_that_are_not_finite_are_refused(view: FluoroView, patient_grid: VoxelGrid) -> None:
    soft = np.ones(patient_grid.shape, np.float32)
    soft[20, 15, 20] = np.nan
    with pytest.raises(DataError, match="NaN"):
        PLAIN.prepare(SMALL, [TissueLayer(soft=soft, bone=np.zeros_like(soft), grid=patient_grid)])
    with pytest.raises(DataError, match="path does not fit"):
        view.frame(cement_line=np.full((64, 64), np.nan, np.float32))
    with pytest.raises(DataError, match="path does not fit"):
        view.frame(needle_line=np.zeros((3, 3), np.float32))
    with pytest.raises(DataError, match="beside the picture"):
        view.frame(needle_line=Shadow(path=np.zeros((3, 3), np.float32), top=62))
    with pytest.raises(DataError, match="path does not fit"):
        view.frame(needle_line=Shadow(path=np.full((3, 3), np.nan, np.float32)))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_cement_that_is_not_finite_is_refused_even_beside_the_field(wrong: float, view: FluoroView) -> None:
    """No ray of the picture meets that voxel."""
    grid = VoxelGrid.around([-0.3, -0.05, -0.3], [0.3, 0.05, 0.3], 0.02)
    cement = np.zeros(grid.shape, np.float32)
    cement[15, 2, 15], cement[0, 0, 0] = 1.0, wrong
    with pytest.raises(DataError, match="NaN"):
        view.cement_line(cement, grid)


def test_shadows_in_their_windows_are_the_lines_of_the_whole_picture(view: FluoroView, patient_grid: VoxelGrid) -> None:
    cement = np.zeros(patient_grid.shape, np.float32)
    cement[18:22, 12:16, 20:22] = 0.5
    needle: dict[str, Any] = {"outer_diameter": 3e-3, "inner_diameter": 2e-3}
    ends = [0.01, -0.06, 0.02], [0.0, 0.004, -0.003]
    line, steel = view.cement_line(cement, patient_grid), needle_path(view.geometry, *ends, **needle)
    shadow, rod = view.cement_shadow(cement, patient_grid), needle_shadow(view.geometry, *ends, **needle)
    assert np.allclose(shadow.whole(line.shape), line, atol=1e-8)
    assert np.allclose(rod.whole(line.shape), steel, atol=1e-8)
    assert shadow.path.size < 0.6 * line.size
    one, two = (
        view.frame(cement_line=first, needle_line=second, noise=False).signal
        for first, second in ((line, steel), (shadow, rod))
    )
    assert np.allclose(one, two, rtol=1e-5)
    assert view.cement_shadow(np.zeros(patient_grid.shape), patient_grid).path.size == 0


def test_moving_arm_shows_a_preview_and_then_the_view_of_one_window(patient: Patient) -> None:
    """The second view is the exact one in the preview's window; both show the same patient within 2 %."""
    pose = CArm(orbital=0.4, rows=64, cols=64, pitch=2e-3)
    preview = PLAIN.prepare(pose, patient, quality="preview")
    exact = PLAIN.prepare(pose, patient, window=preview.window)
    alone = PLAIN.prepare(pose, patient)
    assert np.array_equal(exact.soft_line, alone.soft_line)
    assert exact.window is preview.window
    assert 0 < np.abs(preview.soft_line - exact.soft_line).max() < 0.02 * exact.soft_line.max()
    assert PLAIN.prepare(pose, patient, window=alone.window).window is alone.window
    with pytest.raises(GeometryError, match="unknown quality"):
        PLAIN.prepare(pose, patient, quality="best")  # type: ignore[arg-type]
