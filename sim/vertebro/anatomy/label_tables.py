"""What the ids of the common label maps mean: TotalSegmentator 1 and 2, VerSe, SPINEPS (TPTBox) sub-regions.

Everything that a map of many organs tells an import goes by name (`aorta`, `vertebrae_L1`), so that one table per map
is all that differs. Names are TotalSegmentator's.
"""

from __future__ import annotations

from vertebro.tissue import Organ

LEVELS = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    "S1",
)
_RIBS = tuple(f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13))
_UPPER = ("spleen", "kidney_right", "kidney_left", "gallbladder", "liver", "stomach")
_LOBES = ("upper_lobe_left", "lower_lobe_left", "upper_lobe_right", "middle_lobe_right", "lower_lobe_right")
_LUNGS = tuple(f"lung_{lobe}" for lobe in _LOBES)
_LIMBS = tuple(f"{bone}_{side}" for bone in ("humerus", "scapula", "clavicula") for side in ("left", "right"))
_HIPS = ("femur_left", "femur_right", "hip_left", "hip_right")
_GLUTEI = tuple(f"gluteus_{size}_{side}" for size in ("maximus", "medius", "minimus") for side in ("left", "right"))
_TRUNK_MUSCLES = ("autochthon_left", "autochthon_right", "iliopsoas_left", "iliopsoas_right")
_ILIAC = ("iliac_artery_left", "iliac_artery_right", "iliac_vena_left", "iliac_vena_right")
_UPWARD = tuple(f"vertebrae_{level}" for level in reversed(LEVELS))  # S1, L5 … C1

TOTAL_2: dict[int, str] = dict(
    enumerate(
        (
            *_UPPER, "pancreas", "adrenal_gland_right", "adrenal_gland_left", *_LUNGS, "esophagus", "trachea",
            "thyroid_gland", "small_bowel", "duodenum", "colon", "urinary_bladder", "prostate", "kidney_cyst_left",
            "kidney_cyst_right", "sacrum", *_UPWARD, "heart", "aorta", "pulmonary_vein", "brachiocephalic_trunk",
            "subclavian_artery_right", "subclavian_artery_left", "common_carotid_artery_right",
            "common_carotid_artery_left", "brachiocephalic_vein_left", "brachiocephalic_vein_right",
            "atrial_appendage_left", "superior_vena_cava", "inferior_vena_cava", "portal_vein_and_splenic_vein",
            *_ILIAC, *_LIMBS, *_HIPS, "spinal_cord", *_GLUTEI, *_TRUNK_MUSCLES, "brain", "skull", *_RIBS, "sternum",
        ),
        start=1,
    )
)  # fmt: skip
"""TotalSegmentator 2, task "total"; what follows 116 differs between releases and is cartilage."""

TOTAL_1: dict[int, str] = dict(
    enumerate(
        (
            *_UPPER, "aorta", "inferior_vena_cava", "portal_vein_and_splenic_vein", "pancreas", "adrenal_gland_right",
            "adrenal_gland_left", *_LUNGS, *_UPWARD[1:], "esophagus", "trachea", "heart_myocardium",
            "heart_atrium_left", "heart_ventricle_left", "heart_atrium_right", "heart_ventricle_right",
            "pulmonary_artery", "brain", *_ILIAC, "small_bowel", "duodenum", "colon", *_RIBS, *_LIMBS, *_HIPS,
            "sacrum", "face", *_GLUTEI, *_TRUNK_MUSCLES, "urinary_bladder",
        ),
        start=1,
    )
)  # fmt: skip
"""TotalSegmentator 1: 104 classes."""

NAMES: dict[str, dict[int, str]] = {"totalsegmentator": TOTAL_2, "totalsegmentator-v1": TOTAL_1, "verse": {}}

