"""The check sheet of an anatomy: did the import find the right vertebra, the right way round, with its parts?"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Pedicle
from vertebro.drainage import vein_raster
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.view import theme
from vertebro.view.figures_ct import dress, picture_centre, show_hu
from vertebro.view.figures_import_wide import ORGANS, TARGET, axial_overview, frame_view, spine_overview
from vertebro.view.panels import STYLE, new_figure, save, through
from vertebro.view.planes import Plane, plane_hu, plane_through, sample

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
WIDTH = 12.4  # inches
SHADE = 0.16


def draw_import_check(anatomy: Anatomy, path: str | Path | None = None) -> Figure:
    """Draw the sheet a person looks at after an import.

    Two rows of close pictures (CT numbers with the parts tinted and outlined, pedicles, walls, endplates), one row of
    the whole scan (levels by name along the spine, organs, the two X-ray views), what the calibration found, warnings.

    Parameters
    ----------
    anatomy : Anatomy
    path : path, optional
        Also save there.
    """
    warnings = [line for text in anatomy.provenance.get("warnings", []) for line in wrap(f"warning: {text}", 170)]
    facts = _facts(anatomy)
    side, wide = WIDTH / 3, WIDTH / 5
    head, key, foot = 0.62 + 0.17 * len(warnings), 0.5, 0.1 + 0.165 * len(facts)
    height = 2 * side + wide + head + key + foot + 0.62
    with rc_context(STYLE):
        figure = new_figure(WIDTH, height, dpi=110)
        near = figure.add_gridspec(
            2, 3, left=0, right=1, top=1 - head / height, bottom=(wide + key + foot + 0.3) / height, wspace=0.015,
            hspace=0.075,
        )  # fmt: skip
        for i, (name, centre) in enumerate(_planes(anatomy)):
            _panel(figure.add_subplot(near[i // 3, i % 3]), anatomy, name, centre)
        far = figure.add_gridspec(
            1, 5, left=0, right=1, top=(wide + key + foot) / height, bottom=(key + foot) / height, wspace=0.015
        )
        _wide_row([figure.add_subplot(far[0, i]) for i in range(5)], anatomy)
        figure.text(0.005, 1 - 0.05 / height, _headline(anatomy), fontsize=9.5, va="top", weight="bold")
        figure.text(
            0.005, 1 - 0.42 / height, "\n".join(warnings), fontsize=8.5, va="top", color=theme.LEAK, linespacing=1.35
        )
        figure.text(0.005, foot / height, "\n".join(facts), fontsize=8.5, va="top", linespacing=1.35)
        _legend(figure, anatomy, (key + foot) / height)
    return save(figure, path)


def _planes(anatomy: Anatomy) -> list[tuple[str, NDArray[np.float64]]]:
    marks = anatomy.landmarks
    back = float(picture_centre(anatomy, "axial")[1])
    left, right = (
        (p.centre for p in marks.pedicles)
        if marks.pedicles
        else (marks.body_half_axes * side for side in ([-0.5, 0, 0], [0.5, 0, 0]))
    )
    middle = (left + right) / 2
    return [
        ("axial", np.array([0, back, middle[2]])),
        ("sagittal", np.array([0, back, 0])),
        ("coronal", np.zeros(3)),
        ("coronal", np.array([0, middle[1], 0])),
        ("sagittal", np.array([float(left[0]), back, 0])),
        ("sagittal", np.array([float(right[0]), back, 0])),
    ]


def _panel(axes: Any, anatomy: Anatomy, name: str, centre: NDArray[np.float64]) -> None:
    plane = plane_through(name, centre, width=FIELD, height=FIELD)
    show_hu(axes, plane_hu(anatomy, plane), plane.extent, theme.BONE_WINDOW)
    dress(axes, name)
    _outlines(axes, anatomy, plane)
    marks = anatomy.landmarks
    for pedicle in marks.pedicles:
        _pedicle(axes, plane, pedicle)
    _walls(axes, anatomy, plane)
    axes.set_xlim(plane.extent[:2])
    axes.set_ylim(plane.extent[2:])
    words = through(name, centre)
    sides = {"sagittal": " (left pedicle)" if centre[0] < 0 else " (right pedicle)", "coronal": " (pedicles)"}
    is_pedicle = (name == "sagittal" and centre[0] != 0) or (name == "coronal" and centre[1] != 0)
    axes.set_title(words + (sides[name] if is_pedicle and marks.pedicles else ""), fontsize=9, pad=4)


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
            axes.contourf(x, y, share, levels=[0.5, 2.0], colors=[colour], alpha=SHADE)
            axes.contour(x, y, share, levels=[0.5], colors=[colour], linewidths=1.1)


def _pedicle(axes: Any, plane: Plane, pedicle: Pedicle, reach: float = 0.022) -> None:
    """Axis and isthmus ellipse of a pedicle, drawn where the plane is within its half width."""
    if abs(float(plane.depth(pedicle.centre))) > max(pedicle.half_width, pedicle.half_height):
        return
    ends = plane.place(pedicle.centre + np.outer([-reach, reach], pedicle.axis))
    axes.plot(*ends.T, color=AXIS_COLOUR, lw=1.1)
    axes.plot(*plane.place(isthmus(pedicle)).T, color=AXIS_COLOUR, lw=1.3)


def isthmus(pedicle: Pedicle, points: int = 49) -> NDArray[np.float64]:
    """World points (n, 3) [m] around a pedicle's narrowest section."""
    upward = np.array([0.0, 0.0, 1.0]) - pedicle.axis[2] * pedicle.axis
    upward /= np.linalg.norm(upward)
    across = np.cross(pedicle.axis, upward)
    angle = np.linspace(0, 2 * np.pi, points)
    ring = pedicle.half_width * np.outer(np.cos(angle), across) + pedicle.half_height * np.outer(np.sin(angle), upward)
    return np.asarray(pedicle.centre + ring)


