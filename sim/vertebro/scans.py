"""The CT of a scene: planes, slices side by side and volumes through anatomy, cement and needles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.build import Scene
from vertebro.drainage import cement_beyond
from vertebro.errors import CaseError
from vertebro.imaging import (
    CTBody,
    CTField,
    CTNeedle,
    CTSlice,
    CTVolume,
    Scanner,
    TissueLayer,
    ct_slice,
    reformat,
    scan_volume,
    tissue_layers,
)
from vertebro.imaging.ct import MODES, Mode
from vertebro.imaging.ct_field import Plane
from vertebro.materials.attenuation import MATERIALS, Material, cement_material
from vertebro.materials.cement import Cement
from vertebro.procedure import Needle

OPACIFIERS = {"BaSO4": "barium sulfate", "ZrO2": "zirconium dioxide"}
MARROW = "yellow marrow"
PLANES: tuple[Plane, ...] = ("axial", "sagittal", "coronal")
FIELD, PIXELS = 0.16, 512  # m, of a picture of one vertebra
THICKNESS = 1.25e-3  # m, and spacing, of the slices of a reconstructed level
BEYOND = 8e-3  # m of a level's neighbours above and below the simulation grid in a stack
Progress = Callable[[str, float], None]
Veins = NDArray[np.floating]


def cement_matter(cement: Cement) -> Material:
    """What the cement is for X-rays."""
    return cement_material(OPACIFIERS[cement.opacifier], float(cement.opacifier_fraction))


def cement_rise(cement: Cement) -> float:
    """What a voxel full of cement reads above the marrow it displaced [HU]."""
    scanner = Scanner()
    return scanner.hu(cement_matter(cement)) - scanner.hu(MATERIALS[MARROW])


def steel_tubes(needles: Sequence[Needle]) -> tuple[CTNeedle, ...]:
    """Cannulas from hub to tip as the scanner sees them."""
    return tuple(
        CTNeedle(
            start=n.tip + (n.entry - n.tip) * (n.cannula_length / n.length),
            end=n.tip,
            outer_radius=n.outer_diameter / 2,
            inner_radius=n.inner_diameter / 2,
        )
        for n in needles
    )


def scene_body(
    scene: Scene,
    cement_fraction: NDArray[np.float32] | None = None,
    *,
    veins: Veins | None = None,
    needles: Sequence[Needle] = (),
    layers: tuple[TissueLayer, ...] | None = None,
) -> CTBody:
    """The whole patient in the scanner: vertebra, torso around it, cement and needles.

    Parameters
    ----------
    scene : Scene
    cement_fraction : (nr, na, ns) array, optional
    veins : (m,) array, optional [m³]
        Cement in each segment of the veins, to show what lies beyond the simulation grid.
    needles : sequence of Needle
    layers : tuple of TissueLayer, optional
        Of an earlier body of this scene: tissue does not change.
    """
    vertebra = scene.anatomy
    if layers is None:
        layers = tissue_layers(
            vertebra.hu, vertebra.grid, surround_hu=vertebra.surround.hu, surround_grid=vertebra.surround.grid
        )
    return CTBody(
        layers=layers,
        cement_fraction=cement_fraction,
        cement_grid=vertebra.grid,
        cement_beyond=cement_beyond(vertebra, veins),
        cement=cement_matter(scene.cement),
        replaced=MARROW,
        needles=steel_tubes(needles),
    )


def ct_planes(
    scene: Scene,
    cement_fraction: NDArray[np.float32] | None = None,
    *,
    veins: Veins | None = None,
    width: float = FIELD,
    pixels: int = PIXELS,
    needles: bool = False,
    number: int = 0,
    centre: tuple[float, float, float] | None = None,
    mode: Mode = "fast",
    scanner: Scanner | None = None,
    thickness: float | None = None,
    planes: Sequence[Plane] = PLANES,
    progress: Progress | None = None,
) -> dict[str, CTSlice]:
    """Axial, sagittal and coronal CT slices through the scene.

    Parameters
    ----------
    scene : Scene
    cement_fraction : (nr, na, ns) array, optional
        Volume share of cement; the slices go through its centre (through the body's without cement).
    veins : (m,) array, optional [m³]
        As `scene_body`.
    width : float [m]
        Field of view.
    pixels : int
    needles : bool
        Show the needles (they are usually out by then).
    number : int
        Fixes the noise together with the case's seed.
    centre : (3,) float [m], optional
        The point the slices go through instead (before and after want the same planes).
    mode : {"fast", "reconstructed"}
        Reconstructed planes are cut out of a stack of axial slices through the level.
    scanner : Scanner, optional
        Default: as the mode wants it (fast: no noise on top of that of a real CT).
    thickness : float [m], optional
        Of the slices; default 2 mm, reconstructed 1.25 mm.
    planes : sequence of {"axial", "sagittal", "coronal"}
        Only these.
    progress : callable, optional
        ``progress(stage, fraction)``.

    Raises
    ------
    CaseError
        If the mode is unknown.
    """
    check_mode(mode)
    centre = centre or cement_centre(scene.anatomy, cement_fraction)
    fields = {
        plane: CTField(plane=plane, centre=centre, width=width, pixels=pixels, thickness=thickness or 2e-3)
        for plane in planes
    }
    if mode == "fast":
        wish: dict[str, Any] = {"veins": veins, "scanner": scanner, "needles": needles, "number": number}
        return {plane: ct_section(scene, view, cement_fraction, **wish) for plane, view in fields.items()}
    stack = ct_stack(
        scene,
        cement_fraction,
        veins=veins,
        width=width,
        pixels=pixels,
        needles=scene.needles if needles else (),
        number=number,
        centre=centre,
        scanner=scanner,
        thickness=thickness or THICKNESS,
        progress=progress,
    )
    return {plane: reformat(stack, view) for plane, view in fields.items()}


def ct_stack(
    scene: Scene,
    cement_fraction: NDArray[np.float32] | None = None,
    *,
    veins: Veins | None = None,
    width: float = FIELD,
    pixels: int = PIXELS,
    needles: Sequence[Needle] = (),
    number: int = 0,
    centre: tuple[float, float, float] | None = None,
    scanner: Scanner | None = None,
    thickness: float = THICKNESS,
    slices: int | None = None,
    threads: int = 2,
    body: CTBody | None = None,
    progress: Progress | None = None,
) -> CTVolume:
    """Reconstructed axial slices side by side through the level.

    Parameters
    ----------
    scene : Scene
    cement_fraction : (nr, na, ns) array, optional
    veins : (m,) array, optional [m³]
        As `scene_body`.
    width : float [m]
    pixels : int
    needles : sequence of Needle
        In place during the scan.
    number : int
        Fixes the noise together with the case's seed.
    centre : (3,) float [m], optional
        Right and anterior coordinate of the field; with `slices` also the height of the stack's middle.
    scanner : Scanner, optional
    thickness : float [m]
        Of a slice, and from slice to slice.
    slices : int, optional
        Default: the whole simulation grid and 8 mm beyond.
    threads : int
    body : CTBody, optional
        From `scene_body`, when it is known already.
    progress : callable, optional

    Raises
    ------
    CaseError, GeometryError
        If a setting is out of range.
    KeyboardInterrupt
        After the slices in hand.
    """
    middle = centre or cement_centre(scene.anatomy, cement_fraction)
    view = CTField(centre=middle, width=width, pixels=pixels, thickness=thickness)
    if not thickness > 0:
        raise CaseError("a stack needs a thickness", where="thickness [m]", value=thickness, allowed="> 0")
    if slices is None:
        low, high = scene.anatomy.grid.extent[:, 2] + np.array([-BEYOND, BEYOND])
        slices = math.ceil((high - low) / thickness)
        view = CTField(
            centre=(middle[0], middle[1], float(low + high) / 2), width=width, pixels=pixels, thickness=thickness
        )
    return scan_volume(
        view,
        body or scene_body(scene, cement_fraction, veins=veins, needles=needles),
        scanner or Scanner(),
        slices=slices,
        spacing=thickness,
        seed=scene.case.seed,
        number=number,
        threads=threads,
        progress=progress,
    )


def cement_centre(anatomy: Anatomy, cement_fraction: NDArray[np.float32] | None) -> tuple[float, float, float]:
    """Centre of the cement [m], or of the body when there is none."""
    if cement_fraction is None or not cement_fraction.any():
        return (0.0, 0.0, 0.0)
    weight = cement_fraction.astype(np.float64)
    total = float(weight.sum())
    r, a, s = (float((weight * x).sum()) / total for x in anatomy.grid.open_mesh())
    return (r, a, s)


def check_mode(mode: str) -> None:
    """Refuse an unknown mode with `CaseError`."""
    if mode not in MODES:
        raise CaseError("unknown mode", where="mode", value=mode, allowed=", ".join(MODES))


def ct_scanner(scene: Scene) -> Scanner:
    """The CT scanner of a scene; a real CT brings its own noise."""
    return Scanner(noise=0.0 if scene.anatomy.provenance.get("source") == "ct" else 12.0)


def ct_section(
    scene: Scene,
    view: CTField,
    cement_fraction: NDArray[np.float32] | None = None,
    *,
    veins: Veins | None = None,
    mode: Mode = "fast",
    scanner: Scanner | None = None,
    needles: bool = False,
    number: int = 0,
) -> CTSlice:
    """One CT picture of the scene, anywhere.

    Parameters
    ----------
    scene : Scene
    view : CTField
    cement_fraction : (nr, na, ns) array, optional
    veins : (m,) array, optional [m³]
        As `scene_body`.
    mode : {"fast", "reconstructed"}
        See `vertebro.imaging.ct_slice`.
    scanner : Scanner, optional
        Default: as the mode wants it.
    needles : bool
        Show the needles.
    number : int
        Fixes the noise together with the case's seed.

    Raises
    ------
    CaseError
        If the mode is unknown.
    """
    vertebra = scene.anatomy
    return ct_slice(
        view,
        vertebra.hu,
        vertebra.grid,
        surround_hu=vertebra.surround.hu,
        surround_grid=vertebra.surround.grid,
        cement_fraction=cement_fraction,
        cement_beyond=cement_beyond(vertebra, veins),
        cement=cement_matter(scene.cement),
        replaced=MARROW,
        needles=steel_tubes(scene.needles) if needles else (),
        scanner=scanner or (ct_scanner(scene) if mode == "fast" else Scanner()),
        mode=mode,
        seed=scene.case.seed,
        number=number,
    )
