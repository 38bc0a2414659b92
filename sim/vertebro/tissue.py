"""What a voxel is made of (`Tissue`), where it counts (`Compartment`), how cement is said to leak (`LeakKind`)."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Tissue(IntEnum):
    """Material of a voxel; decides porosity, permeability and look."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    CANCELLOUS = 3
    CORTICAL = 4
    DISC = 5
    EPIDURAL = 6  # fat and venous plexus inside the canal and the foramina
    DURA = 7  # thecal sac: cord, roots, cerebrospinal fluid
    VEIN = 8
    BLOOD = 9  # aorta, cava
    LUNG = 10
    CLEFT = 11
    LESION = 12


class Compartment(IntEnum):
    """Where cement is counted. Everything but BODY, ARCH and TRACK is outside the bone: a leak."""

    PARAVERTEBRAL = 0
    BODY = 1
    ARCH = 2  # pedicles, laminae, processes
    CANAL = 3
    FORAMEN_LEFT = 4
    FORAMEN_RIGHT = 5
    DISC_SUPERIOR = 6
    DISC_INFERIOR = 7
    VEIN_BASIVERTEBRAL = 8
    VEIN_SEGMENTAL = 9
    TRACK = 10
    JOINT = 11  # sacroiliac or hip joint: cartilage and fluid


class Organ(IntEnum):
    """What a needle must not meet on its way, on the surround's grid; bone and fat are NONE."""

    NONE = 0
    CANAL = 1
    NERVE = 2  # roots in the foramina, sciatic nerve, lumbosacral trunk
    ARTERY = 3  # aorta, iliac, carotid, vertebral
    VEIN = 4  # cava, iliac, jugular
    LUNG = 5
    KIDNEY = 6
    LIVER = 7
    SPLEEN = 8
    BOWEL = 9
    OESOPHAGUS = 10
    AIRWAY = 11
    THYROID = 12
    HEART = 13
    BLADDER = 14


class LeakKind(StrEnum):
    """Yeom's types with the disc split off, and the other routes clinicians name (yeom2003)."""

    B = "B"  # basivertebral vein to the anterior epidural space
    S = "S"  # segmental vein
    C = "C"  # cortical defect, paravertebral
    D = "D"  # endplate to disc
    TRACK = "track"
    CANAL = "canal"
    FORAMEN = "foramen"
    EMBOLUS = "embolus"
