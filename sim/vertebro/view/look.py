"""A run to turn and look into: a desktop window, or a picture in a notebook, from the layers of the still scenes.

In a notebook `Look.show` uses PyVista's backend: ``static`` (a PNG, stays in the file, needs nothing more) unless
another was set. ``server`` turns live, drawn by this process and so with the glass of `scene_layers`; it needs
``pip install "vertebro[widget]"`` and no network. ``client``, ``trame`` and ``html`` draw in the browser, fetch a
renderer from the network, and show bone evenly translucent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.scans import cement_centre
from vertebro.view import theme
from vertebro.view.gl import gl_available, gl_help, screen_available
from vertebro.view.planes import cement_hu
from vertebro.view.scene import VIEWS, aim_camera, camera_of, needle_side, new_plotter
from vertebro.view.scene_colours import COLOURINGS, Colouring, colouring
from vertebro.view.scene_layers import LAYERS, add_layers, add_moment, add_slice, slice_of
from vertebro.view.scene_meshes import Surfaces, build_surfaces
from vertebro.view.words import ordered_leaks

if TYPE_CHECKING:
    from vertebro.record import Run

PLANES = ("none", "axial", "sagittal", "coronal")
SIZE = (1280, 860)
BOX, STEP = 20, 27  # px: a check box, and from one to the next
HELP = "1-7 views   c colour   p slice plane   [ ] move it   , . time   q close"


class Look:
    """A scene that can be changed: time, colouring, layers, slice plane, view.

    Parameters
    ----------
    run : Run
    time : float [s], optional
        Default: the end.
    colour : str
        See `vertebro.view.scene_colours.colouring`.
    off_screen : bool, optional
        Default: as the machine needs it (no screen, or in a notebook).

    Raises
    ------
    DataError
        If the machine has no OpenGL, the run no such moment, or the colouring is not possible.
    """

    def __init__(
        self, run: Run, *, time: float | None = None, colour: str = "time", off_screen: bool | None = None
    ) -> None:
        if not gl_available():
            raise DataError("no 3-D pictures on this machine", where="view", hint=gl_help())
        self.run = run
        self.time = float(run.times[run.index_at(float(run.times[-1]) if time is None else time)])
        self.shades: Colouring = colouring(run, colour, self.time)
        self.surfaces: Surfaces = build_surfaces(run, self.time, colour=colour)
        self.shown = dict.fromkeys(LAYERS, True)
        self.plane = "none"
        self.point: NDArray[np.float64] = np.asarray(cement_centre(run.anatomy, run.cement_fraction()), float)
        screen = screen_available() and not _in_notebook()
        self.plotter = new_plotter(SIZE, off_screen=not screen if off_screen is None else off_screen)
        self.actors = add_layers(self.plotter, self.surfaces, self.shades)
        self._cut: list[Any] = []
        self._signs()
        self._tell()
        self.look_from("posterior-oblique")

    def at(self, time: float) -> Look:
        """Go to a moment [s]; the last recorded one before it is shown."""
        time = float(np.clip(time, self.run.times[0], self.run.times[-1]))
        moment = float(self.run.times[self.run.index_at(time)])
        if moment != self.time:
            self.time = moment
            self._paint(self.shades.name)
        return self

    def colour_by(self, name: str) -> Look:
        """Choose what the cement's colour says.

        Raises
        ------
        DataError
            If there is no such colouring, or the run was made without heat.
        """
        self._paint(name)
        return self

    def layer(self, name: str, shown: bool) -> Look:
        """Show or hide a layer.

        Raises
        ------
        DataError
            If there is no such layer.
        """
        if name not in LAYERS:
            raise DataError("unknown layer", where="layer", value=name, allowed=", ".join(LAYERS))
        self.shown[name] = bool(shown)
        for actor in self.actors[name]:
            actor.SetVisibility(bool(shown))
        return self

    def cut(self, plane: str, *, move: float = 0.0) -> Look:
        """Show a CT plane (``"none"`` for none) and move it along its normal by a way [m].

        Raises
        ------
        DataError
            If there is no such plane.
        """
        if plane not in PLANES:
            raise DataError("unknown plane", where="plane", value=plane, allowed=", ".join(PLANES))
        self.plane = plane
        for actor in self._cut:
            self.plotter.remove_actor(actor, reset_camera=False, render=False)
        self._cut = []
        if plane != "none":
            axis = {"axial": 2, "sagittal": 0, "coronal": 1}[plane]
            low, high = self.run.anatomy.grid.extent[:, axis]
            self.point[axis] = float(np.clip(self.point[axis] + move, low, high))
            section = slice_of(self.surfaces, plane, self.point)
            added = cement_hu(self.run, self.time)
            self._cut = add_slice(self.plotter, self.run, section, window=theme.BONE_WINDOW, added=added)
        self._tell()
        return self

    def look_from(self, view: str) -> Look:
        """Turn to a named view.

        Raises
        ------
        DataError
            If there is no such view.
        """
        if view not in VIEWS:
            raise DataError("unknown view", where="view", value=view, allowed=", ".join(VIEWS))
        size = self.plotter.window_size
        aim_camera(self.plotter, camera_of(self.surfaces.points(), view, tuple(size), needle_side(self.run)))
        return self

    def screenshot(self, path: str | Path | None = None) -> NDArray[np.uint8]:
        """(height, width, 3) picture of the scene as it is, also saved if a path is given."""
        self.plotter.render()
        return np.asarray(self.plotter.screenshot(None if path is None else str(path), return_img=True))

    def show(self, **options: Any) -> Any:
        """Open the window and wait until it is closed; in a notebook return what PyVista's backend makes.

        Raises
        ------
        DataError
            If there is neither a screen nor a notebook.
        """
        if _in_notebook():
            return self.plotter.show(**options)
        if not screen_available():
            raise no_screen()
        self.add_controls()
        return self.plotter.show(title=f"vertebro: {self.run.case.title}", **options)

    def close(self) -> None:
        """Free the window."""
        self.plotter.close()

    def add_controls(self) -> None:
        """Put the time slider, a box per layer and the keys into the window."""
        from vertebro.view.look_controls import add_controls

        add_controls(self)

    def _paint(self, colour: str) -> None:
        """Cement and leaks of the present moment in place of those drawn."""
        shades = colouring(self.run, colour, self.time)
        surfaces = build_surfaces(self.run, self.time, colour=colour, still=self.surfaces)
        for name in ("cement", "leaks"):
            for actor in self.actors[name]:
                self.plotter.remove_actor(actor, reset_camera=False, render=False)
        self.shades, self.surfaces = shades, surfaces
        self.actors.update(add_moment(self.plotter, surfaces, shades))
        for name in ("cement", "leaks"):
            self.layer(name, self.shown[name])
        self.cut(self.plane)

    def _signs(self) -> None:
        """Cube of orientation letters and a scale bar."""
        self.plotter.add_orientation_widget(orientation_cube(), interactive=False, viewport=(0.88, 0.86, 1.0, 1.0))
        add_scale(self.plotter, theme.SCALE_BAR)

    def _tell(self) -> None:
        """Words, colour bar and leak labels of the moment."""
        lines = [f"{self.run.anatomy.level}   {self.time:.0f} s"]
        lines += [f"{self.plane} plane, {1e3 * self._offset():+.0f} mm"] if self.plane != "none" else []
        self.plotter.add_text(
            "\n".join(lines), position="upper_left", font_size=11, color=theme.INK, name="facts", render=False
        )
        self._bar()
        self._tags()

    def _offset(self) -> float:
        return float(self.point[{"axial": 2, "sagittal": 0, "coronal": 1}[self.plane]])

    def _bar(self) -> None:
        for title in list(self.plotter.scalar_bars.keys()):
            self.plotter.remove_scalar_bar(title, render=False)
        if self.actors["cement"] and self.shades.values is not None:
            self.plotter.add_scalar_bar(
                title=self.shades.title.replace("\n", " "), mapper=self.actors["cement"][0].mapper, vertical=True,
                position_x=0.91, position_y=0.2, height=0.4, width=0.05, n_labels=5, fmt="%.3g", color=theme.INK,
                title_font_size=14, label_font_size=13, render=False,
            )  # fmt: skip

    def _tags(self) -> None:
        began = [
            leak
            for leak in ordered_leaks(self.run.summary)
            if leak.get("position_mm") is not None and leak["t_leak_s"] <= self.time
        ]
        self.plotter.remove_actor("leak tags", reset_camera=False, render=False)
        if began:
            self.plotter.add_point_labels(
                np.array([leak["position_mm"] for leak in began], float), [f"leak {leak['kind']}" for leak in began],
                name="leak tags", font_size=13, text_color=theme.INK, shape_color="white", shape_opacity=0.85,
                show_points=True, point_size=9, point_color=theme.INK, render_points_as_spheres=True,
                always_visible=True, reset_camera=False, render=False,
            )  # fmt: skip


def open_scene(run: Run, *, time: float | None = None, colour: str = "time", off_screen: bool | None = None) -> Look:
    """A scene of a run to turn and look into: ``open_scene(run).show()``; see `Look`."""
    return Look(run, time=time, colour=colour, off_screen=off_screen)


def no_screen() -> DataError:
    """Why there is no window, and what to do instead."""
    return DataError(
        "no screen to open a window on",
        where="vertebro look",
        hint="vertebro look RUN --screenshot FILE draws the scene without one; vertebro report RUN writes a page with "
        "all pictures",
    )


FACES = {
    "R": ((1, 0, 0), (0, 0, 1)),
    "L": ((-1, 0, 0), (0, 0, 1)),
    "A": ((0, 1, 0), (0, 0, 1)),
    "P": ((0, -1, 0), (0, 0, 1)),
    "S": ((0, 0, 1), (0, 1, 0)),
    "I": ((0, 0, -1), (0, 1, 0)),
}  # of the cube: where each looks, and what is up on it


def orientation_cube() -> Any:
    """A cube with R, L, A, P, S, I on its faces, all upright (VTK's own cannot turn those of one axis)."""
    import pyvista as pv
    from vtkmodules.vtkRenderingCore import vtkAssembly

    cube = vtkAssembly()
    writing = pv.merge(
        [_letter(text, np.array(face, float), np.array(up, float)) for text, (face, up) in FACES.items()]
    )
    for mesh, colour in ((pv.Cube(), theme.RULE), (writing, theme.INK)):
        actor = pv.Actor(mapper=pv.DataSetMapper(mesh))
        actor.prop.color, actor.prop.ambient, actor.prop.diffuse = colour, 0.45, 0.55
        cube.AddPart(actor)
    return cube


def _letter(text: str, face: NDArray[np.float64], up: NDArray[np.float64]) -> Any:
    import pyvista as pv

    mesh = pv.Text3D(text, depth=0.0)
    mesh.points -= np.asarray(mesh.center)
    place = np.eye(4)
    place[:3, :3] = 0.62 / np.ptp(np.asarray(mesh.points)[:, 1]) * np.stack([np.cross(up, face), up, face], axis=1)
    place[:3, 3] = 0.505 * face
    return mesh.transform(place, inplace=False)


def add_scale(plotter: Any, length: float) -> None:
    """A bar of `length` [mm] at the lower left that stays true when the scene is zoomed (parallel projection)."""
    from vtkmodules.vtkFiltersSources import vtkLineSource
    from vtkmodules.vtkRenderingCore import vtkActor2D, vtkPolyDataMapper2D

    line, mapper, actor = vtkLineSource(), vtkPolyDataMapper2D(), vtkActor2D()
    left, low = 16.0, 18.0
    line.SetPoint1(left, low, 0.0)
    mapper.SetInputConnection(line.GetOutputPort())
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*theme.rgb(theme.INK))
    actor.GetProperty().SetLineWidth(3)
    plotter.renderer.AddViewProp(actor)
    plotter.add_text(
        f"{length:g} mm", position=(left, low + 4), font_size=9, color=theme.INK, name="scale", render=False
    )

    def follow(*_: Any) -> None:
        pixels = length * plotter.window_size[1] / (2.0 * plotter.camera.parallel_scale)
        line.SetPoint2(left + pixels, low, 0.0)

    plotter.renderer.AddObserver("StartEvent", follow)


def _in_notebook() -> bool:
    import sys

    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def known_colours(run: Run) -> tuple[str, ...]:
    """The colourings that a run can have."""
    return tuple(name for name in COLOURINGS if run.heat is not None or name not in ("temperature", "cure"))
