"""Read image volumes into one convention: voxel arrays plus ``ras_from_voxel`` in metres.

SimpleITK speaks LPS millimetres; the turn to RAS metres happens here, once, and nowhere else.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name its manual uses)
from numpy.typing import NDArray

from vertebro.anatomy.dicom_slices import read_dicom
from vertebro.anatomy.nifti_check import check_nifti
from vertebro.errors import DataError
from vertebro.units import mm

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0])
_FORMATS = "a .nii, .nii.gz, .nrrd, .mha or .mhd file, a folder of DICOM slices, a .zip of them, or a multi-frame .dcm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """A voxel array with its place in the patient.

    Attributes
    ----------
    data : (ni, nj, nk) array
        In the file's own axis order.
    ras_from_voxel : (4, 4) float array
        Affine from voxel indices to scanner RAS coordinates [m].
    name : str
        File or folder name without its path.
    digest : str
        SHA-256 of the bytes read.
    oriented : bool
        Whether the file said how the voxels lie in the patient; without, left and right are a guess.
    """

    data: NDArray[Any]
    ras_from_voxel: NDArray[np.float64]
    name: str
    digest: str
    oriented: bool = True

    @property
    def spacing(self) -> NDArray[np.float64]:
        """(3,) voxel sizes [m]."""
        return np.asarray(np.linalg.norm(self.ras_from_voxel[:3, :3], axis=0))

    @property
    def axes(self) -> str:
        """Nearest anatomical direction of each voxel axis, e.g. ``"LPS"``."""
        matrix = self.ras_from_voxel[:3, :3] / self.spacing
        names = (("R", "L"), ("A", "P"), ("S", "I"))
        strongest = np.argmax(np.abs(matrix), axis=0)
        return "".join(names[row][int(matrix[row, column] < 0)] for column, row in enumerate(strongest))

    @property
    def geometry(self) -> str:
        """Size, spacing, axes and first voxel in one line, for messages."""
        spacing = " x ".join(f"{h / mm:.3f}" for h in self.spacing)
        corner = ", ".join(f"{x / mm:.1f}" for x in self.ras_from_voxel[:3, 3])
        size = " x ".join(map(str, self.data.shape))
        return f"{size} voxels of {spacing} mm, axes {self.axes}, first at RAS ({corner}) mm"

    def world(self, index: NDArray[Any]) -> NDArray[np.float64]:
        """RAS positions (n, 3) [m] of voxel indices (n, 3)."""
        return np.asarray(index @ self.ras_from_voxel[:3, :3].T + self.ras_from_voxel[:3, 3])

    def crop(self, low: NDArray[Any], high: NDArray[Any]) -> Volume:
        """View of the voxels ``low <= index < high``, cut to the array, with its own affine."""
        low = np.clip(low, 0, np.asarray(self.data.shape) - 1).astype(int)
        high = np.clip(high, low + 1, self.data.shape).astype(int)
        affine = self.ras_from_voxel.copy()
        affine[:3, 3] = self.world(low[None])[0]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        return replace(self, data=self.data[box], ras_from_voxel=affine)

    def with_data(self, data: NDArray[Any]) -> Volume:
        """The same place with other values."""
        return replace(self, data=data)


def read_volume(path: str | Path) -> Volume:
    """Read a volume file, a folder of DICOM slices or a zip of them.

    Parameters
    ----------
    path : path
        NIfTI, NRRD, MetaImage, DICOM folder or zip.

    Returns
    -------
    Volume

    Raises
    ------
    DataError
        If the file is missing or unreadable, is not three-dimensional, misses slices, was taken with a tilted
        gantry, or has slices thicker than 5 mm.
    """
    path = Path(path)
    if not path.exists():
        raise DataError("no such file or folder", where=path.name, allowed=_FORMATS, hint="check the path")
    if path.is_dir() or path.suffix.lower() == ".dcm":
        volume = _read_dicom(path, path.name)
    elif path.suffix.lower() == ".zip":
        volume = _read_zip(path)
    elif path.name.lower().endswith(SUFFIXES):
        oriented = check_nifti(path) if path.name.lower().endswith((".nii", ".nii.gz")) else True
        volume = _from_image(_read_image(path), path.name, _digest([path]))
        volume = replace(volume, oriented=oriented and not _bare(volume))
    else:
        raise DataError("unknown kind of image file", where="path", value=path.name, allowed=_FORMATS)
    _check_voxels(volume)
    return volume


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write NIfTI, NRRD or MHA, compressed, where the volume lies in the patient.

    Raises
    ------
    DataError
        If the suffix is unknown or the file cannot be written.
    """
    path = Path(path)
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError("unknown kind of image file", where="path", value=path.name, allowed=", ".join(SUFFIXES))
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    affine = _RAS_FROM_LPS @ volume.ras_from_voxel[:3] / mm
    spacing = volume.spacing / mm
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:, 3].tolist())
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        raise DataError(f"cannot write the volume: {error}", where=str(path), hint="a folder that exists") from None


