"""Import a level from a CT and one point inside its vertebral body."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import Progress, import_volumes
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.segment_seed import segment_from_seed
from vertebro.anatomy.volumes import read_volume
from vertebro.errors import DataError
from vertebro.units import mm


def parse_point(text: str) -> tuple[float, float, float]:
    """A point [m] from ``"r, a, s"`` in millimetres (a trailing "mm" is allowed).

    Raises
    ------
    DataError
        If it is not three finite numbers.

    Examples
    --------
    >>> parse_point("-23.8, -38.2, -281.1 mm")
    (-0.0238, -0.0382, -0.2811)
    """
    words = text.strip().removesuffix("mm").replace(",", " ").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not np.all(np.isfinite(numbers)):
        raise DataError(
            "the seed point cannot be read",
            where="seed point",
            value=text,
            allowed='three numbers in millimetres, "right, anterior, superior"',
            hint='for example --seed-point "-23.8, -38.2, -281.1 mm"',
        )
    r, a, s = (round(x * mm, 9) for x in numbers)
    return r, a, s


def import_point(
    ct: str | Path,
    point: ArrayLike,
    level: str,
    *,
    spacing: float = 0.8 * mm,
    settings: InteriorSettings | None = None,
    seed: int = 0,
    calibration: str = "auto",
    licence: str | None = None,
    progress: Progress | None = None,
) -> Anatomy:
    """Segment the vertebra around a point (`segment_from_seed`) and import it.

    Parameters
    ----------
    ct : path
        As `vertebro.anatomy.from_ct.import_ct`, like all that is not named here.
    point : (3,) float [m]
        Inside the vertebral body, scanner RAS.
    level : str
        Which vertebra that is: one vertebra alone does not tell.

    Raises
    ------
    DataError
        If no vertebral body is found around the point, or whatever else is wrong with the data.
    """
    scan = read_volume(ct)
    if progress is not None:
        progress("segmenting around the point", 0.05)
    where = np.asarray(point, float)
    found = segment_from_seed(scan, where, level)
    anatomy = import_volumes(
        scan,
        found.labels,
        level,
        spacing=spacing,
        settings=settings,
        seed=seed,
        label_scheme="verse",
        resample_labels=True,
        subregions=found.subregions,
        calibration=calibration,
        licence=licence,
        progress=progress,
    )
    provenance = dict(anatomy.provenance)
    rest = [text for text in provenance["warnings"] if "another grid" not in text]
    provenance["segmentation"] = {
        "method": "one seed point",
        "seed_point_ras_mm": [round(float(x) / mm, 3) for x in where],
        **{key: value for key, value in found.report.items() if key != "remarks"},
    }
    provenance["warnings"] = [*found.report["remarks"], *rest]
    return replace(anatomy, provenance=provenance)
