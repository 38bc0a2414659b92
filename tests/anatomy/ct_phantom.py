"""A small made-up spine with known dimensions, sampled on any voxel grid, and writers for it.

Millimetres here, as in the files. Own frame of the phantom: r right, a anterior, s superior, origin in the middle
vertebra's body centre.
"""

from __future__ import annotations

import locale
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from vertebro.anatomy.ct_job import make_job
from vertebro.anatomy.label_folder import read_labels
from vertebro.anatomy.volumes import read_volume

PITCH = 34.0
BODY = np.array([20.0, 14.0, 12.0])  # half width, half depth, half height
CANAL_CENTRE, CANAL_HALF = np.array([0.0, -23.0]), np.array([10.0, 9.0])
PEDICLE = {"r": 13.5, "s": 4.0, "half_width": 4.0, "half_height": 6.5}
SPINOUS_TIP = -56.0
SKIN = -66.0
MARKER = np.array([-40.0, 8.0, 0.0])  # a bright ball on the LEFT
LEVELS = {"T12": 1, "L1": 0, "L2": -1}
TOTALSEGMENTATOR = {"T12": 32, "L1": 31, "L2": 30}
VERSE = {"T12": 19, "L1": 20, "L2": 21}
SHAPE, SPACING = (66, 60, 46), (2.2, 2.2, 2.2)


@dataclass
class Phantom:
    """CT numbers and labels on one voxel grid; `affine` leads from voxels to RAS millimetres."""

    hu: NDArray[np.float32]
    labels: NDArray[np.uint8]
    affine: NDArray[np.float64]
    ras_from_phantom: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))


def rotation(kyphosis: float = 0.0, scoliosis: float = 0.0, turn: float = 0.0) -> NDArray[np.float64]:
    """(4, 4) rotation by degrees about r, a and s."""
    out = np.eye(4)
    for axis, angle in enumerate(np.radians([kyphosis, scoliosis, turn])):
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        step = np.eye(4)
        step[i, i] = step[j, j] = np.cos(angle)
        step[i, j], step[j, i] = -np.sin(angle), np.sin(angle)
        out = step @ out
    return out