def same_grid(a: Volume, b: Volume, tolerance: float = 1e-4) -> bool:
    """Whether two volumes have the same voxels, to `tolerance` [m] at every corner."""
    if a.data.shape != b.data.shape:
        return False
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in a.data.shape], indexing="ij")).reshape(3, -1).T
    return bool(np.max(np.abs(a.world(corners) - b.world(corners))) <= tolerance)


def _bare(volume: Volume) -> bool:
    """Whether the geometry is what a writer without any leaves: 1 mm voxels, no turn, first voxel at the origin."""
    turn = np.abs(volume.ras_from_voxel[:3, :3])
    return bool(np.allclose(turn, np.eye(3) * mm, atol=1e-9) and np.allclose(volume.ras_from_voxel[:3, 3], 0.0))


def _read_image(path: Path) -> sitk.Image:
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise DataError(
            f"the image file cannot be read: {_last_line(error, path.parent)}",
            where=path.name,
            allowed=_FORMATS,
            hint="a truncated download, or a sheared (tilted gantry) geometry; export the volume again, resampled",
        ) from error


def _from_image(image: sitk.Image, name: str, digest: str) -> Volume:
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise DataError(
            "not a scalar volume of three dimensions",
            where=name,
            value=f"size {image.GetSize()}, {image.GetNumberOfComponentsPerPixel()} values per voxel",
            allowed="one value per voxel, three dimensions",
        )
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = _RAS_FROM_LPS @ direction @ np.diag(image.GetSpacing()) * mm
    affine[:3, 3] = _RAS_FROM_LPS @ np.array(image.GetOrigin()) * mm
    data = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    return Volume(data=data, ras_from_voxel=affine, name=name, digest=digest)


def _read_zip(path: Path) -> Volume:
    with tempfile.TemporaryDirectory(prefix="vertebro-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"the zip cannot be read: {error}", where=path.name, hint="download it again") from error
        volume = _read_dicom(Path(folder), path.name)
    return replace(volume, digest=_digest([path]))


def _read_dicom(path: Path, name: str) -> Volume:
    stack = read_dicom(path, name)
    affine = stack.lps_from_voxel.copy()
    affine[:3] = _RAS_FROM_LPS @ affine[:3] * mm
    return Volume(data=stack.data, ras_from_voxel=affine, name=name, digest=_digest(list(stack.files)))


def _check_voxels(volume: Volume) -> None:
    if min(volume.data.shape) < 8:
        raise DataError("the volume is too thin", where=volume.name, value=volume.data.shape, allowed=">= 8 voxels")
    thickest = float(volume.spacing.max())
    if thickest > 5.0 * mm * (1 + 1e-6):
        raise DataError(
            "the slices are too thick to place a needle or follow cement",
            where=volume.name,
            value=f"{thickest / mm:.2f} mm",
            allowed="voxels of at most 5 mm; 0.5 to 2.5 mm is good",
            hint="use the thin reconstruction of the same scan",
        )


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _last_line(error: Exception, folder: Path) -> str:
    """What the library said last, without the folder's name."""
    return str(error).strip().splitlines()[-1].replace(f"{folder}/", "").strip()
