"""Keep an `Anatomy` in one HDF5 file, and bring it back exactly enough to simulate the same again.

Voxel labels and CT numbers are kept exactly; fractions and permeabilities as they are computed, so that
``load_anatomy(save_anatomy(a)) == a``. Writing goes to a temporary neighbour that replaces the target in one step.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Exit, Landmarks, Pedicle, SpineLevel, Surround
from vertebro.anatomy.network import VeinNetwork
from vertebro.errors import DataError, VertebroError
from vertebro.grid import VoxelGrid

VERSION = 1
_KIND = "vertebro anatomy"
_ARRAYS = ("tissue", "compartment", "hu", "bone_fraction", "porosity", "permeability")


def save_anatomy(anatomy: Anatomy, path: str | Path) -> Path:
    """Write an anatomy; an existing file is replaced only when the new one is complete.

    Parameters
    ----------
    anatomy : Anatomy
    path : path
        Usually ``anatomy.h5``.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        If the file cannot be written (no folder, no permission, disk full); nothing half-written stays behind.
    """
    path = Path(path)
    content = _in_memory(anatomy)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(
            f"the anatomy cannot be written: {error}",
            where=path.name,
            hint="check that the folder exists, is writable and has room (about 40 MB)",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def load_anatomy(path: str | Path) -> Anatomy:
    """Read an anatomy written by `save_anatomy`.

    Raises
    ------
    DataError
        If the file is missing, truncated, no anatomy, or written by a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such anatomy file", where=path.name, hint="vertebro import CT --labels L --level L1")
    try:
        with h5py.File(path, "r") as file:
            _check_header(file, path)
            return _read(file)
    except VertebroError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"the anatomy file is damaged: {error}",
            where=path.name,
            hint="a truncated copy? import the CT again",
        ) from error


def _in_memory(anatomy: Anatomy) -> bytes:
    """The file's bytes. HDF5 itself cannot close a file cleanly on a full disk, plain bytes can."""
    with h5py.File("anatomy", "w", driver="core", backing_store=False) as file:
        _write(file, anatomy)
        file.flush()
        return bytes(file.id.get_file_image())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_header(file: h5py.File, path: Path) -> None:
    if file.attrs.get("kind") != _KIND:
        raise DataError("not an anatomy file", where=path.name, allowed="a file written by save_anatomy")
    if int(file.attrs["version"]) > VERSION:
        raise DataError(
            "the anatomy file is newer than this vertebro",
            where=path.name,
            value=int(file.attrs["version"]),
            allowed=f"version {VERSION} or older",
            hint="upgrade vertebro",
        )


def _write(file: h5py.File, anatomy: Anatomy) -> None:
    file.attrs["kind"] = _KIND
    file.attrs["version"] = VERSION
    file.attrs["level"] = anatomy.level
    file.attrs["body_volume"] = anatomy.body_volume
    file.attrs["provenance"] = json.dumps(anatomy.provenance, allow_nan=False)
    file["patient_from_world"] = anatomy.patient_from_world
    _write_grid(file.create_group("grid"), anatomy.grid)
    for name in _ARRAYS:
        _pack(file, name, getattr(anatomy, name))
    if anatomy.face_resistance is not None:
        _pack(file, "face_resistance", anatomy.face_resistance)
    surround = file.create_group("surround")
    _write_grid(surround, anatomy.surround.grid)
    _pack(surround, "hu", anatomy.surround.hu)
    if anatomy.surround.organ is not None:
        _pack(surround, "organ", anatomy.surround.organ)
    _write_spine(file, anatomy.spine)
    _write_landmarks(file.create_group("landmarks"), anatomy.landmarks)
    if anatomy.network is not None:
        _write_network(file.create_group("network"), anatomy.network)
    exits = file.create_group("exits")
    for number, outlet in enumerate(anatomy.exits):
        group = exits.create_group(f"{number:03d}")
        group.attrs.update({"name": outlet.name, "route": outlet.route, "pressure": outlet.pressure})
        _pack(group, "cells", outlet.cells)


