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
