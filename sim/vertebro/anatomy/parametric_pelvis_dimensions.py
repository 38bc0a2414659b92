"""Published dimensions of sacrum, hip bone, hip joint and proximal femur, and how they vary between people.

Every row names its mean for women and men, the standard deviation within a sex, its unit and its source. All rows are
recalled from memory of the cited papers; correct them from the papers before a study depends on one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertebro.anatomy.parametric_dimensions import MEAN_STATURE, STATURE_EXPONENT, Sex
from vertebro.errors import CaseError
from vertebro.units import deg, mm

PELVIC_LEVELS = ("S1", "HIP_L", "HIP_R")
LIMIT = 2.0  # standard deviations a generated patient may lie from the mean


@dataclass(frozen=True, slots=True)
class Row:
    """One published dimension: means, standard deviation (within a sex), unit and where it comes from."""

    female: float
    male: float
    sd: float
    unit: str
    source: str
    note: str

    def mean(self, sex: Sex) -> float:
        """Mean of a sex, or of both."""
        return {"female": self.female, "male": self.male, "mean": 0.5 * (self.female + self.male)}[sex]


PELVIS: dict[str, Row] = {
    "s1_width": Row(47.5, 51.5, 3.5, "mm", "xu1995", "upper endplate of S1, transverse"),
    "s1_depth": Row(31.0, 33.0, 2.6, "mm", "xu1995", "upper endplate of S1, midline"),
    "s1_height": Row(29.5, 31.0, 2.0, "mm", "xu1995", "body of S1, front"),
    "s2_height": Row(25.0, 26.0, 2.0, "mm", "xu1995", "body of S2"),
    "s3_height": Row(21.5, 22.5, 2.0, "mm", "xu1995", "body of S3"),
    "sacral_width": Row(107.0, 110.0, 6.5, "mm", "flander1978", "greatest, over the alae"),
    "kyphosis": Row(63.0, 65.0, 12.0, "deg", "vialle2005", "turn of the sacrum's axis from S1 to S5"),
    "slope": Row(40.0, 41.0, 8.4, "deg", "vialle2005", "S1 endplate against the horizontal, standing"),
    "tilt": Row(13.0, 12.5, 6.0, "deg", "vialle2005", "line from the hips to the S1 endplate against the vertical"),
    "hip_to_sacrum": Row(104.0, 108.0, 7.0, "mm", "vialle2005", "middle of the hips to middle of the S1 endplate"),
    "canal_width": Row(31.0, 31.5, 3.0, "mm", "xu1995", "sacral canal at the S1 endplate"),
    "canal_depth": Row(14.5, 15.5, 2.0, "mm", "xu1995", "sacral canal at the S1 endplate"),
    "foramen_1": Row(12.5, 13.0, 2.0, "mm", "ebraheim1997", "ventral foramen S1, height"),
    "foramen_2": Row(11.5, 12.0, 2.0, "mm", "ebraheim1997", "ventral foramen S2, height"),
    "foramen_3": Row(10.0, 10.5, 2.0, "mm", "ebraheim1997", "ventral foramen S3, height"),
    "between_1": Row(30.0, 31.0, 3.0, "mm", "ebraheim1997", "between the ventral foramina S1, inner rims"),
    "between_2": Row(26.0, 27.0, 3.0, "mm", "ebraheim1997", "between the ventral foramina S2, inner rims"),
    "between_3": Row(22.5, 23.5, 3.0, "mm", "ebraheim1997", "between the ventral foramina S3, inner rims"),
    "dorsal_foramen": Row(7.0, 7.5, 1.5, "mm", "ebraheim1997", "dorsal foramina"),
    "sacroiliac_gap": Row(2.4, 2.6, 0.6, "mm", "vleeming2012", "cartilage of the sacroiliac joint, bone to bone"),
    "hip_distance": Row(169.0, 171.0, 9.0, "mm", "bell1990", "between the centres of the femoral heads"),
    "spine_distance": Row(236.0, 238.0, 15.0, "mm", "bell1990", "between the anterior superior iliac spines"),
    "hip_bone_height": Row(204.0, 222.0, 9.0, "mm", "kohnlein2009", "iliac crest to ischial tuberosity"),
    "head": Row(43.5, 48.5, 2.6, "mm", "noble1988", "femoral head, diameter"),
    "joint_space": Row(3.9, 4.1, 0.7, "mm", "lequesne2004", "hip joint above the head, bone to bone"),
    "inclination": Row(41.0, 39.0, 4.0, "deg", "murray1993", "opening of the cup, radiographic definition"),
    "anteversion": Row(19.0, 16.0, 6.0, "deg", "murray1993", "opening of the cup, radiographic definition"),
    "neck_shaft": Row(125.0, 125.0, 6.5, "deg", "noble1988", "angle between femoral neck and shaft"),
    "offset": Row(40.0, 44.0, 6.0, "mm", "noble1988", "head centre to shaft axis"),
    "torsion": Row(14.0, 11.0, 8.0, "deg", "noble1988", "femoral neck turned to the front"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PelvisDimensions:
    """Dimensions of one pelvis in SI units; the fields are the rows of `PELVIS`."""

    s1_width: float
    s1_depth: float
    s1_height: float
    s2_height: float
    s3_height: float
    sacral_width: float
    kyphosis: float
    slope: float
    tilt: float
    hip_to_sacrum: float
    canal_width: float
    canal_depth: float
    foramen_1: float
    foramen_2: float
    foramen_3: float
    between_1: float
    between_2: float
    between_3: float
    dorsal_foramen: float
    sacroiliac_gap: float
    hip_distance: float
    spine_distance: float
    hip_bone_height: float
    head: float
    joint_space: float
    inclination: float
    anteversion: float
    neck_shaft: float
    offset: float
    torsion: float

    @property
    def cup_radius(self) -> float:
        """Bony radius of the acetabulum [m]: head and cartilage."""
        return 0.5 * self.head + self.joint_space


def pelvis_dimensions(
    *, sex: Sex = "mean", stature: float | None = None, seed: int = 0, size_variation: float = 0.0
) -> PelvisDimensions:
    """Dimensions of a pelvis.

    Parameters
    ----------
    sex : {"female", "male", "mean"}
    stature : float [m], optional
        1.3…2.1 m; the mean of the sex when left out. Lengths grow with it, angles do not.
    seed : int
        Draws every dimension from its published spread.
    size_variation : float [1]
        How many standard deviations the seed's spread has; a dimension stays within `LIMIT` of them. 0 gives the means.

    Raises
    ------
    CaseError
        If the sex is unknown or the stature out of range.
    """
    if sex not in MEAN_STATURE:
        raise CaseError("unknown sex", where="sex", value=sex, allowed=", ".join(MEAN_STATURE))
    height = MEAN_STATURE[sex] if stature is None else stature
    if not 1.3 <= height <= 2.1:
        raise CaseError("stature", where="stature", value=height, allowed="1.3 to 2.1 m")
    factor = (height / MEAN_STATURE[sex]) ** STATURE_EXPONENT
    drawn = np.zeros(len(PELVIS))
    if size_variation > 0:
        random = np.random.default_rng([seed, 71])
        own, common = random.standard_normal(len(PELVIS)), random.standard_normal()
        drawn = np.clip(0.7 * own + 0.7 * common, -LIMIT, LIMIT)  # large people are large everywhere
        angles = np.array([row.unit == "deg" for row in PELVIS.values()])
        drawn[angles] = np.clip(own[angles], -LIMIT, LIMIT)
    values = {
        name: (row.mean(sex) + row.sd * size_variation * z) * (deg if row.unit == "deg" else mm * factor)
        for (name, row), z in zip(PELVIS.items(), drawn, strict=True)
    }
    return PelvisDimensions(**values)
