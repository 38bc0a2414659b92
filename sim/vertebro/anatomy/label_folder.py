"""Read a label map: one file with numbers, or a folder with one mask per structure as TotalSegmentator writes it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from vertebro.anatomy.label_tables import TOTAL_2, organ_of
from vertebro.anatomy.volumes import SUFFIXES, Volume, read_volume, same_grid
from vertebro.errors import DataError
from vertebro.tissue import Organ

_NUMBERS = {name: number for number, name in TOTAL_2.items()}
_BONES = ("vertebrae_", "sacrum", "rib_")


def read_labels(path: str | Path) -> Volume:
    """Read a label map.

    Parameters
    ----------
    path : path
        A volume file, or a folder that holds masks named like ``vertebrae_L1.nii.gz`` (bones, organs and great vessels
        are read, muscles and limbs left out); where masks overlap, vertebrae win.

    Returns
    -------
    Volume
        A folder's masks carry TotalSegmentator 2 numbers.

    Raises
    ------
    DataError
        As `read_volume`; if masks of one folder lie on different grids.
    """
    path = Path(path)
    files = masks_in(path) if path.is_dir() else {}
    if not files:
        return read_volume(path)
    digest = hashlib.sha256()
    whole: Volume | None = None
    for name, file in sorted(files.items(), key=lambda item: item[0].startswith("vertebrae_")):
        mask = read_volume(file)
        digest.update(mask.digest.encode())
        if whole is None:
            whole = mask.with_data(np.zeros(mask.data.shape, np.uint8))
        if not same_grid(mask, whole):
            raise DataError(
                "the masks of a folder lie on different grids",
                where=f"{path.name}, {file.name}",
                value=mask.geometry,
                allowed=whole.geometry,
                hint="keep the masks of one scan in one folder",
            )
        whole.data[mask.data > 0] = _NUMBERS[name]
    assembled = whole if whole is not None else read_volume(path)
    return Volume(
        data=assembled.data, ras_from_voxel=assembled.ras_from_voxel, name=path.name, digest=digest.hexdigest()
    )


def masks_in(folder: Path) -> dict[str, Path]:
    """Masks of known structures in a folder, by TotalSegmentator's names; empty without a vertebra among them."""
    found = {}
    for file in sorted(folder.iterdir()):
        suffix = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if file.name.lower().endswith(s)), None)
        name = _known(file.name[: -len(suffix)]) if suffix else None
        if name is not None:
            found[name] = file
    return found if any(name.startswith("vertebrae_") for name in found) else {}


def _known(stem: str) -> str | None:
    """TotalSegmentator 2's name of a structure whose mask is worth reading."""
    lower = stem.lower()
    for name in _NUMBERS:
        if lower == name.lower():
            return name if name.startswith(_BONES) or organ_of(name) is not Organ.NONE else None
    return None
