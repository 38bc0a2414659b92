"""The record that every anatomy source makes and the hall reads: arrays on one grid, landmarks, exits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.network import VeinNetwork
from vertebro.errors import GeometryError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment

Float3 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pedicle:
    """One pedicle at its narrowest section (world metres).

    Attributes
    ----------
    centre : (3,) float [m]
        Centre of the isthmus.
    axis : (3,) unit vector
        Pedicle axis, pointing from the arch into the body (mostly anterior).
    half_width, half_height : float [m]
        Semi-axes of the isthmus ellipse (transverse, sagittal).
    """

    centre: Float3
    axis: Float3
    half_width: float
    half_height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Landmarks:
    """Named places of one vertebra in the world frame [m] (origin = body centre, axes r, a, s).

    Attributes
    ----------
    body_half_axes : (3,) float
        Half width, half depth, half height of the vertebral body.
    anterior_wall, posterior_wall : float
        a-coordinates of the walls, midline, mid height.
    superior_endplate, inferior_endplate : float
        s-coordinates of the endplates at the body's centre line.
    canal_centre : (3,) float or None
    canal_half_axes : (2,) float or None
        Half width (r) and half depth (a) of the spinal canal at pedicle level; None where there is no canal (hip bone).
    pedicle_left, pedicle_right : Pedicle or None
        Left is negative r; None in a bone without pedicles.
    spinous_tip : (3,) float or None
    posterior_skin : float
        a-coordinate of the skin behind the vertebra.
    midline : float
        r-coordinate of the patient's median plane; 0 but for a bone beside it (hip bone).
    """

    body_half_axes: Float3
    anterior_wall: float
    posterior_wall: float
    superior_endplate: float
    inferior_endplate: float
    canal_centre: Float3 | None
    canal_half_axes: Float3 | None
    pedicle_left: Pedicle | None
    pedicle_right: Pedicle | None
    spinous_tip: Float3 | None
    posterior_skin: float
    midline: float = 0.0

    @property
    def pedicles(self) -> tuple[Pedicle, ...]:
        """Left and right pedicle; empty in a bone without."""
        return tuple(p for p in (self.pedicle_left, self.pedicle_right) if p is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """Cells where fluid leaves the grid against a given pressure (a vein's end, the tissue around).

    Attributes
    ----------
    name : str
        Readable and unique, e.g. ``"segmental vein, left upper"``.
    route : str
        ``"basivertebral"``, ``"segmental"``, ``"tissue"`` (grid border) …
    cells : (n, 3) int array
        Voxel indices on the simulation grid.
    pressure : float [Pa]
        Outside pressure.
    """

    name: str
    route: str
    cells: NDArray[np.int64]
    pressure: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Surround:
    """The wider field of view, for images only: CT numbers on a coarser grid in the same world frame.

    Attributes
    ----------
    grid : VoxelGrid
    hu : (…) int16 array [HU]
    organ : (…) uint8 array of `Organ`, optional
        What a needle must not meet; None when the source does not know its organs.
    """

    grid: VoxelGrid
    hu: NDArray[np.int16]
    organ: NDArray[np.uint8] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SpineLevel:
    """One vertebra of the scene, for counting levels.

    Attributes
    ----------
    name : str
        ``"T12"`` …
    centre : (3,) float [m]
        Middle of its body, world frame of the anatomy it belongs to.
    axes : (3, 3) float
        Rows: the vertebra's own right, anterior, superior directions in that frame.
    """

    name: str
    centre: Float3
    axes: Float3


@dataclass(frozen=True, kw_only=True, slots=True)
class Anatomy:
    """A vertebra and its neighbourhood as the rooms need it.

    Attributes
    ----------
    level : str
        ``"L1"`` …
    grid : VoxelGrid
        The simulation grid; arrays below have its shape ``[r, a, s]``.
    tissue : uint8 array of `Tissue`
    compartment : uint8 array of `Compartment`
    hu : float32 array [HU]
        CT numbers without cement.
    bone_fraction, porosity : float32 arrays
        BV/TV and the pore share open to flow.
    permeability : (3, …) float64 array [m²]
        Principal permeabilities along r, a, s.
    face_resistance : (3, …) float64 array [1/m] or None
        Sub-voxel layers (cortical shell, endplates): thickness / permeability of the layer in the face between a
        voxel and its next neighbour along the axis; 0 where there is none.
    exits : tuple of Exit
    surround : Surround
    landmarks : Landmarks
    patient_from_world : (4, 4) float array
        Rigid transform to patient coordinates (RAS, metres): the scanner's for an imported anatomy. A generated
        patient's are upright with the origin in L1's body, or between the hips for a pelvic level, so that the
        levels of one patient fit together.
    body_volume : float [m³]
        Volume of the vertebral body (compartment BODY).
    network : VeinNetwork or None
        The veins; None in a file of an older vertebro and where veins are switched off.
    spine : tuple of SpineLevel
        Every vertebra of the scene from the head down, the own one among them; empty when unknown.
    provenance : dict
        Plain JSON values: source, settings, digests, licence, calibration.
    """

    level: str
    grid: VoxelGrid
    tissue: NDArray[np.uint8]
    compartment: NDArray[np.uint8]
    hu: NDArray[np.float32]
    bone_fraction: NDArray[np.float32]
    porosity: NDArray[np.float32]
    permeability: NDArray[np.float64]
    face_resistance: NDArray[np.float64] | None
    exits: tuple[Exit, ...]
    surround: Surround
    landmarks: Landmarks
    patient_from_world: NDArray[np.float64]
    body_volume: float
    network: VeinNetwork | None = None
    spine: tuple[SpineLevel, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def bone(self) -> NDArray[np.bool_]:
        """(nr, na, ns) the vertebra itself: body and arch."""
        return np.isin(self.compartment, (Compartment.BODY, Compartment.ARCH))

    def __post_init__(self) -> None:
        for name in ("tissue", "compartment", "hu", "bone_fraction", "porosity", "permeability"):
            self.grid.check(getattr(self, name), name)
        if self.permeability.shape != (3, *self.grid.shape):
            raise GeometryError(
                "permeability needs three principal values",
                where="permeability",
                value=self.permeability.shape,
                allowed=str((3, *self.grid.shape)),
            )
        if self.face_resistance is not None:
            self.grid.check(self.face_resistance, "face_resistance")
        if self.surround.organ is not None:
            self.surround.grid.check(self.surround.organ, "surround.organ")
