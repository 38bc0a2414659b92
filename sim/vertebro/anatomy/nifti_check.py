"""Look into a NIfTI file before ITK does: its reader silently turns NaN into 0 and missing bytes into 0."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vertebro.errors import DataError

_FLOATS = {16: "f4", 64: "f8"}  # NIfTI datatype codes
_SIZES = {348: "NIfTI-1", 540: "NIfTI-2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    order: str
    shape: tuple[int, ...]
    datatype: int
    bytes_each: int
    offset: int


def check_nifti(path: Path) -> None:
    """Refuse a truncated NIfTI file, or one whose float values are not all finite.

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
            break
        if size == 540 and len(content) >= 544:
            datatype, bits = struct.unpack_from(order + "2h", content, 12)
            dim = struct.unpack_from(order + "8q", content, 16)
            offset = int(struct.unpack_from(order + "q", content, 168)[0])
            break
    else:
        raise DataError("the file cannot be read: it is no NIfTI file", where=name, allowed=", ".join(_SIZES.values()))
    shape = tuple(int(n) for n in dim[1 : 1 + max(0, min(int(dim[0]), 7))])
    return _Header(order=order, shape=shape, datatype=datatype, bytes_each=bits // 8, offset=offset)


def _truncated(name: str, detail: str) -> DataError:
    return DataError(
        "the file cannot be read: it is truncated or damaged",
        where=name,
        value=detail,
        hint="copy or download it again",
    )
