"""What can be wrong with a vertebra, as data: one frozen record per kind, composable in a list.

Places inside the vertebral body are shares of its half axes, so that the same record fits every level and every
patient: ``right`` −1…1 from the left to the right wall, ``front`` −1…1 from the posterior to the anterior wall,
``up`` −1…1 from the lower to the upper endplate. Sizes are lengths with units.

Defaults marked ``vertebro`` are our choice, argued in the case library; heights follow `genant1993`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vertebro.quantity import Record, Within

Loss = Annotated[float, Within("1", 0, 0.9, "genant1993")]
Share = Annotated[float, Within("1", -1, 1, "vertebro")]
WideShare = Annotated[float, Within("1", -2.5, 2.5, "vertebro")]
Side = Literal["left", "right", "both"]
End = Literal["superior", "inferior"]


class _Fracture(Record):
    kind: str = ""
    """which fracture"""
    grade: int = 2
    """Genant grade"""
    anterior: Loss | None = None
    """share of the anterior height that is lost; absent = as the grade says"""
    middle: Loss | None = None
    """share of the middle height that is lost; absent = as the grade says"""
    posterior: Loss | None = None
    """share of the posterior height that is lost; absent = as the grade says"""
    retropulsion: Annotated[float, Within("mm", 0, 6, "vertebro")] = 0.0
    """how far the upper posterior wall stands into the canal"""
    impaction: Annotated[float, Within("1", 0, 0.45, "vertebro")] = 0.35
    """0 = the whole height is compressed alike, more = the bone under the upper endplate takes it"""


class Wedge(_Fracture):
    """Wedge fracture: the front loses height, the spine above tips forward."""

    kind: Literal["wedge"] = "wedge"
    """wedge fracture"""
    grade: Literal[1, 2, 3] = 2
    """Genant grade: 1 is 20-25 % of the height, 2 is 25-40 %, 3 is more"""


class Biconcave(_Fracture):
    """Biconcave fracture: both endplates sink in the middle (fish vertebra)."""

    kind: Literal["biconcave"] = "biconcave"
    """biconcave fracture"""
    grade: Literal[1, 2, 3] = 2
    """Genant grade: 1 is 20-25 % of the height, 2 is 25-40 %, 3 is more"""


class Crush(_Fracture):
    """Crush fracture: the whole body loses height."""

    kind: Literal["crush"] = "crush"
    """crush fracture"""
    grade: Literal[1, 2, 3] = 2
    """Genant grade: 1 is 20-25 % of the height, 2 is 25-40 %, 3 is more"""


class Plana(_Fracture):
    """Vertebra plana: the body is flattened to a disc, its rims bulge."""

    kind: Literal["plana"] = "plana"
    """vertebra plana"""
    grade: Literal[3] = 3
    """always 3"""


class Cleft(Record):
    """Fracture cleft (Kuemmell): a flat cavity under the upper endplate, filled with gas or fluid."""

    kind: Literal["cleft"] = "cleft"
    """fracture cleft"""
    fill: Literal["gas", "fluid"] = "gas"
    """gas = vacuum cleft, black on CT; fluid = effusion"""
    right: Share = 0.0
    """centre, share of the half width"""
    front: Share = 0.2
    """centre, share of the half depth"""
    up: Share = 0.35
    """centre, share of the half height"""
    width: Annotated[float, Within("mm", 4, 50, "vertebro")] = 24e-3
    """from side to side"""
    depth: Annotated[float, Within("mm", 4, 40, "vertebro")] = 20e-3
    """from front to back"""
    height: Annotated[float, Within("mm", 1, 15, "vertebro")] = 4.5e-3
    """from floor to roof"""
    opening: Literal["none", "anterior"] = "none"
    """anterior = the cleft breaks through the anterior cortex"""
    lining: Annotated[float, Within("1", 0.001, 1, "vertebro")] = 0.05
    """permeability of the bone within 1.8 mm around it, as a share: scar and dense bone line an old cleft; 1 = fresh"""


class EndplateCrack(Record):
    """Crack through an endplate into the disc: a planar conduit w^2/12."""

    kind: Literal["endplate-crack"] = "endplate-crack"
    """endplate crack"""
    endplate: End = "superior"
    """which endplate"""
    right: Share = 0.0
    """middle of the crack, share of the half width"""
    front: Share = 0.2
    """middle of the crack, share of the half depth"""
    angle: Annotated[float, Within("deg", -90, 90, "vertebro")] = 1.5707963267948966
    """direction in the axial plane: 0 deg runs from back to front, 90 deg from left to right"""
    width: Annotated[float, Within("mm", 0.2, 1.5, "vertebro")] = 0.6e-3
    """opening of the crack"""
    length: Annotated[float, Within("mm", 2, 40, "vertebro")] = 12e-3
    """along the endplate"""
    depth: Annotated[float, Within("mm", 1, 15, "vertebro")] = 6e-3
    """into the body"""
    reach: Annotated[float, Within("mm", 0.5, 10, "vertebro")] = 4e-3
    """into the disc"""


class WallFissure(Record):
    """Fissure of a wall, the posterior one into the canal: a planar conduit w^2/12."""

    kind: Literal["wall-fissure"] = "wall-fissure"
    """fissure of a wall"""
    wall: Literal["posterior", "anterior", "left", "right"] = "posterior"
    """which wall; all but the posterior one lead to the tissue beside the spine"""
    right: Share = 0.3
    """place along the wall, share of the half width; of a left or right wall: to the front, share of the half depth"""
    up: Share = 0.1
    """place, share of the half height"""
    plane: Literal["horizontal", "vertical"] = "horizontal"
    """how the fissure lies in the wall"""
    width: Annotated[float, Within("mm", 0.2, 1.5, "vertebro")] = 0.5e-3
    """opening of the fissure"""
    length: Annotated[float, Within("mm", 2, 30, "vertebro")] = 8e-3
    """along the wall"""
    depth: Annotated[float, Within("mm", 2, 25, "vertebro")] = 10e-3
    """into the body"""


class Metastasis(Record):
    """Metastasis: bone eaten (lytic), made (blastic) or both, with or without a hole in the cortex."""

    kind: Literal["metastasis"] = "metastasis"
    """metastasis"""
    pattern: Literal["lytic", "blastic", "mixed"] = "lytic"
    """lytic = soft tissue instead of bone, blastic = dense bone"""
    right: WideShare = 0.0
    """centre, share of the half width; beyond 1 is beside the body"""
    front: WideShare = -0.3
    """centre, share of the half depth; -1.3 is a pedicle"""
    up: Share = 0.0
    """centre, share of the half height"""
    radius: Annotated[float, Within("mm", 2, 25, "vertebro")] = 9e-3
    """mean radius"""
    breach: Literal["none", "posterior", "anterior", "left", "right", "superior", "inferior"] = "none"
    """where the tumour has eaten the cortex away"""
    mass: Annotated[float, Within("mm", 0, 10, "vertebro")] = 0.0
    """how far soft tissue stands out of the breach"""
    flow_factor: Annotated[float, Within("1", 0.001, 1, "vertebro")] = 0.1
    """permeability over an empty cavity's: tumour is tougher than marrow, and only one fluid can be displaced"""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """of the outline and the pattern"""


