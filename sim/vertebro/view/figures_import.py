"""The check sheet of an anatomy: did the import find the right vertebra, the right way round, with its parts?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Pedicle
from vertebro.drainage import vein_raster
from vertebro.tissue import Compartment, Tissue
from vertebro.view import theme
from vertebro.view.figures_ct import dress, picture_centre, show_hu
from vertebro.view.panels import STYLE, new_figure, save, through
from vertebro.view.planes import Plane, ct_numbers, plane_through, sample

PARTS: tuple[tuple[str, str, tuple[Compartment, ...]], ...] = (
    ("body", "#f0a830", (Compartment.BODY,)),
    ("arch", "#e377c2", (Compartment.ARCH,)),
    ("canal", "#ffe14d", (Compartment.CANAL,)),
    ("foramina", "#7fd858", (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT)),
    ("discs", "#58c7f3", (Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR)),
    ("veins", "#5b8cff", (Compartment.VEIN_BASIVERTEBRAL, Compartment.VEIN_SEGMENTAL)),
)
AXIS_COLOUR = "#ff5a5a"
FIELD = 0.11  # m


def draw_import_check(anatomy: Anatomy, path: str | Path | None = None) -> Figure:
    """Draw the sheet a person looks at after an import: CT numbers with the compartments outlined, landmarks, pedicles.

    Parameters
    ----------
    anatomy : Anatomy
    path : path, optional
        Also save there.
    """
    warnings = [f"warning: {text}" for text in anatomy.provenance.get("warnings", [])]
    side, head, foot = 10.6 / 3, 0.62 + 0.17 * len(warnings), 0.42
    height = 2 * side + head + foot
    with rc_context(STYLE):
        figure = new_figure(10.6, height, dpi=120)
        grid = figure.add_gridspec(
            2, 3, left=0, right=1, bottom=foot / height, top=1 - head / height, wspace=0.02, hspace=0.085
        )
        for i, (name, centre) in enumerate(_planes(anatomy)):
            _panel(figure.add_subplot(grid[i // 3, i % 3]), anatomy, name, centre)
        figure.text(0.005, 1 - 0.05 / height, _headline(anatomy), fontsize=9.5, va="top", weight="bold")
        figure.text(
            0.005, 1 - 0.42 / height, "\n".join(warnings), fontsize=8.5, va="top", color=theme.LEAK, linespacing=1.35
        )
        _legend(figure)
    return save(figure, path)


def _planes(anatomy: Anatomy) -> list[tuple[str, NDArray[np.float64]]]:
    marks = anatomy.landmarks
    back = float(picture_centre(anatomy, "axial")[1])
    left, right = (
        (p.centre for p in marks.pedicles)
        if marks.pedicles
        else (marks.body_half_axes * side for side in ([-0.5, 0, 0], [0.5, 0, 0]))
    )
    pedicle_height = (float(left[2]) + float(right[2])) / 2
    return [
        ("axial", np.array([0, back, pedicle_height])),
        ("sagittal", np.array([0, back, 0])),
        ("coronal", np.zeros(3)),
        ("axial", np.array([0, back, 0])),
        ("sagittal", np.array([float(left[0]), back, 0])),
        ("sagittal", np.array([float(right[0]), back, 0])),
    ]


def _panel(axes: Any, anatomy: Anatomy, name: str, centre: NDArray[np.float64]) -> None:
    plane = plane_through(name, centre, width=FIELD, height=FIELD)
    show_hu(axes, ct_numbers(anatomy, plane), plane.extent, theme.BONE_WINDOW)
    dress(axes, name)
    _outlines(axes, anatomy, plane)
    marks = anatomy.landmarks
    for pedicle in marks.pedicles:
        _pedicle(axes, plane, pedicle)
    _walls(axes, anatomy, plane)
    axes.set_xlim(plane.extent[:2])
    axes.set_ylim(plane.extent[2:])
    axes.set_title(through(name, centre), fontsize=9, pad=4)


def _outlines(axes: Any, anatomy: Anatomy, plane: Plane) -> None:
    inside = sample(np.ones(anatomy.grid.shape), anatomy.grid, plane) > 0
    x, y = np.moveaxis(plane.place(plane.points), -1, 0)
    for _, colour, members in PARTS:
        mask = np.isin(anatomy.compartment, members)
        if members[0] is Compartment.VEIN_BASIVERTEBRAL:
            mask = mask | (anatomy.tissue == Tissue.VEIN)
            if (network := anatomy.network) is not None:
                mask = mask | (vein_raster(network, anatomy.grid).fraction(network.volume) > 0.3)
        share = sample(mask.astype(np.float32), anatomy.grid, plane) * inside
        if share.max() > 0.5:
            axes.contour(x, y, share, levels=[0.5], colors=[colour], linewidths=1.0)


def _pedicle(axes: Any, plane: Plane, pedicle: Pedicle, reach: float = 0.022) -> None:
    """Axis of a pedicle, drawn where the plane is within its half width."""
    if abs(float(plane.depth(pedicle.centre))) > max(pedicle.half_width, pedicle.half_height):
        return
    ends = plane.place(pedicle.centre + np.outer([-reach, reach], pedicle.axis))
    axes.plot(*ends.T, color=AXIS_COLOUR, lw=1.2)
    axes.plot(*plane.place(pedicle.centre), "o", color=AXIS_COLOUR, ms=4, mfc="none", mew=1.2)


def _walls(axes: Any, anatomy: Anatomy, plane: Plane) -> None:
    """Crosses at the walls and endplates (midline) and the tip of the spinous process."""
    marks = anatomy.landmarks
    single = [p for p in (marks.spinous_tip, marks.canal_centre) if p is not None]
    points = np.array(
        [
            [0, marks.anterior_wall, 0],
            [0, marks.posterior_wall, 0],
            [0, 0, marks.superior_endplate],
            [0, 0, marks.inferior_endplate],
            *single,
        ]
    )
    near = np.abs(plane.depth(points)) < 2e-3
    if near.any():
        axes.plot(*plane.place(points[near]).T, "+", color="white", ms=8, mew=1.3)


def _headline(anatomy: Anatomy) -> str:
    size = 2e3 * np.asarray(anatomy.landmarks.body_half_axes)
    core = _core(anatomy)
    fraction = float(anatomy.bone_fraction[core].mean()) if core.any() else float("nan")
    hu = float(anatomy.hu[core].mean()) if core.any() else float("nan")
    grid = "×".join(str(n) for n in anatomy.grid.shape)
    return (
        f"{anatomy.level}: body {size[0]:.0f} × {size[1]:.0f} × {size[2]:.0f} mm (width × depth × height), "
        f"{anatomy.body_volume * 1e6:.1f} mL\n"
        f"cancellous bone: mean {hu:.0f} HU, BV/TV {fraction:.3f}   ·   "
        f"grid {grid} at {anatomy.grid.spacing[0] * 1e3:.2f} mm"
    )


def _core(anatomy: Anatomy, share: float = 0.6) -> NDArray[np.bool_]:
    """Cancellous voxels well inside the body, clear of the shell that coarse voxels share with it."""
    half = np.asarray(anatomy.landmarks.body_half_axes) * share
    inner = sum((x / h) ** 2 for x, h in zip(anatomy.grid.open_mesh(), half, strict=True)) < 1
    return inner & (anatomy.compartment == Compartment.BODY) & (anatomy.tissue == Tissue.CANCELLOUS)


def _legend(figure: Figure) -> None:
    lines = [Line2D([], [], color=colour, lw=2, label=name) for name, colour, _ in PARTS]
    lines.append(Line2D([], [], color=AXIS_COLOUR, lw=1.5, marker="o", mfc="none", label="pedicle axis and isthmus"))
    lines.append(
        Line2D([], [], color=theme.INK, lw=0, marker="+", ms=9, label="walls, endplates, canal, spinous tip (white)")
    )
    figure.legend(handles=lines, loc="lower center", ncols=len(lines), frameon=False, fontsize=8, columnspacing=1.2)
