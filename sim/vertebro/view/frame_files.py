"""One frame as a 16-bit PNG that knows how it was taken: facts in its text chunks and in a JSON beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vertebro import __version__
from vertebro.units import deg, mm
from vertebro.view.dicom_study import MARK, Study
from vertebro.view.dicom_xa import XAPlane, patient_orientation, positioner_angles
from vertebro.view.files import check_new, whole_file


def frame_facts(plane: XAPlane, study: Study) -> dict[str, Any]:
    """Geometry, tube and dose of a plane's first frame as plain JSON values."""
    shot = plane.acquisition.shots[0]
    geometry, pose, dose = shot.geometry, shot.pose, shot.dose
    primary, secondary = positioner_angles(geometry, study.patient_from_world)
    right, down = patient_orientation(geometry, study.patient_from_world)
    return {
        "synthetic": MARK,
        "vertebro": __version__,
        "run": study.digest[:16],
        "view": plane.view,
        "time_s": shot.time,
        "rows": geometry.rows,
        "columns": geometry.cols,
        "patient_direction_right": right,
        "patient_direction_down": down,
        "positioner_primary_angle_deg": round(primary, 4) + 0.0,
        "positioner_secondary_angle_deg": round(secondary, 4) + 0.0,
        "orbital_deg": round(pose.orbital / deg, 4) + 0.0,
        "cranial_deg": round(pose.cranial / deg, 4) + 0.0,
        "source_isocentre_mm": pose.source_isocentre / mm,
        "source_detector_mm": pose.source_detector / mm,
        "imager_pitch_mm": pose.pitch / mm,
        "pixel_at_isocentre_mm": pose.pitch / mm / geometry.magnification(geometry.isocentre),
        "source_mm": [round(float(x) / mm, 6) for x in geometry.source],
        "detector_origin_mm": [round(float(x) / mm, 6) for x in geometry.detector_origin],
        "kvp": dose.kvp,
        "mas": dose.mas,
        "reference_kerma_ugy": dose.reference_air_kerma * 1e6,
        "dap_ugy_m2": dose.dose_area_product * 1e6,
    }


def write_png(plane: XAPlane, study: Study, path: str | Path) -> dict[str, Any]:
    """Write the first frame as 16-bit grey PNG and its facts as JSON of the same name.

    Returns
    -------
    dict
        The facts, which stand in the PNG's text chunks, too.

    Raises
    ------
    DataError
        If one of the files exists or cannot be written.
    """
    path = Path(path)
    facts, beside = frame_facts(plane, study), path.with_suffix(".json")
    check_new(beside)
    info = PngInfo()
    info.add_text("Description", MARK)
    for key, value in facts.items():
        info.add_text(f"vertebro:{key}", value if isinstance(value, str) else json.dumps(value))
    with whole_file(path) as partial, whole_file(beside) as partial_json:
        Image.fromarray(plane.acquisition.held.display16).save(partial, format="PNG", pnginfo=info)
        partial_json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts
