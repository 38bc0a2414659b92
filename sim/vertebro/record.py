"""What a run leaves behind: `Run` in memory, and the run folder on disk (written whole or not at all).

Folder: ``case.toml`` (reruns identically), ``anatomy.h5``, ``run.vtkhdf`` (fields over time and history, opens in
ParaView), ``events.jsonl``, ``summary.json``, ``frames/``, ``manifest.json`` and later ``report.html``.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.store import load_anatomy, save_anatomy
from vertebro.build import Scene, build
from vertebro.case import Case
from vertebro.errors import DataError, VertebroError
from vertebro.grid import VoxelGrid
from vertebro.observe import Picture
from vertebro.warmth import HeatResult

FORMAT = 1
HEAT_FIELDS = {
    "peak": "peak_temperature_c",
    "dose": "cem43_min",
    "damage": "damage_integral",
    "conversion": "conversion",
}


@dataclass(kw_only=True, slots=True)
class Run:
    """A finished (or interrupted) injection.

    Attributes
    ----------
    scene : Scene
        Case, anatomy, needles, cement as built.
    times : (n,) float array [s]
        Times of the recorded fields, on the schedule's clock.
    saturation : (n, nr, na, ns) float32 array
        Share of the movable pore volume that is cement.
    veins : (n, m) float32 array [m³] or None
        Cement in each segment of the anatomy's veins; None in a run of an older vertebro.
    injection_time : (nr, na, ns) float32 array [s]
        When the cement in a voxel left the needle; NaN where there is none.
    pressure : (nr, na, ns) float32 array [Pa]
        Pressure field at the highest injection pressure.
    history : dict of (m,) float arrays
        Curves, names carry their unit (``time_s``, ``bone_pressure_pa`` …).
    events : list of dict
        Everything that happened, in order, plain JSON values.
    pictures : list of Picture
        Fluoroscopy frames taken on the way.
    summary, manifest : dict
    heat : HeatResult or None
        Temperatures and thermal dose, unless the case leaves heat out.
    folder : Path or None
        Where it is saved.
    """

    scene: Scene
    times: NDArray[np.float64]
    saturation: NDArray[np.float32]
    injection_time: NDArray[np.float32]
    pressure: NDArray[np.float32]
    history: dict[str, NDArray[np.float64]]
    events: list[dict[str, Any]]
    pictures: list[Picture]
    summary: dict[str, Any]
    manifest: dict[str, Any]
    veins: NDArray[np.float32] | None = field(default=None)
    heat: HeatResult | None = field(default=None)
    folder: Path | None = field(default=None)

    @property
    def case(self) -> Case:
        """The input."""
        return self.scene.case

    @property
    def anatomy(self) -> Anatomy:
        """The vertebra."""
        return self.scene.anatomy

    def index_at(self, time: float) -> int:
        """Index of the last recorded field not later than `time` [s]."""
        if not self.times[0] - 1e-9 <= time <= self.times[-1] + 1e-6:
            raise DataError(
                "the run has no such moment",
                where="time [s]",
                value=time,
                allowed=f"{self.times[0]:g} to {self.times[-1]:g} s",
            )
        return int(np.searchsorted(self.times, time + 1e-6, side="right") - 1)

    def cement_fraction(self, time: float | None = None) -> NDArray[np.float32]:
        """(nr, na, ns) volume share of cement in each voxel at a time (default: the end)."""
        index = len(self.times) - 1 if time is None else self.index_at(time)
        return self.scene.cement_fraction(self.saturation[index], self.vein_cement(time))

    def vein_cement(self, time: float | None = None) -> NDArray[np.float32]:
        """(m,) cement [m³] in each segment of the veins at a time (default: the end); empty without veins."""
        if self.veins is None:
            return np.zeros(0, np.float32)
        return self.veins[len(self.times) - 1 if time is None else self.index_at(time)]

    def save(self, folder: str | Path) -> Path:
        """Write the run folder, whole or not at all.

        Raises
        ------
        DataError
            If the folder is already used, or the disk is full or not writable.
        """
        folder = check_free(folder)
        with whole_or_nothing(folder) as partial:
            _write(self, partial)
        self.folder = folder
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Read a run folder.

        Raises
        ------
        DataError
            If a file is missing, truncated or of another format version.
        """
        folder = Path(folder)
        if not (folder / "manifest.json").is_file():
            raise DataError("not a run folder", where=str(folder), hint="vertebro run CASE --out RUN makes one")
        try:
            return _read(folder)
        except VertebroError:
            raise
        except (OSError, KeyError, ValueError) as error:
            raise DataError(
                f"the run folder is damaged: {error}", where=str(folder), hint="run the case.toml in it again"
            ) from None