def _pack(group: h5py.Group, name: str, array: NDArray[Any]) -> None:
    """Compress; shuffling bytes first makes smooth fields half as large."""
    group.create_dataset(name, data=array, compression="gzip", compression_opts=1, shuffle=True)


def _write_grid(group: h5py.Group, grid: VoxelGrid) -> None:
    group.attrs.update({"shape": grid.shape, "spacing": grid.spacing, "origin": grid.origin})


def _write_spine(file: h5py.File, spine: tuple[SpineLevel, ...]) -> None:
    levels = file.create_group("spine")
    for number, level in enumerate(spine):
        levels.create_group(f"{number:03d}").attrs.update(
            {"name": level.name, "centre": level.centre, "axes": level.axes}
        )


def _read_spine(file: h5py.File) -> tuple[SpineLevel, ...]:
    levels = file.get("spine", {})
    return tuple(
        SpineLevel(
            name=str(levels[key].attrs["name"]),
            centre=np.asarray(levels[key].attrs["centre"], float),
            axes=np.asarray(levels[key].attrs["axes"], float),
        )
        for key in sorted(levels)
    )


def _write_network(group: h5py.Group, network: VeinNetwork) -> None:
    for item in fields(VeinNetwork):
        value = getattr(network, item.name)
        if isinstance(value, tuple):
            group.attrs[item.name] = json.dumps(value)
        else:
            group[item.name] = value


def _read_network(file: h5py.File) -> VeinNetwork | None:
    if "network" not in file:
        return None
    group = file["network"]
    values: dict[str, Any] = {}
    for item in fields(VeinNetwork):
        name = item.name
        if name not in group and name not in group.attrs and item.default is not MISSING:
            continue  # written before cracks were segments
        values[name] = tuple(json.loads(group.attrs[name])) if name in group.attrs else group[name][()]
    return VeinNetwork(**values)


def _write_landmarks(group: h5py.Group, landmarks: Landmarks) -> None:
    for item in fields(Landmarks):
        value = getattr(landmarks, item.name)
        if isinstance(value, Pedicle):
            group.create_group(item.name).attrs.update({f.name: getattr(value, f.name) for f in fields(Pedicle)})
        elif value is not None:
            group.attrs[item.name] = value


def _read(file: h5py.File) -> Anatomy:
    surround = file["surround"]
    return Anatomy(
        level=str(file.attrs["level"]),
        grid=_read_grid(file["grid"]),
        **{name: file[name][()] for name in _ARRAYS},
        face_resistance=file["face_resistance"][()] if "face_resistance" in file else None,
        exits=tuple(_read_exit(file["exits"][name]) for name in sorted(file["exits"])),
        surround=Surround(
            grid=_read_grid(surround),
            hu=surround["hu"][()],
            organ=surround["organ"][()] if "organ" in surround else None,
        ),
        landmarks=_read_landmarks(file["landmarks"]),
        patient_from_world=file["patient_from_world"][()],
        body_volume=float(file.attrs["body_volume"]),
        network=_read_network(file),
        spine=_read_spine(file),
        provenance=json.loads(file.attrs["provenance"]),
    )


def _read_grid(group: h5py.Group) -> VoxelGrid:
    return VoxelGrid(**{name: tuple(group.attrs[name].tolist()) for name in ("shape", "spacing", "origin")})


def _read_exit(group: h5py.Group) -> Exit:
    return Exit(
        name=str(group.attrs["name"]),
        route=str(group.attrs["route"]),
        cells=group["cells"][()],
        pressure=float(group.attrs["pressure"]),
    )


def _read_landmarks(group: h5py.Group) -> Landmarks:
    values: dict[str, Any] = {}
    for item in fields(Landmarks):
        if item.name in group:
            values[item.name] = Pedicle(**{f.name: _plain(group[item.name].attrs[f.name]) for f in fields(Pedicle)})
        elif item.name in group.attrs:
            values[item.name] = _plain(group.attrs[item.name])
        elif item.default is MISSING:  # a bone without this landmark
            values[item.name] = None
    return Landmarks(**values)


def _plain(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value, float)
