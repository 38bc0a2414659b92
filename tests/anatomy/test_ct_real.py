"""Real scans beside the checkout: a patient's L1 from NIfTI and from DICOM, a low-dose L3 with VerSe labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import import_ct, import_volumes
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.tissue import Compartment, Organ
from vertebro.units import ml, mm

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def lidc_l1(shared_data: Path) -> Anatomy:
    folder = shared_data / "lidc0001"
    return import_ct(folder / "ct_spine_t8_l2.nii.gz", folder / "labels_vertebrae_t8_l2.nii.gz", "L1")


def _looks_like_a_lumbar_vertebra(anatomy: Anatomy) -> None:
    """Published morphometry of T11–L3 leaves wide room: these bounds catch a wrong frame, not a small patient."""
    marks = anatomy.landmarks
    assert 15 * ml < anatomy.body_volume < 60 * ml
    assert 20 * mm < marks.superior_endplate - marks.inferior_endplate < 34 * mm
    assert 22 * mm < marks.anterior_wall - marks.posterior_wall < 40 * mm
    for side, pedicle in ((-1, marks.pedicle_left), (1, marks.pedicle_right)):
        assert 9 * mm < side * pedicle.centre[0] < 22 * mm
        assert 0 < pedicle.centre[2] < marks.superior_endplate
        assert 3 * mm < pedicle.half_width < 8 * mm
        assert 5 * mm < pedicle.half_height < 11 * mm
        assert -10 < -side * np.degrees(np.arctan2(pedicle.axis[0], pedicle.axis[1])) < 25
    assert abs(marks.canal_centre[0]) < 2 * mm
    assert marks.posterior_skin < marks.spinous_tip[1] < marks.canal_centre[1] < marks.posterior_wall
    near = anatomy.compartment[anatomy.grid.nearest(marks.canal_centre)]
    assert near in (Compartment.CANAL, Compartment.VEIN_BASIVERTEBRAL)


def test_l1_of_an_elderly_patient(lidc_l1: Anatomy) -> None:
    _looks_like_a_lumbar_vertebra(lidc_l1)
    assert lidc_l1.provenance["quality"]["core_hu_mean"] == pytest.approx(77, abs=15)
    assert lidc_l1.provenance["quality"]["contrast_hu"] > 250
    # the patient lies supine, head first: the axes differ from the scanner's by lordosis and scoliosis only
    lean = np.degrees(np.arccos(lidc_l1.patient_from_world[2, 2]))
    assert 5 < lean < 30


def test_the_aorta_lies_in_front_and_the_liver_would_be_right(lidc_l1: Anatomy) -> None:
    """The contrast-filled aorta runs in front of the spine, a little left of the patient's midline or on it."""
    surround = lidc_l1.surround
    r, a, s = surround.grid.open_mesh()
    bright = (surround.hu > 300) & (surround.hu < 500) & (a > 22 * mm) & (np.abs(s) < 8 * mm) & (np.abs(r) < 30 * mm)
    place = surround.grid.world(np.argwhere(bright)).mean(axis=0)
    assert -20 * mm < place[0] < 6 * mm
    assert place[1] > 25 * mm


@pytest.mark.slow
def test_dicom_slices_give_the_same_vertebra_as_nifti(lidc_l1: Anatomy, shared_data: Path) -> None:
    folder = shared_data / "lidc0001"
    other = import_ct(
        folder / "dicom_l1_26slices.zip", folder / "labels_vertebrae_t8_l2.nii.gz", "L1", resample_labels=True
    )
    np.testing.assert_allclose(other.patient_from_world, lidc_l1.patient_from_world, atol=1e-5)
    body = lidc_l1.compartment == Compartment.BODY
    # the spline feels the ends of the shorter stack a little
    np.testing.assert_allclose(other.hu[body], lidc_l1.hu[body], atol=8.0)
    assert np.abs(other.hu[body] - lidc_l1.hu[body]).mean() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("level", ["T11", "T12", "L2"])
def test_the_neighbouring_levels(level: str, shared_data: Path) -> None:
    folder = shared_data / "lidc0001"
    _looks_like_a_lumbar_vertebra(
        import_ct(folder / "ct_spine_t8_l2.nii.gz", folder / "labels_vertebrae_t8_l2.nii.gz", level)
    )


