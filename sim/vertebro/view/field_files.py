"""Fields of a run as volumes (NIfTI, NRRD) and for ParaView (VTI, VTKHDF), where the patient lies.

NIfTI and NRRD say how their voxels lie in the patient; the VTK files are in his LPS millimetres, as segmentation
programs expect them. Temperatures are the highest that each voxel saw: a run keeps no others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.volumes import Volume, write_volume
from vertebro.grid import VoxelGrid
from vertebro.record import run_fields, write_image_series
from vertebro.scan_files import ct_numbers
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm
from vertebro.view.dicom_ct import LPS_FROM_RAS
from vertebro.view.dicom_study import MARK
from vertebro.view.files import whole_file

if TYPE_CHECKING:
    from vertebro.record import Run

Progress = Callable[[str, float], None]
UNITS = {
    "ct_before": "HU",
    "ct_after": "HU",
    "hu": "HU, without cement",
    "compartment": "label, see compartments",
    "tissue": "label, see tissues",
    "cement_fraction": "share of the voxel's volume",
    "saturation": "share of the movable pore volume",
    "injection_time": "s; NaN where there is no cement",
    "pressure": "Pa, at the highest injection pressure",
    "peak_temperature_c": "degC, highest seen",
    "cem43_min": "min at 43 degC",
    "damage_integral": "1",
    "conversion": "share of monomer, 0 to 1, at the end",
}
LABELS = {"compartment": Compartment, "tissue": Tissue}


def lps_from_world(run: Run) -> NDArray[np.float64]:
    """(4, 4) similarity from world metres to the patient's LPS millimetres."""
    out = np.eye(4)
    out[:3] = LPS_FROM_RAS @ np.asarray(run.anatomy.patient_from_world, float)[:3] / mm
    return out


def write_volumes(run: Run, folder: Path, to: str, tell: Progress) -> dict[str, Any]:
    """CT before and after, compartments, cement and heat on the simulation grid, one file each.

    Parameters
    ----------
    run : Run
    folder : Path
        Exists.
    to : {"nii.gz", "nrrd"}
    tell : callable (stage, share)

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    cement = run.cement_fraction()
    fields: dict[str, NDArray[Any]] = {
        "ct_before": ct_numbers(run.scene),
        "ct_after": ct_numbers(run.scene, cement),
        "cement_fraction": cement,
    }
    fields.update({name: values[-1] for name, values in run_fields(run).items() if name != "hu"})
    affine = run.anatomy.patient_from_world @ run.anatomy.grid.world_from_voxel
    for k, (name, values) in enumerate(fields.items()):
        tell(f"volume {name}", k / len(fields))
        path = folder / f"{name}.{to}"
        write_volume(Volume(data=values, ras_from_voxel=affine, name=path.name, digest=""), path)
    axes = "voxels run right, anterior, superior of the vertebra; the header leads to the patient"
    return _facts(list(fields), f".{to}") | {"axes": axes, "time_s": float(run.times[-1])}


def write_vti(run: Run, folder: Path, to: str, tell: Progress) -> dict[str, Any]:
    """``still.vti`` with what does not change, ``cement-###.vti`` for each recorded time, ``cement.pvd`` with times.

    Parameters and errors as `write_volumes`.
    """
    fields, place = run_fields(run), lps_from_world(run)
    still = {name: values[0] for name, values in fields.items() if len(values) == 1 and name != "saturation"}
    _save_image(run.anatomy.grid, place, still, folder / "still.vti")
    lines = []
    for k, time in enumerate(run.times):
        tell(f"fields: {time:.0f} s", k / len(run.times))
        name = f"cement-{k:03d}.vti"
        moving = {"saturation": run.saturation[k], "cement_fraction": run.cement_fraction(float(time))}
        _save_image(run.anatomy.grid, place, moving, folder / name)
        lines.append(f'  <DataSet timestep="{float(time)!r}" part="0" file="{name}"/>')
    head = '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">\n <Collection>'
    text = "\n".join([head, *lines, " </Collection>", "</VTKFile>", ""])
    (folder / "cement.pvd").write_text(text, encoding="utf-8")
    names = [*still, "saturation", "cement_fraction"]
    return _facts(names, "") | {
        "axes": "patient LPS, mm",
        "files": ["still.vti", "cement.pvd"],
        "times": len(run.times),
    }


def write_vtkhdf(run: Run, path: str | Path) -> dict[str, Any]:
    """All fields over time in one file for ParaView.

    Raises
    ------
    DataError
        If the file exists or cannot be written.
    """
    cement = np.stack([run.cement_fraction(float(time)) for time in run.times])
    fields = run_fields(run) | {"cement_fraction": cement}
    with whole_file(path) as partial, h5py.File(partial, "w") as file:
        write_image_series(file, run.anatomy.grid, run.times, fields, place=lps_from_world(run))
        file.attrs["notice"] = MARK
        file.attrs["axes"] = "patient LPS, mm"
        for name in fields:
            file["VTKHDF/CellData"][name].attrs["unit"] = UNITS[name]
    return _facts(list(fields), "") | {"axes": "patient LPS, mm", "files": [Path(path).name]}


def _save_image(grid: VoxelGrid, place: NDArray[np.float64], fields: dict[str, NDArray[Any]], path: Path) -> None:
    import pyvista as pv

    image = pv.ImageData(
        dimensions=np.asarray(grid.shape) + 1,
        spacing=np.asarray(grid.spacing) / mm,
        origin=place[:3, :3] @ grid.extent[0] + place[:3, 3],
        direction_matrix=place[:3, :3] * mm,
    )
    for name, values in fields.items():
        image.cell_data[name] = values.ravel(order="F")
    image.field_data["notice"] = [MARK]
    image.save(path)


def _facts(names: list[str], suffix: str) -> dict[str, Any]:
    tables: dict[str, Any] = {
        f"{key}s": {str(int(one)): one.name.lower() for one in kind} for key, kind in LABELS.items() if key in names
    }
    return {
        "units": {f"{name}{suffix}": UNITS[name] for name in names},
        **tables,
        "files": [f"{n}{suffix}" for n in names],
    }
