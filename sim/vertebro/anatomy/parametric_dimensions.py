"""Published dimensions of the vertebrae C3 to L5 and how they scale with sex and stature.

The tables give means and standard deviations of both sexes in millimetres and degrees. Numbers marked recalled were
written from memory of the cited papers and checked against two open mesh sets (whole-bone length, width, height);
correct them from the papers before a study depends on one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Literal

from vertebro.errors import CaseError
from vertebro.units import deg, mm

Sex = Literal["female", "male", "mean"]
Region = Literal["cervical", "thoracic", "lumbar"]

# level: upper and lower endplate width, depth (mean of both), posterior height, front/back height ratio, canal width
#        and depth, pedicle width, height, transverse and sagittal angle, tip-to-tip transverse width, posterior wall to
#        spinous tip, its drop below the body's centre, facet angle to the sagittal plane at the upper joint, disc
#        below: height and wedge angle (prone), facet tilt, height and width, transverse processes' backward angle,
#        heart shape of the body (0 kidney, 1 heart), height of the uncinate processes. Sources: _SPREAD.
_TABLE = """
level  wu   wl   depth hp   ratio cw   cd   pw   ph   pt    ps   tp   reach drop facet disc wedge tilt fh   fw   tback heart uncus
C3    15.8 16.6 15.3 11.6  0.97  22.9 16.2  5.6  7.4  44.0  -8.0 50.3 31.0  9.0  90.0  4.8  4.5  45.0 10.5 11.0 -10.0 0.0  5.0
C4    17.2 17.2 15.6 11.4  0.96  24.7 17.7  5.4  7.4  44.0  -5.0 48.5 32.0 10.0  90.0  4.8  4.5  45.0 10.5 11.0 -10.0 0.0  5.0
C5    17.5 19.4 16.6 11.4  0.95  24.9 17.4  5.6  7.0  42.0   5.0 47.5 35.0 11.0  90.0  4.9  4.5  45.0 10.5 11.0 -10.0 0.0  5.0
C6    18.5 22.0 17.5 10.9  0.97  25.8 18.1  6.0  7.3  38.0   8.0 49.5 44.0 13.0  90.0  5.0  4.0  45.0 10.5 11.5 -10.0 0.0  5.0
C7    21.8 23.4 17.4 12.8  0.96  24.5 16.2  6.6  7.5  32.0  10.0 66.6 54.0 15.0  90.0  5.2  3.0  40.0 11.0 12.0  10.0 0.0  3.5
T1    24.5 27.8 19.1 14.1  0.96  21.8 16.4  7.9  9.9  27.0  13.0 75.3 51.0 14.0  95.0  4.6  0.5  32.0 11.5 11.0  15.0 0.1  2.0
T2    24.9 27.4 20.6 15.6  0.96  19.5 15.5  7.0 12.0  19.0  17.0 69.4 47.0 18.0  98.0  4.2 -1.0  25.0 11.5 10.5  25.0 0.5  0.0
T3    24.6 25.9 23.0 15.7  0.95  18.3 16.1  5.6 12.4  15.0  17.0 62.9 43.0 22.0 100.0  4.0 -2.0  22.0 11.5  9.8  33.0 0.9  0.0
T4    24.5 26.0 23.9 16.2  0.95  17.0 16.2  4.7 12.1  13.0  17.0 62.0 40.0 26.0 100.0  3.8 -2.5  20.0 11.5  9.5  35.0 1.0  0.0
T5    24.9 27.0 25.1 16.2  0.95  17.3 16.2  4.5 11.9  10.0  17.0 62.6 38.0 30.0 100.0  3.8 -2.5  20.0 11.5  9.5  35.0 1.0  0.0
T6    26.2 28.2 26.5 17.4  0.95  17.3 16.5  5.2 12.2   9.0  16.0 61.4 37.0 32.0 100.0  4.2 -2.5  20.0 11.5  9.5  35.0 1.0  0.0
T7    27.8 29.1 28.0 18.2  0.95  17.3 16.1  5.3 12.1   9.0  16.0 60.6 36.0 32.0 100.0  4.5 -2.5  20.0 11.5  9.5  35.0 1.0  0.0
T8    29.5 30.5 28.7 18.7  0.95  17.7 15.9  5.9 12.5   8.0  16.0 60.0 36.0 31.0 100.0  4.5 -2.5  20.0 11.5  9.5  35.0 1.0  0.0
T9    30.6 33.0 30.2 19.3  0.96  17.9 15.7  6.1 13.9   7.6  15.0 59.9 35.0 27.0 100.0  5.0 -2.5  20.0 11.5  9.5  35.0 0.9  0.0
T10   31.9 35.4 31.1 20.2  0.96  18.2 15.5  6.3 14.7   4.6  14.0 58.4 35.0 22.0  98.0  5.0 -2.5  18.0 11.5  9.5  35.0 0.7  0.0
T11   34.9 39.1 31.9 21.3  0.95  19.4 16.0  7.8 17.0   2.0  12.0 52.2 35.0 17.0  95.0  5.5 -2.5  15.0 12.0  9.5  32.0 0.45 0.0
T12   39.0 42.1 33.1 22.7  0.95  22.2 18.1  7.5 16.5   0.5   8.0 46.9 37.0 13.0  85.0  6.5 -1.0  10.0 12.5 10.0  22.0 0.2  0.0
L1    41.2 43.3 34.4 23.8  0.96  23.7 18.6  8.7 15.6  10.9   2.4 71.2 42.0 12.0  28.0  7.5  1.5   0.0 15.5 10.5  12.0 0.0  0.0
L2    42.6 45.5 34.8 24.3  0.99  23.8 18.0  8.9 15.0  12.0   1.8 76.1 45.0 11.0  30.0  8.5  3.5   0.0 15.5 10.5  12.0 0.0  0.0
L3    44.1 48.0 35.0 24.3  1.03  24.3 17.5 10.3 14.6  14.4   0.2 85.7 46.0 10.0  35.0  9.5  5.5   0.0 15.5 10.5  12.0 0.0  0.0
L4    46.6 49.5 34.8 24.1  1.05  25.4 18.0 12.9 14.8  17.7   0.2 81.0 44.0  9.0  42.0 10.0  8.0   0.0 15.5 10.5  14.0 0.0  0.0
L5    47.3 49.4 34.2 22.9  1.12  27.1 19.0 17.0 14.5  27.0  -1.8 84.7 40.0  9.0  50.0  9.0 12.0   0.0 15.5 10.5  16.0 0.0  0.0
"""  # noqa: E501 (a table)
# standard deviations in millimetres, degrees or 1, and where mean and deviation come from, by region
_SPREAD = """
name               cervical thoracic lumbar unit cervical-source      thoracic-source lumbar-source mark
upper_width        1.8      2.0      2.6    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
lower_width        2.0      2.2      2.8    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
depth              1.5      2.0      2.2    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
height             1.0      1.2      1.4    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
front_ratio        0.05     0.04     0.05   1    gilad1986            gilad1986       gilad1986     recalled
canal_width        1.5      1.4      1.7    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
canal_depth        1.5      1.4      1.7    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
pedicle_width      1.1      1.2      1.9    mm   panjabi_cervical1991 zindrick1987    zindrick1987  recalled
pedicle_height     0.9      1.5      1.7    mm   panjabi_cervical1991 zindrick1987    zindrick1987  recalled
pedicle_transverse 4.5      4.0      4.0    deg  panjabi_cervical1991 zindrick1987    zindrick1987  recalled
pedicle_sagittal   5.0      3.5      4.0    deg  panjabi_cervical1991 zindrick1987    zindrick1987  recalled
process_width      4.5      4.0      6.0    mm   panjabi_cervical1991 panjabi1991     panjabi1992   recalled
reach              4.0      4.0      4.0    mm   vertebro             vertebro        biceps        ours
drop               4.0      4.0      3.0    mm   vertebro             vertebro        biceps        ours
facet              6.0      8.0      8.0    deg  panjabi1993          panjabi1993     panjabi1993   recalled
disc               0.8      0.8      1.5    mm   gilad1986            gilad1986       gilad1986     recalled
disc_wedge         2.0      1.5      2.5    deg  vertebro             vertebro        vertebro      ours
facet_tilt         6.0      6.0      5.0    deg  panjabi1993          panjabi1993     panjabi1993   recalled
facet_height       1.5      1.5      2.0    mm   panjabi1993          panjabi1993     panjabi1993   recalled
facet_width        1.5      1.5      1.8    mm   panjabi1993          panjabi1993     panjabi1993   recalled
transverse_back    6.0      6.0      5.0    deg  vertebro             vertebro        vertebro      ours
heart              0.05     0.10     0.05   1    vertebro             vertebro        vertebro      ours
uncus              0.8      0.5      0.1    mm   panjabi1991_uncus    vertebro        vertebro      recalled
"""
_ROW = re.compile(r"\S+")
_ANGLES = {"pedicle_transverse", "pedicle_sagittal", "facet", "disc_wedge", "facet_tilt", "transverse_back"}
_RATIOS = {"front_ratio", "heart"}
_REGIONS: dict[str, Region] = {"C": "cervical", "T": "thoracic", "L": "lumbar"}
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
    facet_tilt : float [rad]
        How far the upper facets look up.
    facet_height, facet_width : float [m]
    transverse_back : float [rad]
        Transverse processes: how far they point back from straight sideways.
    heart : float [1]
        Outline of the body: 0 lumbar kidney, 1 thoracic heart.
    uncus : float [m]
        Height of the uncinate processes; 0 where there are none.
    region : {"cervical", "thoracic", "lumbar"}
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
    facet_tilt: float
    facet_height: float
    facet_width: float
    transverse_back: float
    heart: float
    uncus: float
    region: Region = "lumbar"


NAMES = tuple(f.name for f in fields(Dimensions) if f.name != "region")


def _read_table() -> dict[str, dict[str, float]]:
    rows = [_ROW.findall(line) for line in _TABLE.strip().splitlines()[1:]]
    return {row[0]: dict(zip(NAMES, map(float, row[1:]), strict=True)) for row in rows}


PUBLISHED = _read_table()
ORDER = tuple(PUBLISHED)
LEVELS = ("C6", *ORDER[ORDER.index("T4") :])  # the others are neighbours only


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """One dimension of one level as published: `mean` and `sd` in SI, `unit`, `source` key and mark."""

    mean: float
    sd: float
    unit: str
    source: str
    mark: str

    @property
    def low(self) -> float:
        """Least value that an override may have: four standard deviations down, lengths at least 40 % of the mean."""
        floor = 0.4 * self.mean if self.unit == "m" else -float("inf")
        return max(self.mean - 4 * self.sd, floor)

    @property
    def high(self) -> float:
        """Largest value that an override may have: four standard deviations up."""
        return self.mean + 4 * self.sd


def region_of(level: str) -> Region:
    """Region of the spine that a level belongs to."""
    return _REGIONS[level[0]]


def _read_spread() -> dict[str, dict[Region, tuple[float, str, str]]]:
    table: dict[str, dict[Region, tuple[float, str, str]]] = {}
    for line in _SPREAD.strip().splitlines()[1:]:
        name, *sds, _, cervical, thoracic, lumbar, mark = _ROW.findall(line)
        sources = (cervical, thoracic, lumbar)
        regions = _REGIONS.values()
        table[name] = {r: (float(sd), source, mark) for r, sd, source in zip(regions, sds, sources, strict=True)}
    return table


_SPREADS = _read_spread()


def published(level: str, name: str) -> Published:
    """Mean, standard deviation and source of one dimension of one level.

    Raises
    ------
    CaseError
        If the level or the dimension is not known.
    """
    _check_level(level)
    if name not in _SPREADS:
        raise CaseError("no such dimension", where="dimensions", value=name, allowed=", ".join(NAMES))
    sd, source, mark = _SPREADS[name][region_of(level)]
    factor = _unit(name, 1.0)
    unit = "rad" if name in _ANGLES else "1" if name in _RATIOS else "m"
    return Published(mean=PUBLISHED[level][name] * factor, sd=sd * factor, unit=unit, source=source, mark=mark)


def dimensions(level: str, *, sex: Sex = "mean", stature: float | None = None) -> Dimensions:
    """Dimensions of a level for a sex and a stature.

    Parameters
    ----------
    level : str
        C3 … L5.
    sex : {"female", "male", "mean"}
    stature : float [m], optional
        Standing height, 1.3…2.1 m; the mean of the sex when left out.

    Raises
    ------
    CaseError
        If the level or the sex is unknown or the stature is out of range.
    """
    _check_level(level)
    factor = body_factor(sex, stature)
    values = {name: value * _unit(name, factor) for name, value in PUBLISHED[level].items()}
    return Dimensions(**values, region=region_of(level))


def body_factor(sex: Sex, stature: float | None) -> float:
    """Lengths of a patient's bones relative to the published means.

    Raises
    ------
    CaseError
        If the sex is unknown or the stature is out of range.
    """
    if sex not in SEX_FACTOR:
        raise CaseError("unknown sex", where="sex", value=sex, allowed=", ".join(SEX_FACTOR))
    height = MEAN_STATURE[sex] if stature is None else stature
    if not 1.3 <= height <= 2.1:
        raise CaseError("stature", where="stature", value=height, allowed="1.3 to 2.1 m")
    return SEX_FACTOR[sex] * float((height / MEAN_STATURE[sex]) ** STATURE_EXPONENT)


def _check_level(level: str) -> None:
    if level not in PUBLISHED:
        raise CaseError("no dimensions for this level", where="level", value=level, allowed=", ".join(ORDER))


def _unit(name: str, factor: float) -> float:
    if name in _ANGLES:
        return deg
    return 1.0 if name in _RATIOS else mm * factor
