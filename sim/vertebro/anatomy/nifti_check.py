"""Look into a NIfTI file before ITK does: its reader silently turns NaN into 0 and missing bytes into 0."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError

_FLOATS = {16: "f4", 64: "f8"}  # NIfTI datatype codes
FORMS_APART = 0.5  # mm
_SIZES = {348: "NIfTI-1", 540: "NIfTI-2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    order: str
    shape: tuple[int, ...]
    datatype: int
    bytes_each: int
    offset: int
    qform: NDArray[np.float64] | None
    sform: NDArray[np.float64] | None


def check_nifti(path: Path) -> bool:
    """Refuse a truncated NIfTI file, one whose float values are not all finite, or whose two geometries disagree.

    Returns
    -------
    bool
        Whether the header says how the voxels lie in the patient (a qform or an sform code above 0).

    Raises
    ------
    DataError
    """
    content = _bytes(path)
    header = _header(content, path.name)
    expected = header.offset + math.prod(header.shape) * header.bytes_each
    if len(content) < expected:
        raise _truncated(path.name, f"{len(content)} of {expected} bytes")
    if header.datatype in _FLOATS:
        kind = header.order + _FLOATS[header.datatype]
        values = np.frombuffer(content, kind, math.prod(header.shape), header.offset)
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            place = np.unravel_index(int(bad[0]), header.shape, order="F")
            raise not_finite(path.name, tuple(int(i) for i in place), bad.size, values.size)
    _check_forms(header, path.name)
    return header.qform is not None or header.sform is not None


def _check_forms(header: _Header, name: str) -> None:
    """Readers choose differently between qform and sform: they must place every corner alike."""
    if header.qform is None or header.sform is None:
        return
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in header.shape[:3]], indexing="ij")).reshape(3, -1)
    apart = (header.qform - header.sform) @ np.vstack([corners, np.ones(corners.shape[1])])
    worst = float(np.linalg.norm(apart[:3], axis=0).max())
    if worst > FORMS_APART:
        raise DataError(
            "the two geometries of a NIfTI header (qform, sform) disagree",
            where=name,
            value=f"a corner lies {worst:.1f} mm apart",
            allowed=f"{FORMS_APART:g} mm",
            hint="find out which is right (left and right depend on it) and write the file again with one of them",
        )


def not_finite(name: str, place: tuple[int, ...], count: int, total: int) -> DataError:
    """The error for NaN and infinite values."""
    return DataError(
        "values that are not finite",
        where=f"{name}, first at voxel {place}",
        value=f"{count} of {total} voxels",
        hint="replace them with -1000 (air) if they are padding; else export the volume again",
    )


def _bytes(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise _truncated(path.name, str(error)) from error


def _header(content: bytes, name: str) -> _Header:
    for order in "<>":
        size = struct.unpack_from(order + "i", content)[0] if len(content) >= 352 else 0
        if size == 348:
            dim = struct.unpack_from(order + "8h", content, 40)
            datatype, bits = struct.unpack_from(order + "2h", content, 70)
            offset = int(struct.unpack_from(order + "f", content, 108)[0])
            codes = struct.unpack_from(order + "2h", content, 252)
            forms = struct.unpack_from(order + "8f", content, 76), struct.unpack_from(order + "18f", content, 256)
            break
        if size == 540 and len(content) >= 544:
            datatype, bits = struct.unpack_from(order + "2h", content, 12)
            dim = struct.unpack_from(order + "8q", content, 16)
            offset = int(struct.unpack_from(order + "q", content, 168)[0])
            codes = struct.unpack_from(order + "2i", content, 344)
            forms = struct.unpack_from(order + "8d", content, 104), struct.unpack_from(order + "18d", content, 352)
            break
    else:
        raise DataError("the file cannot be read: it is no NIfTI file", where=name, allowed=", ".join(_SIZES.values()))
    shape = tuple(int(n) for n in dim[1 : 1 + max(0, min(int(dim[0]), 7))])
    pixdim, numbers = forms
    return _Header(
        order=order,
        shape=shape,
        datatype=datatype,
        bytes_each=bits // 8,
        offset=offset,
        qform=_qform(pixdim, numbers[:6]) if codes[0] > 0 else None,
        sform=np.vstack([np.reshape(numbers[6:], (3, 4)), [0, 0, 0, 1]]) if codes[1] > 0 else None,
    )


def _qform(pixdim: tuple[float, ...], numbers: tuple[float, ...]) -> NDArray[np.float64]:
    """(4, 4) affine [mm] of a quaternion b, c, d, an offset and the voxel sizes; the first size's sign flips axis k."""
    b, c, d = numbers[:3]
    a = math.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    out = np.eye(4)
    out[:3, :3] = turn * np.array([pixdim[1], pixdim[2], pixdim[3] * (-1.0 if pixdim[0] < 0 else 1.0)])
    out[:3, 3] = numbers[3:6]
    return out


def _truncated(name: str, detail: str) -> DataError:
    return DataError(
        "the file cannot be read: it is truncated or damaged",
        where=name,
        value=detail,
        hint="copy or download it again",
    )