def make(
    *,
    ras_from_phantom: NDArray[np.float64] | None = None,
    shape: tuple[int, int, int] = SHAPE,
    spacing: tuple[float, float, float] = SPACING,
    direction: NDArray[np.float64] | None = None,
    ids: dict[str, int] | None = None,
    levels: tuple[str, ...] = ("T12", "L1", "L2"),
    shift: tuple[float, float, float] = (0.0, -8.0, 0.0),
) -> Phantom:
    """Sample the phantom; `direction` holds the voxel axes as columns in RAS, `shift` the grid's middle [mm]."""
    pose = np.eye(4) if ras_from_phantom is None else ras_from_phantom
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if direction is None else direction) @ np.diag(spacing)
    middle = pose[:3, :3] @ np.asarray(shift) + pose[:3, 3]
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    index = np.moveaxis(np.indices(shape), 0, -1)
    ras = index @ affine[:3, :3].T + affine[:3, 3]
    inverse = np.linalg.inv(pose)
    r, a, s = np.moveaxis(ras @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    hu, labels = _soft_tissue(r, a, s), np.zeros(shape, np.uint8)
    numbers = ids or TOTALSEGMENTATOR
    for level in levels:
        body, arch = vertebra(r, a, s - PITCH * LEVELS[level])
        hu[body], hu[arch] = 110.0, 330.0
        labels[body | arch] = numbers[level]
    hu += np.random.default_rng(1).normal(0, 8, shape)
    return Phantom(hu=hu.astype(np.float32), labels=labels, affine=affine, ras_from_phantom=pose)


def vertebra(r: Any, a: Any, s: Any) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Body and arch of one vertebra at the origin."""
    body = ((r / BODY[0]) ** 2 + (a / BODY[1]) ** 2 < 1.0) & (np.abs(s) < BODY[2])
    canal = ((r - CANAL_CENTRE[0]) / CANAL_HALF[0]) ** 2 + ((a - CANAL_CENTRE[1]) / CANAL_HALF[1]) ** 2
    pedicle = (np.abs(r) - PEDICLE["r"]) ** 2 / PEDICLE["half_width"] ** 2
    pedicle = pedicle + (s - PEDICLE["s"]) ** 2 / PEDICLE["half_height"] ** 2 < 1.0
    pedicle = pedicle & (a < -2.0) & (a > -26.0)
    outer = (r / 18.0) ** 2 + ((a - CANAL_CENTRE[1]) / 15.0) ** 2 < 1.0
    lamina = outer & (a < -23.0) & (s > -8.0) & (s < 9.0)
    spinous = (np.abs(r) < 3.0) & (a < -32.0) & (a > SPINOUS_TIP) & (s > -10.0) & (s < 3.0)
    process = (np.abs(r) > 12.0) & (np.abs(r) < 32.0) & ((a + 27.0) ** 2 + (s - 3.0) ** 2 < 16.0)
    arch = (pedicle | lamina | spinous | process) & (canal > 1.0) & ~body
    return body, arch


def _soft_tissue(r: Any, a: Any, s: Any) -> NDArray[np.float64]:
    """A trunk in air, a table below it, a bright ball on the left."""
    hu = np.full(np.broadcast(r, a, s).shape, -1000.0)
    hu[(np.abs(r) < 55) & (a > SKIN) & (a < 45.0)] = 40.0
    hu[(a < SKIN - 4.0) & (a > SKIN - 10.0)] = 150.0  # the table
    ball = (r - MARKER[0]) ** 2 + (a - MARKER[1]) ** 2 + (s - MARKER[2]) ** 2 < 8.0**2
    hu[ball] = 600.0
    return hu


def axis_orders() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All 48 ways to name and turn three voxel axes: permutation and signs."""
    return [(p, f) for p in permutations(range(3)) for f in product((1, -1), repeat=3)]


def reordered(phantom: Phantom, order: tuple[int, ...], signs: tuple[int, ...]) -> Phantom:
    """The same voxels stored in another axis order; the affine follows."""
    affine = phantom.affine[:, [*order, 3]].copy()
    hu, labels = phantom.hu.transpose(order), phantom.labels.transpose(order)
    for axis, sign in enumerate(signs):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
            hu, labels = np.flip(hu, axis), np.flip(labels, axis)
    return Phantom(hu=hu, labels=labels, affine=affine, ras_from_phantom=phantom.ras_from_phantom)


def write(path: Path, data: NDArray[Any], affine: NDArray[np.float64]) -> Path:
    """Write voxels with a RAS millimetre affine through SimpleITK (which speaks LPS)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    sitk.WriteImage(image, str(path))
    return path


def write_pair(folder: Path, phantom: Phantom, suffix: str = ".nii.gz") -> tuple[Path, Path]:
    """Write CT (int16) and labels; return both paths."""
    ct = write(folder / f"ct{suffix}", np.rint(phantom.hu).astype(np.int16), phantom.affine)
    return ct, write(folder / f"labels{suffix}", phantom.labels, phantom.affine)


def write_dicom(folder: Path, phantom: Phantom, skip: tuple[int, ...] = (), shear: float = 0.0) -> Path:
    """Write axial slices as a DICOM series; `skip` leaves slices out, `shear` moves each by so many mm (tilt)."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ phantom.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    direction = lps[:3, :3] / spacing
    before = locale.setlocale(locale.LC_CTYPE)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(phantom.hu.shape[2]):
        if k in skip:
            continue
        position = lps[:3, 3] + k * lps[:3, 2] + k * shear * direction[:, 1]
        plane = sitk.GetImageFromArray(np.rint(phantom.hu[:, :, k].T[None]).astype(np.int16))
        plane.SetSpacing(spacing.tolist())
        tags = {
            "0008|0060": "CT",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{k + 1}",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.2",
            "0020|000e": "1.2.826.0.1.3680043.2.1125.3",
            "0020|0013": str(k + 1),
            "0020|0032": "\\".join(f"{x:.6f}" for x in position),
            "0020|0037": "\\".join(f"{x:.6f}" for x in (*direction[:, 0], *direction[:, 1])),
            "0028|0030": f"{spacing[1]:.6f}\\{spacing[0]:.6f}",
            "0018|0050": f"{spacing[2]:.6f}",
        }
        for tag, value in tags.items():
            plane.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(plane)
    locale.setlocale(locale.LC_CTYPE, before)  # the DICOM library leaves the process in the C locale
    return folder


def read_job(ct, labels, level, *, resample_labels=False, subregions=None):
    """Checked volumes of files, as an import makes them."""
    parts = None if subregions is None else read_volume(subregions)
    scan, marks = read_volume(ct), read_labels(labels)
    return make_job(scan, marks, level, scheme="auto", resample_labels=resample_labels, subregions=parts)
