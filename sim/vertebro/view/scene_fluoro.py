"""The room: a prone patient on the table, the C-arm around him, the beam, and the frame on its detector.

Skin, spine and vertebra are those of the anatomy; beyond the field of its surroundings the trunk goes on straight. The
table, the C and its heads are a sketch about the true focus and detector. The detector's back shows the frame where
the beam draws it, so from outside it is seen mirrored; the monitor in the corner shows it as it is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.imaging import CArm
from vertebro.view import theme
from vertebro.view.gl import gl_available

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.room_meshes import Room

OVERSAMPLING = 1.25
MONITOR = 0.34  # height of the corner picture over the picture's
# where the viewer stands about the isocentre: (right, anterior, superior); prone, so posterior is up
STANDS: dict[str, tuple[float, float, float]] = {
    "foot": (-1.35, -0.95, -1.15),
    "head": (-1.25, -0.95, 1.25),
    "side": (-1.7, -0.7, -0.1),
}


def fluoro_scene(
    run: Run,
    carm: CArm | str = "ap",
    path: str | Path | None = None,
    *,
    time: float | None = None,
    stand: str = "foot",
    size: tuple[int, int] = (1100, 825),
) -> NDArray[np.uint8]:
    """Picture of the room with the C-arm in a pose and the frame it takes.

    Without OpenGL on the machine the picture is a plan drawn by matplotlib that says what to install.

    Parameters
    ----------
    run : Run
    carm : CArm or str
        A pose, or the name of a view as `vertebro.aim.aim` knows it.
    path : path, optional
        Also save the picture there (PNG or JPEG by its suffix).
    time : float [s], optional
        Moment on the schedule's clock (default: the end).
    stand : str
        Where the viewer stands, a key of `STANDS`.
    size : (width, height) [pixels]

    Returns
    -------
    (height, width, 3) uint8 array

    Raises
    ------
    CaseError
        If the view is unknown.
    DataError
        If the stand is unknown or the run has no such moment.
    """
    if stand not in STANDS:
        raise DataError("unknown stand", where="stand", value=stand, allowed=", ".join(STANDS))
    from vertebro.view.loops import LoopMaker

    moment = float(run.times[-1]) if time is None else time
    pose, frame = LoopMaker(run=run, views=("ap",)).still(carm, moment)
    picture = _with_gl(run, pose, frame, moment, stand, size) if gl_available() else _flat(run, pose, frame, size)
    if path is not None:
        from PIL import Image

        Image.fromarray(picture).save(path, quality=92)
    return picture


def _with_gl(
    run: Run, pose: CArm, frame: NDArray[np.uint8], moment: float, stand: str, size: tuple[int, int]
) -> NDArray[np.uint8]:
    from vertebro.view.room_meshes import build_room

    room = build_room(run, pose, moment)
    return _annotated(render_room(room, pose, frame, STANDS[stand], size), run, pose, frame)


def _flat(run: Run, pose: CArm, frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    from vertebro.view.scene_fluoro_flat import draw_flat_room

    return draw_flat_room(run, pose, frame, size)


def render_room(
    room: Room, pose: CArm, frame: NDArray[np.uint8], stand: tuple[float, float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Draw the room off-screen; only to be called where `gl_available` said yes.

    Parameters
    ----------
    room : Room
    pose : CArm
    frame : (rows, cols) uint8 array
    stand : (3,) float [m]
        The viewer's place about the isocentre, in the patient's axes.
    size : (width, height) [pixels]
    """
    import pyvista as pv
    from PIL import Image

    bare = pv.themes.DocumentTheme()
    bare.anti_aliasing, bare.multi_samples = None, 1  # off: in software it costs more than drawing larger
    large = [round(OVERSAMPLING * n) for n in size]
    plotter = pv.Plotter(off_screen=True, window_size=large, lighting="none", theme=bare)
    try:
        plotter.set_background("#dfe5ea", top="#f7f9fa")
        plotter.add_light(pv.Light(light_type="headlight", intensity=0.75))
        plotter.add_light(pv.Light(position=(-500, -3000, 800), light_type="scene light", intensity=0.45))
        _add_machine(plotter, room, frame)
        _add_patient(plotter, room)
        centre = np.asarray(pose.isocentre) * 1e3
        plotter.camera.position = centre + 1e3 * room.axes.T @ np.asarray(stand)
        plotter.camera.focal_point = centre + room.axes.T @ (0.0, 20.0, 0.0)
        plotter.camera.up = room.axes.T @ (0.0, -1.0, 0.0)
        plotter.camera.view_angle = 36.0
        plotter.reset_camera_clipping_range()
        picture = Image.fromarray(np.ascontiguousarray(np.asarray(plotter.screenshot(return_img=True))[:, :, :3]))
        return np.asarray(picture.resize(size, Image.Resampling.HAMMING))
    finally:
        plotter.close()


