"""The wide pictures of the check sheet: levels along the spine, organs around it, the vertebra under the C-arm."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.imaging import CArm, Fluoroscope, tissue_layers
from vertebro.tissue import Organ
from vertebro.view.figures_ct import show_hu
from vertebro.view.panels import PLANES, blank, letters, scale_bar, write
from vertebro.view.planes import AIR_HU, Plane, plane_through, sample

TARGET: Final = "#39ff88"
SOFT_WINDOW: Final = (700.0, 120.0)  # HU: width, level
WIDE = 0.21  # m, height and width of an overview
FRAME, PIXELS = 0.16, 256  # m across an X-ray view, pixels
ORGANS: Final[dict[Organ, str]] = {
    Organ.CANAL: "#ffe14d",
    Organ.NERVE: "#7fd858",
    Organ.ARTERY: "#ff4040",
    Organ.VEIN: "#4d8dff",
    Organ.LUNG: "#7fd4ff",
    Organ.KIDNEY: "#c77dff",
    Organ.LIVER: "#b5651d",
    Organ.SPLEEN: "#ff9f6b",
    Organ.BOWEL: "#9acd32",
    Organ.OESOPHAGUS: "#ffb6c1",
    Organ.AIRWAY: "#e0ffff",
    Organ.THYROID: "#ffd700",
    Organ.HEART: "#ff6fa5",
    Organ.BLADDER: "#f5f5a0",
}


def spine_overview(axes: Any, anatomy: Anatomy, name: str) -> None:
    """A sagittal or coronal picture bent along the spine, with the name of every labelled level."""
    plane = _bent(anatomy, name)
    show_hu(axes, sample(anatomy.surround.hu, anatomy.surround.grid, plane, outside=AIR_HU), plane.extent, SOFT_WINDOW)
    _shade_organs(axes, anatomy, plane)
    blank(axes)
    letters(axes, *PLANES[name][3])
    scale_bar(axes, 50.0)
    bottom, top = plane.extent[2:]
    for level in anatomy.spine:
        x, y = plane.place(level.centre)
        if not bottom + 4 < y < top - 4 or not min(plane.extent[:2]) < x < max(plane.extent[:2]):
            continue
        own = level.name == anatomy.level
        colour = TARGET if own else "white"
        across = plane.place(level.centre + np.outer([-12e-3, 12e-3], level.axes[1 if name == "sagittal" else 0]))
        axes.plot(*across.T, color=colour, lw=1.6 if own else 0.9)
        spot = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        write(axes, spot[0] + 0.11, spot[1], level.name, colour=colour, size=8.5 if own else 7, va="center")
    axes.set_title(f"{name}, bent along the spine", fontsize=8.5, pad=3)


def axial_overview(axes: Any, anatomy: Anatomy) -> None:
    """The trunk at the height of the pedicles with the organs that a needle must not meet."""
    pedicles = anatomy.landmarks.pedicles
    height = float(np.mean([p.centre[2] for p in pedicles])) if pedicles else 0.0
    low, high = anatomy.surround.grid.extent
    centre = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, height])
    width = float(min(max(high[0] - low[0], high[1] - low[1]), 0.38))
    plane = plane_through("axial", centre, width=width, height=width, pixel=1e-3)
    show_hu(axes, sample(anatomy.surround.hu, anatomy.surround.grid, plane, outside=AIR_HU), plane.extent, SOFT_WINDOW)
    _shade_organs(axes, anatomy, plane)
    blank(axes)
    letters(axes, *PLANES["axial"][3])
    scale_bar(axes, 50.0)
    axes.set_title("axial, organs to keep out of", fontsize=8.5, pad=3)


def frame_view(axes: Any, anatomy: Anatomy, name: str, rings: list[NDArray[np.float64]]) -> None:
    """A simulated X-ray frame of the level with the pedicle ellipses, no noise."""
    pitch = FRAME / 0.7 / PIXELS
    arm = (CArm.ap if name == "ap" else CArm.lateral)(rows=PIXELS, cols=PIXELS, pitch=pitch)
    layers = tissue_layers(anatomy.surround.hu, anatomy.surround.grid)
    frame = Fluoroscope().prepare(arm, layers).frame(noise=False)
    axes.imshow(frame.display, cmap="gray", vmin=0, vmax=255)
    blank(axes)
    for ring in rings:
        rows, columns = np.array([arm.geometry.project_point(p) for p in ring]).T
        axes.plot(columns, rows, color="#ff5a5a", lw=1.0)
    letters(axes, *(("R", "L", "S", "I") if name == "ap" else ("A", "P", "S", "I")))
    axes.set_xlim(-0.5, PIXELS - 0.5)
    axes.set_ylim(PIXELS - 0.5, -0.5)
    axes.set_title({"ap": "simulated AP", "lateral": "simulated lateral"}[name], fontsize=8.5, pad=3)


def _bent(anatomy: Anatomy, name: str) -> Plane:
    """A plane whose points follow the levels' centres in the direction across it."""
    low, high = anatomy.surround.grid.extent
    centre = np.array([0.0, 0.0, (low[2] + high[2]) / 2])
    plane = plane_through(name, centre, width=WIDE, height=min(WIDE, float(high[2] - low[2])), pixel=0.8e-3)
    if len(anatomy.spine) > 1:
        depth = 0 if name == "sagittal" else 1
        line = np.array([level.centre for level in anatomy.spine])[::-1]
        plane.points[..., depth] = np.interp(plane.points[..., 2], line[:, 2], line[:, depth])
    return plane


def _shade_organs(axes: Any, anatomy: Anatomy, plane: Plane) -> None:
    if anatomy.surround.organ is None:
        return
    where = np.rint(anatomy.surround.grid.index(plane.points)).astype(int)
    size = np.asarray(anatomy.surround.grid.shape)
    known = np.all((where >= 0) & (where < size), axis=-1)
    codes = anatomy.surround.organ[tuple(np.moveaxis(np.clip(where, 0, size - 1), -1, 0))] * known
    tint = np.zeros((*codes.shape, 4))
    for organ, colour in ORGANS.items():
        tint[codes == organ] = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)] + [0.38]
    axes.imshow(tint, extent=plane.extent, interpolation="nearest")