@pytest.mark.slow
@pytest.mark.parametrize("parts", [None, "labels_subregion.nii.gz"])
def test_a_noisy_l3_with_verse_labels(parts: str | None, shared_data: Path) -> None:
    folder = shared_data / "tptbox_l3"
    anatomy = import_ct(
        folder / "ct_l3.nii.gz",
        folder / "labels_vertebra.nii.gz",
        "L3",
        subregions=None if parts is None else folder / parts,
    )
    _looks_like_a_lumbar_vertebra(anatomy)
    assert any("noisy" in remark for remark in anatomy.provenance["warnings"])
    assert anatomy.provenance["label_scheme"] == "verse"


def test_every_level_of_the_scan_is_named_from_the_head_down(lidc_l1: Anatomy) -> None:
    names = [level.name for level in lidc_l1.spine]
    assert names == ["T9", "T10", "T11", "T12", "L1", "L2", "L3"]
    heights = np.array([level.centre[2] for level in lidc_l1.spine]) / mm
    assert np.all(np.diff(heights) < -18)
    own = lidc_l1.spine[names.index("L1")]
    np.testing.assert_allclose(own.centre, 0.0, atol=1e-9)
    np.testing.assert_allclose(own.axes, np.eye(3), atol=1e-9)
    assert all(level.axes[2, 2] > 0.9 for level in lidc_l1.spine)


@pytest.mark.slow
def test_organs_of_the_whole_torso_lie_on_their_sides(shared_data: Path) -> None:
    folder = shared_data / "lidc0001"
    anatomy = import_ct(folder / "ct_torso_1p4mm.nii.gz", folder / "labels_torso_1p4mm.nii.gz", "L1")
    organ, grid = anatomy.surround.organ, anatomy.surround.grid
    assert organ is not None

    def middle(code: Organ) -> np.ndarray:
        return grid.world(np.argwhere(organ[::2, ::2, ::2] == code) * 2).mean(axis=0) / mm

    assert middle(Organ.LIVER)[0] > 30
    assert middle(Organ.SPLEEN)[0] < -30
    assert middle(Organ.ARTERY)[1] > 15
    volume = np.bincount(organ.ravel(), minlength=15) * grid.voxel_volume / ml
    assert 500 < volume[Organ.LIVER] < 2500
    assert 100 < volume[Organ.KIDNEY] < 500
    assert anatomy.provenance["quality"]["aorta_hu"] == pytest.approx(400, abs=15)
    scale = anatomy.provenance["calibration"]
    assert {r["name"] for r in scale["references"]} == {"fat", "muscle", "air"}  # blood is enhanced
    assert scale["slope"] == pytest.approx(1.0, abs=0.05)
    assert not scale["applied"]


def _changed(shared_data: Path, turn: float, thick: int) -> Anatomy:
    """The real L1 with the patient turned in the coronal plane [degrees], or with every so manieth slice."""
    folder = shared_data / "lidc0001"
    volumes = [read_volume(folder / f"{name}_t8_l2.nii.gz") for name in ("ct_spine", "labels_vertebrae")]
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    pose = np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1]])
    out = []
    for volume in volumes:
        affine = pose @ volume.ras_from_voxel
        affine[:3, 2] *= thick
        data = volume.data[:, :, : volume.data.shape[2] // thick * thick]
        if volume is volumes[0] and thick > 1:
            data = data.reshape(*data.shape[:2], -1, thick).mean(axis=3).astype(np.int16)
            affine[:3, 3] += affine[:3, 2] * (thick - 1) / (2 * thick)
        elif thick > 1:
            data = data[:, :, ::thick]
            affine[:3, 3] += affine[:3, 2] * (thick - 1) / (2 * thick)
        out.append(Volume(data=data, ras_from_voxel=affine, name=volume.name, digest=volume.digest))
    return import_volumes(*out, "L1")


@pytest.mark.slow
@pytest.mark.parametrize(("turn", "thick"), [(25.0, 1), (-25.0, 1), (0.0, 2)])
def test_scoliosis_and_thick_slices_change_little(lidc_l1: Anatomy, shared_data: Path, turn: float, thick: int) -> None:
    other = _changed(shared_data, turn, thick)
    _looks_like_a_lumbar_vertebra(other)
    room = (1.5 if thick == 1 else 3.0) * mm
    for before, after in zip(lidc_l1.landmarks.pedicles, other.landmarks.pedicles, strict=True):
        np.testing.assert_allclose(after.centre[[0, 2]], before.centre[[0, 2]], atol=room)
        assert after.half_width == pytest.approx(before.half_width, abs=room)
    assert other.body_volume == pytest.approx(lidc_l1.body_volume, rel=0.1)
    assert any("thick slices" in text for text in other.provenance["warnings"]) == (thick == 2)