def _add_machine(plotter: Any, room: Room, frame: NDArray[np.uint8]) -> None:
    import pyvista as pv

    paint = {"smooth_shading": True, "split_sharp_edges": True, "ambient": 0.35, "diffuse": 0.65, "specular": 0.15}
    plotter.add_mesh(room.floor, color="#c9d0d6", ambient=0.6, diffuse=0.4)
    plotter.add_mesh(room.table, color="#5d6b78", **paint)
    plotter.add_mesh(room.arc, color="#e9ecee", **paint)
    plotter.add_mesh(room.tube, color="#dfe3e6", **paint)
    plotter.add_mesh(room.panel, color="#d3d9de", **paint)
    texture = pv.numpy_to_texture(np.repeat(frame[:, :, None], 3, axis=2))
    for screen in room.screens:
        plotter.add_mesh(screen, texture=texture, lighting=False)


def _add_patient(plotter: Any, room: Room) -> None:
    for needle in room.needles:
        plotter.add_mesh(needle, color="#8b96a1", smooth_shading=True, ambient=0.35, diffuse=0.6, specular=0.4)
    plotter.add_mesh(room.bones, color=theme.BONE, smooth_shading=True, ambient=0.4, diffuse=0.65)
    if room.cement is not None:
        plotter.add_mesh(room.cement, color=theme.CEMENT, ambient=0.5, diffuse=0.5)
    # the far side before the near one: no depth peeling is needed
    for culling in ("front", "back"):
        plotter.add_mesh(
            room.skin, color="#d8a98c", opacity=0.24, smooth_shading=True, culling=culling, ambient=0.35, diffuse=0.7
        )
    for culling in ("front", "back"):
        plotter.add_mesh(room.beam, color="#f2b632", opacity=0.16, lighting=False, culling=culling)
    plotter.add_mesh(room.beam_edges, color="#d9951a", line_width=1.5, lighting=False)


def _annotated(picture: NDArray[np.uint8], run: Run, pose: CArm, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The monitor in the corner and a line of words."""
    from PIL import Image, ImageDraw, ImageFont

    from vertebro.units import deg
    from vertebro.view.dicom_xa import patient_orientation

    sheet = Image.fromarray(picture)
    width, height = sheet.size
    side = round(MONITOR * height)
    draw = ImageDraw.Draw(sheet)
    left, top, rim = width - side - round(0.02 * width), round(0.025 * height), max(3, height // 160)
    draw.rectangle([left - rim, top - rim, left + side + rim, top + side + rim], fill="#20262c")
    sheet.paste(Image.fromarray(frame).resize((side, side), Image.Resampling.LANCZOS).convert("RGB"), (left, top))
    font = ImageFont.load_default(max(11.0, 0.021 * height))
    right, _ = patient_orientation(pose.geometry, np.asarray(run.anatomy.patient_from_world)[:3, :3])
    other = {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}[right[0]]
    for x, text, anchor in ((left + 6, other, "lm"), (left + side - 6, right[0], "rm")):
        draw.text((x, top + side // 2), text, fill="white", font=font, anchor=anchor, stroke_width=1, stroke_fill=0)
    words = f"{run.anatomy.level}, prone. C-arm: orbital {pose.orbital / deg:.0f}°, cranial {pose.cranial / deg:.0f}°"
    draw.text((0.015 * width, 0.985 * height), words, fill=theme.INK, font=font, anchor="ls")
    return np.asarray(sheet)