TOTALSEGMENTATOR = {name[10:]: number for number, name in TOTAL_2.items() if name.startswith("vertebrae_")}
TOTALSEGMENTATOR_1 = {name[10:]: number for number, name in TOTAL_1.items() if name.startswith("vertebrae_")}
VERSE = {level: 1 + n for n, level in enumerate(LEVELS[:-1])} | {"L6": 25, "S1": 26, "T13": 28}
SCHEMES = {"totalsegmentator": TOTALSEGMENTATOR, "totalsegmentator-v1": TOTALSEGMENTATOR_1, "verse": VERSE}

# SPINEPS writes discs, endplates and ribs of vertebra n into the vertebra map as 100 + n, 200 + n, 300 + n, 32 + n
VERSE_EXTRAS = (100, 200, 300)
VERSE_RIBS = tuple(range(40, 53))

# TPTBox (SPINEPS) sub-regions; the vertebral body is 49 (border) and 50 (inside), by release one of them or both
ARCH, SPINOUS = 41, 42
COSTAL_LEFT, COSTAL_RIGHT = 43, 44
ARTICULAR_LEFT, ARTICULAR_RIGHT = (45, 47), (46, 48)
BODY_PARTS = (49, 50, 51, 52, 53)  # border, inside, dens, endplates that belong to the bone
CORD, CANAL = 60, 61
DISC_PART = 100
LEFT_PARTS, RIGHT_PARTS = (COSTAL_LEFT, *ARTICULAR_LEFT), (COSTAL_RIGHT, *ARTICULAR_RIGHT)

# first match wins; what is not named here is bone, muscle or fat to a needle
_ORGANS: tuple[tuple[str, Organ], ...] = (
    ("lung_", Organ.LUNG),
    ("heart", Organ.HEART),
    ("atrial_appendage", Organ.HEART),
    ("aorta", Organ.ARTERY),
    ("brachiocephalic_trunk", Organ.ARTERY),
    ("_artery", Organ.ARTERY),
    ("vena_cava", Organ.VEIN),
    ("iliac_vena", Organ.VEIN),
    ("_vein", Organ.VEIN),
    ("kidney", Organ.KIDNEY),
    ("adrenal", Organ.KIDNEY),
    ("liver", Organ.LIVER),
    ("gallbladder", Organ.LIVER),
    ("spleen", Organ.SPLEEN),
    ("stomach", Organ.BOWEL),
    ("pancreas", Organ.BOWEL),
    ("small_bowel", Organ.BOWEL),
    ("duodenum", Organ.BOWEL),
    ("colon", Organ.BOWEL),
    ("esophagus", Organ.OESOPHAGUS),
    ("trachea", Organ.AIRWAY),
    ("thyroid", Organ.THYROID),
    ("urinary_bladder", Organ.BLADDER),
    ("spinal_cord", Organ.CANAL),
)


def organ_of(name: str) -> Organ:
    """What a needle meets in a structure of TotalSegmentator; `Organ.NONE` for bone, muscle and fat."""
    return next((organ for part, organ in _ORGANS if part in name), Organ.NONE)


def organ_ids(scheme: str) -> dict[int, Organ]:
    """Ids of a numbering that are organs to keep a needle out of."""
    found = {number: organ_of(name) for number, name in NAMES[scheme].items()}
    return {number: organ for number, organ in found.items() if organ is not Organ.NONE}


def bone_ids(scheme: str) -> set[int]:
    """Ids of all bones of a numbering."""
    bones = ("vertebrae_", "sacrum", "rib_", "hip_", "femur", "sternum", "humerus", "scapula", "clavicula", "skull")
    found = {number for number, name in NAMES[scheme].items() if name.startswith(bones)}
    return found | set(SCHEMES[scheme].values()) | (set(VERSE_RIBS) if scheme == "verse" else set())


def ids_named(scheme: str, *parts: str) -> set[int]:
    """Ids whose names contain any of some words."""
    return {number for number, name in NAMES[scheme].items() if any(part in name for part in parts)}
