"""Import of a made-up scan with known dimensions: frame, compartments, landmarks, surroundings, provenance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import import_ct
from vertebro.tissue import Compartment, Tissue
from vertebro.units import ml, mm


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Anatomy:
    folder = tmp_path_factory.mktemp("straight")
    return import_ct(*phantom.write_pair(folder, phantom.make()), "L1", spacing=1.0 * mm, licence="made up")


def _share(anatomy: Anatomy, part: Compartment) -> float:
    """Volume of a compartment [m³]."""
    return float(np.count_nonzero(anatomy.compartment == part) * anatomy.grid.voxel_volume)


def _centroid(anatomy: Anatomy, part: Compartment) -> np.ndarray:
    return anatomy.grid.world(np.argwhere(anatomy.compartment == part)).mean(axis=0) / mm


def test_the_body_has_the_volume_of_its_label(straight: Anatomy) -> None:
    """Elliptic cylinder: pi * 20 * 14 * 24 mm³ = 21.1 mL, less what is cut off towards canal and pedicles."""
    true = np.pi * phantom.BODY[0] * phantom.BODY[1] * 2 * phantom.BODY[2] * mm**3
    found = _share(straight, Compartment.BODY)
    assert found == pytest.approx(true, rel=0.10)
    assert straight.body_volume == pytest.approx(_share(straight, Compartment.BODY))


def test_landmarks_are_the_phantom_s_dimensions(straight: Anatomy) -> None:
    marks = straight.landmarks
    np.testing.assert_allclose(marks.body_half_axes / mm, phantom.BODY, atol=1.2)
    assert marks.anterior_wall / mm == pytest.approx(14, abs=1.0)
    assert marks.posterior_wall / mm == pytest.approx(-14, abs=1.0)
    assert marks.superior_endplate / mm == pytest.approx(12, abs=1.4)
    assert marks.inferior_endplate / mm == pytest.approx(-12, abs=1.4)
    np.testing.assert_allclose(marks.canal_centre[:2] / mm, phantom.CANAL_CENTRE, atol=1.6)
    np.testing.assert_allclose(marks.canal_half_axes / mm, phantom.CANAL_HALF, atol=1.4)
    assert marks.spinous_tip[1] / mm == pytest.approx(phantom.SPINOUS_TIP, abs=1.8)
    assert marks.posterior_skin / mm == pytest.approx(phantom.SKIN, abs=2.2)


def test_pedicles_are_found_on_their_sides(straight: Anatomy) -> None:
    for side, pedicle in ((-1, straight.landmarks.pedicle_left), (1, straight.landmarks.pedicle_right)):
        assert pedicle.centre[0] / mm == pytest.approx(side * phantom.PEDICLE["r"], abs=1.0)
        assert pedicle.centre[2] / mm == pytest.approx(phantom.PEDICLE["s"], abs=1.0)
        assert pedicle.half_width / mm == pytest.approx(phantom.PEDICLE["half_width"], abs=0.8)
        assert pedicle.half_height / mm == pytest.approx(phantom.PEDICLE["half_height"], abs=0.8)
        assert pedicle.axis @ [0, 1, 0] > np.cos(np.radians(8))
        assert np.linalg.norm(pedicle.axis) == pytest.approx(1.0)


def test_every_compartment_lies_where_it_belongs(straight: Anatomy) -> None:
    canal = _centroid(straight, Compartment.CANAL)
    assert abs(canal[0]) < 1.0
    assert canal[1] == pytest.approx(phantom.CANAL_CENTRE[1], abs=2.0)
    assert _centroid(straight, Compartment.FORAMEN_LEFT)[0] < -8
    assert _centroid(straight, Compartment.FORAMEN_RIGHT)[0] > 8
    # the gap to the neighbours' bodies is 34 - 24 = 10 mm high, centred 17 mm away
    assert _centroid(straight, Compartment.DISC_SUPERIOR)[2] == pytest.approx(17, abs=1.5)
    assert _centroid(straight, Compartment.DISC_INFERIOR)[2] == pytest.approx(-17, abs=1.5)
    disc = np.pi * phantom.BODY[0] * phantom.BODY[1] * (phantom.PITCH - 2 * phantom.BODY[2]) * mm**3
    assert _share(straight, Compartment.DISC_SUPERIOR) == pytest.approx(disc, rel=0.25)
    assert _share(straight, Compartment.ARCH) > 3 * ml


def test_tissue_agrees_with_compartments(straight: Anatomy) -> None:
    canal = straight.compartment == Compartment.CANAL
    assert set(np.unique(straight.tissue[canal])) <= {Tissue.DURA, Tissue.EPIDURAL}
    assert 0.2 < np.mean(straight.tissue[canal] == Tissue.DURA) < 0.8
    body = straight.compartment == Compartment.BODY
    assert np.mean(np.isin(straight.tissue[body], (Tissue.CANCELLOUS, Tissue.CORTICAL, Tissue.VEIN))) == 1.0
    disc = straight.compartment == Compartment.DISC_SUPERIOR
    assert np.all(straight.tissue[disc] == Tissue.DISC)


def test_ct_numbers_survive_the_way_into_the_frame(straight: Anatomy) -> None:
    r, a, s = straight.grid.open_mesh()
    inside = (np.abs(r) < 8 * mm) & (np.abs(a) < 5 * mm) & (np.abs(s) < 5 * mm)
    assert straight.hu[inside].mean() == pytest.approx(110, abs=3)


def test_the_marker_on_the_left_stays_left_in_the_pictures(straight: Anatomy) -> None:
    bright = straight.surround.grid.world(np.argwhere(straight.surround.hu > 450)) / mm
    ball = bright[np.abs(bright[:, 1] - phantom.MARKER[1]) < 9]
    ball = ball[np.abs(ball[:, 2]) < 9]
    assert ball[:, 0].max() < 0
    np.testing.assert_allclose(ball.mean(axis=0), phantom.MARKER, atol=1.5)


def test_the_table_is_removed_and_the_patient_is_not(straight: Anatomy) -> None:
    r, a, _ = straight.surround.grid.open_mesh()
    below = (a < (phantom.SKIN - 4) * mm) & (np.abs(r) < 1)
    inside = (a > (phantom.SKIN + 4) * mm) & (a < 40 * mm) & (np.abs(r) < 48 * mm)
    everywhere = np.ones(straight.surround.grid.shape, bool)
    assert straight.surround.hu[below & everywhere].max(initial=-1000) < -300
    assert np.mean(straight.surround.hu[inside & everywhere] > -50) > 0.99


def test_provenance_is_plain_json_without_paths(straight: Anatomy, tmp_path: Path) -> None:
    text = json.dumps(straight.provenance)
    assert straight.provenance["ct"]["name"] == "ct.nii.gz"
    assert len(straight.provenance["ct"]["sha256"]) == 64
    assert straight.provenance["label_scheme"] == "totalsegmentator"
    assert straight.provenance["licence"] == "made up"
    assert str(tmp_path.parent) not in text


@pytest.mark.slow
def test_patient_from_world_leads_back_to_the_scanner(tmp_path: Path) -> None:
    pose = phantom.rotation(kyphosis=18, scoliosis=-12, turn=9)
    pose[:3, 3] = -25.0, 40.0, 900.0
    made = phantom.make(ras_from_phantom=pose, shape=(74, 68, 56))
    anatomy = import_ct(*phantom.write_pair(tmp_path, made), "L1", spacing=1.2 * mm)
    marker = np.array([*(phantom.MARKER * mm), 1.0])
    found = anatomy.patient_from_world @ marker
    np.testing.assert_allclose(found[:3] / mm, (pose @ [*phantom.MARKER, 1.0])[:3], atol=2.5)
    bright = anatomy.surround.grid.world(np.argwhere(anatomy.surround.hu > 450)) / mm
    ball = bright[np.linalg.norm(bright - phantom.MARKER, axis=1) < 12]
    np.testing.assert_allclose(ball.mean(axis=0), phantom.MARKER, atol=2.0)


def test_mirrored_storage_and_verse_numbers_give_the_same_anatomy(straight: Anatomy, tmp_path: Path) -> None:
    """Axes S, L, A instead of R, A, S, MetaImage instead of NIfTI, VerSe ids: nothing but the file differs."""
    made = phantom.reordered(phantom.make(ids=phantom.VERSE), (2, 0, 1), (1, -1, 1))
    other = import_ct(*phantom.write_pair(tmp_path, made, ".mha"), "l1", spacing=1.0 * mm)
    assert other.provenance["label_scheme"] == "verse"
    assert other.grid.shape == straight.grid.shape
    np.testing.assert_allclose(other.patient_from_world, straight.patient_from_world, atol=6e-3)
    assert np.mean(other.compartment != straight.compartment) < 0.02
    body = straight.compartment == Compartment.BODY
    assert np.abs(other.hu - straight.hu)[body].mean() < 5


@pytest.mark.slow
def test_a_dicom_folder_gives_the_same_anatomy(straight: Anatomy, tmp_path: Path) -> None:
    made = phantom.make()
    _, labels = phantom.write_pair(tmp_path, made)
    folder = phantom.write_dicom(tmp_path / "series", made)
    other = import_ct(folder, labels, "L1", spacing=1.0 * mm)
    np.testing.assert_allclose(other.hu, straight.hu, atol=0.5)


@pytest.mark.slow
def test_subregion_labels_decide_what_is_body(tmp_path: Path) -> None:
    made = phantom.make()
    ct, labels = phantom.write_pair(tmp_path, made)
    parts = np.zeros_like(made.labels)
    body = (made.labels > 0) & (made.hu < 220)
    parts[body], parts[(made.labels > 0) & ~body] = 50, 41
    subregions = phantom.write(tmp_path / "parts.nii.gz", parts, made.affine)
    anatomy = import_ct(ct, labels, "L1", spacing=1.2 * mm, subregions=subregions)
    true = np.pi * phantom.BODY[0] * phantom.BODY[1] * 2 * phantom.BODY[2] * mm**3
    assert anatomy.body_volume == pytest.approx(true, rel=0.12)  # veins take their share
    assert anatomy.provenance["subregions"]["name"] == "parts.nii.gz"


def test_a_level_at_the_end_of_the_labels_gets_an_assumed_disc(tmp_path: Path) -> None:
    made = phantom.make(levels=("L1", "L2"))
    anatomy = import_ct(*phantom.write_pair(tmp_path, made), "L1", spacing=1.2 * mm)
    disc = np.pi * phantom.BODY[0] * phantom.BODY[1] * 8.0 * mm**3
    assert _share(anatomy, Compartment.DISC_SUPERIOR) == pytest.approx(disc, rel=0.3)
    assert _centroid(anatomy, Compartment.DISC_SUPERIOR)[2] > 12


@pytest.mark.slow
def test_same_seed_same_anatomy_and_progress_reaches_one(straight: Anatomy, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    again = import_ct(
        *phantom.write_pair(tmp_path, phantom.make()), "L1", spacing=1.0 * mm, progress=lambda *x: told.append(x)
    )
    np.testing.assert_array_equal(again.permeability, straight.permeability)
    np.testing.assert_array_equal(again.surround.hu, straight.surround.hu)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
