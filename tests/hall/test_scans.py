"""The CT room of a run: reconstructed planes and stacks of the whole patient, shots with the needle, the dose book."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from vertebro.ct_room import CTSuite
from vertebro.errors import CaseError
from vertebro.imaging import CTField, Scanner
from vertebro.scan_files import save_ct_volume
from vertebro.scans import ct_planes, ct_section, ct_stack

COARSE = Scanner(views=120, detector_pitch=1.5e-3, collimation=3e-3)


def test_reconstructed_planes_show_the_cement_where_the_fast_ones_do(short_run):
    cement = short_run.cement_fraction()
    args = {"width": 0.1, "pixels": 100}
    fast = ct_planes(short_run.scene, cement, **args)
    whole = ct_planes(short_run.scene, cement, mode="reconstructed", scanner=COARSE, thickness=3e-3, **args)
    assert set(whole) == {"axial", "sagittal", "coronal"}
    for plane, picture in whole.items():
        places = [
            np.average(np.indices(hu.shape).reshape(2, -1), axis=1, weights=(hu > level).ravel())
            for hu, level in ((fast[plane].hu, 2000), (picture.hu, 1200))
        ]
        assert places[0] == pytest.approx(places[1], abs=4)
        assert np.array_equal(picture.origin, fast[plane].origin)


def test_a_saved_stack_lies_where_the_patient_lies(short_run, tmp_path):
    """The brightest voxel of the file, taken back through its own geometry, is that of the stack in the world."""
    args = {"width": 0.08, "pixels": 40, "slices": 3, "thickness": 3e-3, "scanner": COARSE}
    stack = ct_stack(short_run.scene, short_run.cement_fraction(), **args)
    path = tmp_path / "ct.nii.gz"
    save_ct_volume(short_run.scene, path, stack=stack)
    image = sitk.ReadImage(str(path))
    brightest = np.unravel_index(int(stack.hu.argmax()), stack.hu.shape)
    lps = np.array(image.TransformIndexToPhysicalPoint([int(i) for i in brightest])) * 1e-3
    world = np.append(stack.grid.world(brightest), 1.0)
    assert lps * [-1, -1, 1] == pytest.approx((short_run.anatomy.patient_from_world @ world)[:3], abs=1e-6)
    assert sitk.GetArrayFromImage(image).transpose(2, 1, 0)[brightest] == pytest.approx(stack.hu.max(), abs=1)


def test_shots_show_the_needle_and_are_booked_with_the_tables_way(short_run):
    suite = CTSuite(short_run.scene, COARSE)
    tip = short_run.scene.needles[0].tip
    suite.feed(float(tip[2]))
    three = suite.shots(slices=3, width=0.1, pixels=64)
    assert len(three.slices) == 3
    assert max(float(picture.hu.max()) for picture in three.slices) > 3000
    suite.feed(5e-3)
    suite.shots(short_run.cement_fraction(), mas=15, width=0.1, pixels=64, phase="cement")
    book = suite.ledger.to_dict()
    assert [scan["mas"] for scan in book["scans"]] == [30, 15]
    assert book["table_travel_m"] == pytest.approx(5e-3)
    assert book["dlp_mgy_cm"] == pytest.approx(0.85 * (3 * 1.2 + 1.5 * 0.4), rel=1e-6)
    with pytest.raises(CaseError, match="the table cannot go there"):
        suite.feed(1.0)


def test_a_control_scan_without_needles_is_booked_over_its_length(short_run):
    suite = CTSuite(short_run.scene, COARSE)
    suite.needles = ()
    volume = suite.scan(short_run.cement_fraction(), slices=2, thickness=4e-3, width=0.08, pixels=32)
    assert volume.hu.shape == (32, 32, 2)
    assert suite.ledger.scans[0]["length"] == pytest.approx(8e-3)
    assert suite.ledger.scans[0]["phase"] == "control"


def test_unknown_modes_and_flat_stacks_are_refused(short_run):
    with pytest.raises(CaseError, match="unknown mode"):
        ct_planes(short_run.scene, mode="slow")
    with pytest.raises(CaseError, match="thickness"):
        ct_stack(short_run.scene, thickness=0.0)


@pytest.mark.parametrize("mode", ["fast", "reconstructed"])
def test_cement_in_a_vein_beyond_the_simulation_grid_is_white(short_run, mode):
    scene = short_run.scene
    network, grid = scene.anatomy.network, scene.anatomy.grid
    middles = network.nodes[network.segments].mean(axis=1)
    away = np.maximum(grid.extent[0] - middles, middles - grid.extent[1]).max(axis=1)
    out = int(np.argmax(np.where(network.inside, -np.inf, np.where(away > 2e-3, network.radius, -np.inf))))
    assert away[out] > 2e-3  # there is one
    veins = np.zeros(len(network.segments))
    veins[out] = network.volume[out]
    view = CTField(width=0.02, pixels=40, centre=tuple(middles[out]), thickness=1e-3)
    scanner = None if mode == "fast" else COARSE
    with_cement, without = (ct_section(scene, view, veins=v, mode=mode, scanner=scanner).hu for v in (veins, None))
    added = with_cement - without
    row, col = np.unravel_index(int(added.argmax()), added.shape)
    assert added.max() > 300
    assert (row, col) == pytest.approx((20, 20), abs=6)