class Myeloma(Record):
    """Myeloma: round punched-out holes without a rim, in body and pedicles, through the cortex (pepper-pot)."""

    kind: Literal["myeloma"] = "myeloma"
    """myeloma"""
    number: int = Field(26, ge=1, le=400)
    """holes in the body"""
    pedicles: int = Field(2, ge=0, le=8)
    """holes in the pedicles, left and right in turn"""
    smallest: Annotated[float, Within("mm", 0.8, 6, "vertebro")] = 2.2e-3
    """smallest radius"""
    largest: Annotated[float, Within("mm", 0.8, 8, "vertebro")] = 6e-3
    """largest radius; small holes are as much more frequent as they are smaller"""
    flow_factor: Annotated[float, Within("1", 0.001, 1, "vertebro")] = 0.5
    """permeability over an empty cavity's"""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """of places and radii"""

    @model_validator(mode="after")
    def _radii_are_ordered(self) -> Myeloma:
        if self.smallest > self.largest:
            raise ValueError("smallest is larger than largest: exchange the two radii")
        return self


class Haemangioma(Record):
    """Haemangioma: thick vertical trabeculae in fat (polka dots), a blood lake, wide draining veins."""

    kind: Literal["haemangioma"] = "haemangioma"
    """haemangioma"""
    right: Share = 0.0
    """centre, share of the half width"""
    front: Share = 0.0
    """centre, share of the half depth"""
    radius: Annotated[float, Within("mm", 5, 30, "vertebro")] = 18e-3
    """of the changed part, over the whole height"""
    pitch: Annotated[float, Within("mm", 2.5, 8, "vertebro")] = 4e-3
    """distance of the thick trabeculae"""
    strut: Annotated[float, Within("mm", 0.3, 1.5, "vertebro")] = 0.7e-3
    """radius of the thick trabeculae"""
    lake: Annotated[float, Within("ml", 0, 8, "vertebro")] = 1.5e-6
    """volume of the blood lake in its middle"""
    draining_radius: Annotated[float, Within("mm", 0.25, 1, "vertebro")] = 1e-3
    """mean radius of the draining segmental veins"""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """of the pattern"""