def _walls(axes: Any, anatomy: Anatomy, plane: Plane) -> None:
    """Lines along the walls and endplates; crosses at the canal's centre and the tip of the spinous process."""
    marks = anatomy.landmarks
    width, _, _ = marks.body_half_axes
    a0, a1, s0, s1 = marks.posterior_wall, marks.anterior_wall, marks.inferior_endplate, marks.superior_endplate
    half = {"axial": 0.5 * width, "sagittal": 0.0, "coronal": 0.0}[plane.name]
    lines: list[NDArray[np.float64]] = []
    if plane.name in ("axial", "sagittal"):
        for a in (a0, a1):
            ends = [[-half, a, 0], [half, a, 0]] if plane.name == "axial" else [[0, a, s0], [0, a, s1]]
            lines.append(np.array(ends, float))
    if plane.name in ("sagittal", "coronal"):
        for s in (s0, s1):
            ends = [[0, a0, s], [0, a1, s]] if plane.name == "sagittal" else [[-width, 0, s], [width, 0, s]]
            lines.append(np.array(ends, float))
    off_centre = abs(float(plane.depth(np.zeros(3)))) > 6e-3 and plane.name != "axial"
    for line in [] if off_centre else lines:
        axes.plot(*plane.place(line).T, color="white", lw=1.0, ls=(0, (4, 2)))
    single = np.array([p for p in (marks.spinous_tip, marks.canal_centre) if p is not None]).reshape(-1, 3)
    near = np.abs(plane.depth(single)) < 3e-3
    if near.any():
        axes.plot(*plane.place(single[near]).T, "+", color="white", ms=8, mew=1.3)


def _wide_row(panels: list[Any], anatomy: Anatomy) -> None:
    spine_overview(panels[0], anatomy, "sagittal")
    spine_overview(panels[1], anatomy, "coronal")
    axial_overview(panels[2], anatomy)
    for axes, name in ((panels[3], "ap"), (panels[4], "lateral")):
        frame_view(axes, anatomy, name, [isthmus(p) for p in anatomy.landmarks.pedicles])


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


def _facts(anatomy: Anatomy) -> list[str]:
    """Source, pedicles, calibration and what else was found, one line each."""
    known = anatomy.provenance
    lines = []
    if "label_scheme" in known:
        lines.append(
            f"CT {known['ct']['name']}, labels {known['labels']['name']} ({known['label_scheme']} numbering, "
            f"{anatomy.level} = {known['label_id']})"
        )
    pedicles = [
        f"{side} {2e3 * p.half_width:.1f} × {2e3 * p.half_height:.1f} mm, inward "
        f"{abs(np.degrees(np.arctan2(p.axis[0], p.axis[1]))):.0f}°"
        for side, p in zip(("left", "right"), anatomy.landmarks.pedicles, strict=False)
    ]
    if pedicles:
        lines.append(f"pedicles (width × height at the isthmus): {'; '.join(pedicles)}")
    scale = known.get("calibration")
    if scale:
        found = ", ".join(
            f"{r['name']} {r['mean_hu']:.0f} ± {r['sd_hu']:.0f} HU, n {r['n']} (should be {r['expected_hu']:.0f})"
            for r in scale["references"]
        )
        lines.append(f"calibration: {found or 'no reference tissue'}")
        law = f"HU' = {scale['slope']:.3f} HU {scale['offset_hu']:+.1f}, " if "slope" in scale else ""
        density = "" if scale["vbmd_mg_cm3"] is None else (
            f"; core about {scale['vbmd_mg_cm3']:.0f} ± {scale['vbmd_sd_mg_cm3']:.0f} mg/cm³ HA"
            + (f" ({scale['vbmd_note']})" if scale["vbmd_note"] else "")
        )  # fmt: skip
        lines.append(f"    {law}{'applied' if scale['applied'] else 'not applied'}: {scale['reason']}{density}")
    return lines


def _core(anatomy: Anatomy, share: float = 0.6) -> NDArray[np.bool_]:
    """Cancellous voxels well inside the body, clear of the shell that coarse voxels share with it."""
    half = np.asarray(anatomy.landmarks.body_half_axes) * share
    inner = sum((x / h) ** 2 for x, h in zip(anatomy.grid.open_mesh(), half, strict=True)) < 1
    return inner & (anatomy.compartment == Compartment.BODY) & (anatomy.tissue == Tissue.CANCELLOUS)


def _legend(figure: Figure, anatomy: Anatomy, top: float) -> None:
    lines = [Line2D([], [], color=colour, lw=2, label=name) for name, colour, _ in PARTS]
    lines.append(Line2D([], [], color=AXIS_COLOUR, lw=1.5, label="pedicle axis, isthmus"))
    lines.append(Line2D([], [], color=theme.MUTED, lw=1.2, ls=(0, (4, 2)), label="walls, endplates (white)"))
    lines.append(Line2D([], [], color=TARGET, lw=2, label="the level"))
    if anatomy.surround.organ is not None:
        present = set(np.unique(anatomy.surround.organ[::4, ::4, ::4]))
        names = [(organ, colour) for organ, colour in ORGANS.items() if organ in present and organ is not Organ.CANAL]
        lines += [Line2D([], [], color=colour, lw=0, marker="s", label=organ.name.lower()) for organ, colour in names]
    rows = 1 if len(lines) < 15 else 2
    figure.legend(
        handles=lines, loc="upper center", bbox_to_anchor=(0.5, top), ncols=-(-len(lines) // rows), frameon=False,
        fontsize=7.5, columnspacing=0.9, handletextpad=0.4, handlelength=1.3,
    )  # fmt: skip
