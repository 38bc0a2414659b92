"""A real torso under the C-arm: organs on their sides, spine and cement dark, metal darker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, CTField, Fluoroscope, Scanner, ct_slice, needle_path, project, tissue_layers

pytestmark = pytest.mark.data
LIVER, SPLEEN, L1 = 5, 1, 31
Torso = tuple[np.ndarray, np.ndarray, VoxelGrid]


@pytest.fixture(scope="module")
def torso(shared_data: Path) -> Torso:
    """CT numbers, labels and a grid whose origin is the middle of L1 (bone centroid), axes of the scanner."""
    arrays = []
    for name in ("ct_torso_1p4mm", "labels_torso_1p4mm"):
        image = sitk.DICOMOrient(sitk.ReadImage(str(shared_data / "lidc0001" / f"{name}.nii.gz")), "RAS")
        arrays.append(sitk.GetArrayFromImage(image).transpose(2, 1, 0))
    spacing = np.array(image.GetSpacing()) * 1e-3
    hu, labels = (np.ascontiguousarray(array) for array in arrays)
    centre = np.argwhere(labels == L1).mean(axis=0)
    return hu, labels, VoxelGrid(hu.shape, tuple(spacing), tuple(-centre * spacing))


def test_liver_is_on_the_viewers_left_in_ap(torso: Torso) -> None:
    _, labels, grid = torso
    geometry = CArm.ap(rows=96, cols=96, pitch=5e-3).geometry
    columns = [
        np.average(np.arange(96), weights=project((labels == organ).astype(np.float32), grid, geometry).sum(axis=0))
        for organ in (LIVER, SPLEEN)
    ]
    assert columns[0] < 44
    assert columns[1] > 52


def test_liver_is_on_the_viewers_left_in_axial_slices(torso: Torso) -> None:
    _, labels, grid = torso
    middle = np.average(grid.axes()[2], weights=(labels == LIVER).sum(axis=(0, 1)))
    field = CTField(centre=(0, 0.04, float(middle)), width=0.35, pixels=128, thickness=0)
    picture = ct_slice(field, np.where(labels == LIVER, 1000, -1000), grid, scanner=Scanner(noise=0.0))
    assert np.argwhere(picture.hu > 500)[:, 1].mean() < 64


def test_spine_cement_and_needle_are_dark_in_both_views(torso: Torso) -> None:
    hu, _, grid = torso
    layers = tissue_layers(hu, grid)
    box = VoxelGrid.around([-0.012, 0.006, -0.012], [0.012, 0.03, 0.012], 0.8e-3)
    r, a, s = box.open_mesh()
    cement = np.where(r**2 + (a - 0.018) ** 2 + s**2 < 0.008**2, 0.85, 0).astype(np.float32)
    for pose in (CArm.ap(rows=256, cols=256, pitch=1e-3), CArm.lateral(rows=256, cols=256, pitch=1e-3)):
        view = Fluoroscope().prepare(pose, layers)
        steel = needle_path(view.geometry, [0.02, -0.05, 0], [0.002, 0.016, 0], outer_diameter=3e-3, inner_diameter=0)
        bare, filled, needled = (
            view.frame(cement_line=line, needle_line=needle, noise=False).display.astype(float)
            for line, needle in ((None, None), (view.cement_line(cement, box), None), (None, steel))
        )
        row, col = view.geometry.project_point([0, 0.018, 0]).round().astype(int)
        spot = np.s_[row - 5 : row + 6, col - 5 : col + 6]
        assert filled[spot].mean() < bare[spot].mean() - 40
        assert needled[steel > 2.5e-3].mean() < bare[steel > 2.5e-3].mean() - 40
    ap = Fluoroscope().prepare(CArm.ap(rows=256, cols=256, pitch=1e-3), layers).frame(noise=False).display.astype(float)
    spine, beside = ap[118:138, 118:138].mean(), ap[118:138, np.r_[70:85, 171:186]].mean()
    assert spine < beside - 15