def check_free(folder: str | Path, needed: float = 300e6) -> Path:
    """Return the folder if a run may be written there; raise `DataError` if it is used or the disk is too full."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError("the output folder is already used", where=str(folder), hint="choose another --out")
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not os.access(parent, os.W_OK):
        raise DataError("the output folder cannot be written", where=str(parent), hint="choose another --out")
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise DataError(
            "the disk is too full for a run",
            where=str(parent),
            value=f"{free / 1e6:.0f} MB free",
            allowed=f"at least {needed / 1e6:.0f} MB",
            hint="free some space or choose another --out",
        )
    return folder


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `folder` that takes its name on success and vanishes on failure."""
    partial = folder.absolute().parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        full = error.errno == errno.ENOSPC
        raise DataError(
            "the disk is full" if full else f"cannot write the folder: {error.strerror or error}",
            where=str(folder),
            hint="free some space or choose another --out; nothing was written",
        ) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write(run: Run, folder: Path) -> None:
    case = run.case.with_settings({"anatomy.folder": "."}) if run.case.anatomy.source == "folder" else run.case
    case.save(folder / "case.toml")
    save_anatomy(run.anatomy, folder / "anatomy.h5")
    _write_fields(run, folder / "run.vtkhdf")
    lines = (json.dumps(event, ensure_ascii=False, allow_nan=False) for event in run.events)
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    _write_json(folder / "summary.json", run.summary)
    (folder / "history.csv").write_text(_history_csv(run.history), encoding="utf-8")
    (folder / "frames").mkdir()
    for picture in run.pictures:
        _write_picture(picture, folder / "frames")
    manifest = run.manifest | {"format": FORMAT, "files": _digests(folder)}
    _write_json(folder / "manifest.json", manifest)


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _history_csv(history: dict[str, NDArray[np.float64]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(history)
    writer.writerows(zip(*(column.tolist() for column in history.values()), strict=True))
    return out.getvalue()


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


def _write_picture(picture: Picture, folder: Path) -> None:
    Image.fromarray(picture.display16).save(folder / f"{picture.name}.png", compress_level=3)
    _write_json(folder / f"{picture.name}.json", {"time_s": picture.time, "view": picture.view, **picture.facts})


def _write_fields(run: Run, path: Path) -> None:
    with h5py.File(path, "w") as file:
        write_image_series(file, run.anatomy.grid, run.times, run_fields(run))
        if run.veins is not None:
            file.create_dataset("veins/cement", data=run.veins)
        _write_curves(file.create_group("history"), run.history)
        if run.heat is not None:
            _write_curves(file.create_group("heat"), run.heat.curves)


def run_fields(run: Run) -> dict[str, NDArray[Any]]:
    """Every field on the simulation grid, (n, nr, na, ns): one for each recorded time, or a single one."""
    fields: dict[str, NDArray[Any]] = {
        "saturation": run.saturation,
        "injection_time": run.injection_time[None],
        "pressure": run.pressure[None],
        "tissue": run.anatomy.tissue[None],
        "compartment": run.anatomy.compartment[None],
        "hu": run.anatomy.hu[None],
    }
    if run.heat is not None:
        fields |= {key: getattr(run.heat, name)[None] for name, key in HEAT_FIELDS.items()}
    return fields


def write_image_series(
    file: h5py.File,
    grid: VoxelGrid,
    times: NDArray[np.float64],
    fields: dict[str, NDArray[Any]],
    *,
    place: NDArray[np.float64] | None = None,
) -> None:
    """Fields over time in the VTKHDF layout (temporal ImageData).

    VTK wants [t, s, a, r], everything else here is [r, a, s].

    Parameters
    ----------
    file : h5py.File
        Open for writing; the group ``VTKHDF`` is made.
    grid : VoxelGrid
    times : (n,) array [s]
    fields : dict of (n or 1, nr, na, ns) arrays
    place : (4, 4) array, optional
        Similarity from world metres to the coordinates of the file; its scale becomes the file's unit. Default: world.
    """
    place = np.eye(4) if place is None else place
    scale = float(np.linalg.norm(place[:3, 0]))
    root = file.create_group("VTKHDF")
    root.attrs["Version"] = np.array([2, 2])
    root.attrs.create("Type", b"ImageData", dtype=h5py.string_dtype("ascii", 9))
    root.attrs["WholeExtent"] = np.array([[0, n] for n in grid.shape]).ravel()
    root.attrs["Origin"] = place[:3, :3] @ grid.extent[0] + place[:3, 3]
    root.attrs["Spacing"] = np.asarray(grid.spacing) * scale
    root.attrs["Direction"] = (place[:3, :3] / scale).ravel()
    steps = root.create_group("Steps")
    steps.attrs["NSteps"] = len(times)
    steps["Values"] = times
    cells, offsets = root.create_group("CellData"), steps.create_group("CellDataOffsets")
    for name, values in fields.items():
        data = np.ascontiguousarray(values.transpose(0, 3, 2, 1))
        cells.create_dataset(name, data=data, chunks=(1, *data.shape[1:]), compression="gzip", compression_opts=1)
        offsets[name] = np.arange(len(times)) if len(values) > 1 else np.zeros(len(times), int)


def _write_curves(group: h5py.Group, curves: dict[str, NDArray[np.float64]]) -> None:
    for name, column in curves.items():
        group[name] = column


def _read_heat(file: h5py.File) -> HeatResult | None:
    if "heat" not in file:
        return None
    cells = file["VTKHDF/CellData"]
    fields = {name: np.ascontiguousarray(cells[key][0].transpose(2, 1, 0)) for name, key in HEAT_FIELDS.items()}
    return HeatResult(**fields, curves={name: column[...] for name, column in file["heat"].items()})


def _read(folder: Path) -> Run:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest.get("format") != FORMAT:
        raise DataError(
            "the run folder has another format", where=str(folder), value=manifest.get("format"), allowed=str(FORMAT)
        )
    case = Case.load(folder / "case.toml")
    scene = build(case, base=folder, anatomy=load_anatomy(folder / "anatomy.h5"))
    with h5py.File(folder / "run.vtkhdf", "r") as file:
        cells = file["VTKHDF/CellData"]
        fields = {
            name: np.ascontiguousarray(cells[name][...].transpose(0, 3, 2, 1))
            for name in ("saturation", "injection_time", "pressure")
        }
        times = file["VTKHDF/Steps/Values"][...]
        history = {name: column[...] for name, column in file["history"].items()}
        heat = _read_heat(file)
        veins = file["veins/cement"][...] if "veins" in file else None
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return Run(
        scene=scene,
        times=times,
        saturation=fields["saturation"],
        injection_time=fields["injection_time"][0],
        pressure=fields["pressure"][0],
        history=history,
        events=events,
        pictures=_read_pictures(folder / "frames"),
        summary=json.loads((folder / "summary.json").read_text(encoding="utf-8")),
        manifest=manifest,
        veins=veins,
        heat=heat,
        folder=folder,
    )


def _read_pictures(folder: Path) -> list[Picture]:
    pictures = []
    for path in folder.glob("*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        display = np.asarray(Image.open(path.with_suffix(".png"))).astype(np.uint16)
        pictures.append(
            Picture(name=path.stem, time=facts.pop("time_s"), view=facts.pop("view"), display16=display, facts=facts)
        )
    return sorted(pictures, key=lambda picture: (picture.time, picture.view))