class SacralFracture(Record):
    """Sacral insufficiency fracture: vertical cracks in the alae (zone 1), with a bar across for the H shape."""

    kind: Literal["sacral-fracture"] = "sacral-fracture"
    """sacral insufficiency fracture, level S1 only"""
    side: Side = "both"
    """which ala"""
    lateral: Annotated[float, Within("mm", 15, 50, "vertebro")] = 30e-3
    """distance of the vertical cracks from the midline, at the height of S1's middle"""
    lean: Annotated[float, Within("deg", 0, 25, "vertebro")] = 0.10471975511965977
    """how much the vertical cracks lean outward, along the sacroiliac joints"""
    bar: bool = True
    """horizontal crack through the body of S2 (H or Honda sign)"""
    width: Annotated[float, Within("mm", 0.2, 2, "vertebro")] = 1e-3
    """opening of the cracks"""


class OldCement(Record):
    """A neighbour that was treated before: its cement hides the new one on the lateral view."""

    kind: Literal["old-cement"] = "old-cement"
    """cement in a neighbouring level"""
    level: str = Field("L2", pattern=r"^[A-Z][0-9]{1,2}$")
    """which neighbour"""
    volume: Annotated[float, Within("ml", 0.5, 10, "vertebro")] = 4e-6
    """cement in it"""
    preset: str = "generic-medium"
    """card whose radiopacity it has (vertebro explain cement.generic-medium)"""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """of its outline"""


Fracture = Wedge | Biconcave | Crush | Plana
Pathology = Annotated[
    Wedge
    | Biconcave
    | Crush
    | Plana
    | Cleft
    | EndplateCrack
    | WallFissure
    | Metastasis
    | Myeloma
    | Haemangioma
    | SacralFracture
    | OldCement,
    Field(discriminator="kind"),
]

# share of anterior, middle, posterior height that is lost, per Genant grade (genant1993: 20-25, 25-40, over 40 %)
LOSSES: dict[tuple[str, int], tuple[float, float, float]] = {
    ("wedge", 1): (0.23, 0.16, 0.05),
    ("wedge", 2): (0.36, 0.28, 0.08),
    ("wedge", 3): (0.58, 0.50, 0.20),
    ("biconcave", 1): (0.05, 0.24, 0.03),
    ("biconcave", 2): (0.12, 0.38, 0.10),
    ("biconcave", 3): (0.25, 0.58, 0.20),
    ("crush", 1): (0.19, 0.22, 0.14),
    ("crush", 2): (0.30, 0.33, 0.27),
    ("crush", 3): (0.48, 0.52, 0.44),
    ("plana", 3): (0.76, 0.80, 0.62),
}


def losses(fracture: Fracture) -> tuple[float, float, float]:
    """Lost shares of anterior, middle and posterior height [1]: given ones first, the grade's otherwise."""
    usual = LOSSES[fracture.kind, fracture.grade]
    given = (fracture.anterior, fracture.middle, fracture.posterior)
    a, m, p = (u if g is None else g for g, u in zip(given, usual, strict=True))
    return a, m, p
