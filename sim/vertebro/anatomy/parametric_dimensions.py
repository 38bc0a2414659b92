"""Published dimensions of the vertebrae T6 to L5 and how they scale with sex and stature.

The table gives means of both sexes in millimetres and degrees. Rows marked recalled were written from memory of the
cited papers and checked against two open mesh sets (whole-bone length, width, height); correct them from the papers
before a study depends on one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Literal

from vertebro.errors import CaseError
from vertebro.units import deg, mm

Sex = Literal["female", "male", "mean"]

# level: upper and lower endplate width, depth, posterior height, front/back height ratio (panjabi1992, recalled);
#        canal width, depth (panjabi1992); pedicle width, height, transverse and sagittal angle (zindrick1987);
#        tip-to-tip transverse width, posterior wall to spinous tip, its drop below the body's centre (meshes, ours);
#        facet angle to the sagittal plane at the upper joint; disc below: height, wedge angle (ours, prone).
_TABLE = """
level  wu   wl   depth hp   ratio cw   cd   pw   ph   pt    ps   tp   reach drop facet disc wedge
T6    27.5 28.5 26.0 17.9  0.95  16.6 15.0  5.2 11.5  9.0  16.0  60.0 34.0 30.0  75.0  4.5 -4.0
T7    28.5 29.5 27.0 18.2  0.95  16.8 15.0  5.4 12.0  9.0  16.0  60.0 34.0 30.0  75.0  4.5 -4.0
T8    29.5 30.5 28.0 18.7  0.95  17.0 15.0  5.9 12.8  8.0  16.0  60.0 33.0 28.0  75.0  4.5 -4.0
T9    30.5 33.0 29.0 19.3  0.96  17.5 15.2  6.1 13.9  8.0  15.0  60.0 32.0 26.0  75.0  5.0 -4.0
T10   31.5 35.4 30.5 20.2  0.96  18.0 15.5  6.3 14.7  5.0  14.0  58.0 33.0 22.0  75.0  5.0 -4.0
T11   34.9 39.1 31.9 21.3  0.95  19.4 15.8  7.8 17.0  2.0  12.0  54.0 34.0 16.0  75.0  5.5 -3.0
T12   39.0 41.6 33.0 22.7  0.95  22.2 17.5  8.0 16.5  1.0  8.0   48.0 37.0 13.0  70.0  6.5 -1.0
L1    41.2 43.3 34.4 23.8  0.96  23.7 18.6  8.7 15.6 10.9  2.4   71.2 42.0 12.0  28.0  7.5  1.5
L2    42.6 45.5 34.8 24.3  0.99  23.8 18.0  8.9 15.0 12.0  1.8   76.1 45.0 11.0  30.0  8.5  3.5
L3    44.1 48.0 35.0 24.3  1.03  24.3 17.5 10.3 14.6 14.4  0.2   85.7 46.0 10.0  35.0  9.5  5.5
L4    46.6 49.5 34.8 24.1  1.05  25.4 18.0 12.9 14.8 17.7  0.2   81.0 44.0  9.0  42.0 10.0  8.0
L5    47.3 49.4 34.2 22.9  1.12  27.1 19.0 17.0 14.5 27.0 -1.8   84.7 40.0  9.0  50.0  9.0 12.0
"""
_ROW = re.compile(r"\S+")
_ANGLES = {"pedicle_transverse", "pedicle_sagittal", "facet", "disc_wedge"}
_RATIOS = {"front_ratio"}
SEX_FACTOR: dict[str, float] = {"female": 0.955, "male": 1.045, "mean": 1.0}
MEAN_STATURE: dict[str, float] = {"female": 1.62, "male": 1.75, "mean": 1.685}  # m
STATURE_EXPONENT = 0.7  # bones vary less than height does


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimensions:
    """Dimensions of one vertebra and the disc below it, SI.

    Attributes
    ----------
    upper_width, lower_width, depth : float [m]
        Endplates: widths at the rims, depth in the midline (mean of both).
    height : float [m]
        Posterior height of the body; the anterior one is `front_ratio` times this.
    canal_width, canal_depth : float [m]
    pedicle_width, pedicle_height : float [m]
        Isthmus.
    pedicle_transverse, pedicle_sagittal : float [rad]
        Axis angles: inward towards the front; upward towards the back.
    process_width : float [m]
        Tip to tip over the transverse processes.
    reach, drop : float [m]
        Spinous tip: behind the posterior wall, below the body's centre.
    facet : float [rad]
        Plane of the upper facet joints against the sagittal plane.
    disc, disc_wedge : float [m], [rad]
        Disc below: mid height; angle between the bodies, positive in lordosis.
    """

    upper_width: float
    lower_width: float
    depth: float
    height: float
    front_ratio: float
    canal_width: float
    canal_depth: float
    pedicle_width: float
    pedicle_height: float
    pedicle_transverse: float
    pedicle_sagittal: float
    process_width: float
    reach: float
    drop: float
    facet: float
    disc: float
    disc_wedge: float


def _read_table() -> dict[str, dict[str, float]]:
    names = [f.name for f in fields(Dimensions)]
    rows = [_ROW.findall(line) for line in _TABLE.strip().splitlines()[1:]]
    return {row[0]: dict(zip(names, map(float, row[1:]), strict=True)) for row in rows}


PUBLISHED = _read_table()
ORDER = tuple(PUBLISHED)
LEVELS = ORDER[ORDER.index("T10") :]  # the ones above are neighbours only


def dimensions(level: str, *, sex: Sex = "mean", stature: float | None = None) -> Dimensions:
    """Dimensions of a level for a sex and a stature.

    Parameters
    ----------
    level : str
        T6 … L5.
    sex : {"female", "male", "mean"}
    stature : float [m], optional
        Standing height, 1.3…2.1 m; the mean of the sex when left out.

    Raises
    ------
    CaseError
        If the level or the sex is unknown or the stature is out of range.
    """
    if level not in PUBLISHED:
        raise CaseError("no dimensions for this level", where="level", value=level, allowed=", ".join(LEVELS))
    if sex not in SEX_FACTOR:
        raise CaseError("unknown sex", where="sex", value=sex, allowed=", ".join(SEX_FACTOR))
    height = MEAN_STATURE[sex] if stature is None else stature
    if not 1.3 <= height <= 2.1:
        raise CaseError("stature", where="stature", value=height, allowed="1.3 to 2.1 m")
    factor = SEX_FACTOR[sex] * (height / MEAN_STATURE[sex]) ** STATURE_EXPONENT
    return Dimensions(**{name: value * _unit(name, factor) for name, value in PUBLISHED[level].items()})


def _unit(name: str, factor: float) -> float:
    if name in _ANGLES:
        return deg
    return 1.0 if name in _RATIOS else mm * factor
