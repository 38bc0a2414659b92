"""Meshes of the room in world millimetres: C-arm, table, trunk, spine, needles, beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, ProjectionGeometry

if TYPE_CHECKING:
    from vertebro.record import Run

MM = 1e3
SKIN_HU, BONE_HU = -300.0, 170.0
SKIN_STEP, BONE_STEP = 5e-3, 2e-3  # m, voxels that surfaces are drawn from
BEYOND = 0.22  # m that the trunk goes on above and below the field
TABLE = (460.0, 1500.0, 45.0)  # mm: width, length, thickness
PANEL_DEPTH, HOUSING = 70.0, 25.0  # mm: of the detector's box, and its rim
TUBE = (95.0, 230.0)  # mm: radius and length of the tube's housing
ARC_RADIUS, ARC_WIDTH = 40.0, 62.0  # mm: beyond the heads, and of the C's section


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Meshes in world millimetres; `cement` is None where there is none.

    Attributes
    ----------
    skin, bones, cement, table, floor, arc, tube, panel, beam, beam_edges : pyvista.PolyData
    needles, screens : tuple of pyvista.PolyData
        `screens` carry texture coordinates for the frame.
    axes : (3, 3) float array
        Turns the world into the patient's axes; his table is level, so his back is up.
    """

    skin: Any
    bones: Any
    cement: Any
    table: Any
    floor: Any
    arc: Any
    tube: Any
    panel: Any
    beam: Any
    beam_edges: Any
    needles: tuple[Any, ...]
    screens: tuple[Any, ...]
    axes: NDArray[np.float64]


def build_room(run: Run, pose: CArm, time: float) -> Room:
    """All meshes of the room for a pose at a time [s]."""
    from vertebro.view.scene_meshes import cement_surface

    geometry = pose.geometry
    skin = skin_surface(run)
    corners = _corners(geometry)
    table, floor = _table(run, skin)
    return Room(
        skin=skin,
        bones=bone_surface(run),
        cement=cement_surface(run, time),
        table=table,
        floor=floor,
        arc=_arc(geometry),
        tube=_tube(geometry),
        panel=_panel(geometry, corners),
        beam=_beam(geometry, corners),
        beam_edges=_edges(geometry, corners),
        needles=tuple(_needle(needle) for needle in run.scene.needles),
        axes=np.asarray(run.anatomy.patient_from_world, float)[:3, :3],
        screens=tuple(_screen(geometry, corners, off) for off in (1.0, -PANEL_DEPTH - 1.0)),
    )


def skin_surface(run: Run) -> Any:
    """Surface of the trunk, continued straight beyond the field."""
    surround = run.anatomy.surround
    values, grid = _coarse(surround.hu, surround.grid, SKIN_STEP)
    inside = ndimage.binary_opening(values > SKIN_HU, iterations=2)
    parts, count = ndimage.label(inside)
    if count > 1:
        inside = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    # lungs cut open by the edge of the field: what lies between two flanks is inside, too
    inside = np.logical_or.accumulate(inside) & np.logical_or.accumulate(inside[::-1])[::-1]
    more = round(BEYOND / grid.spacing[2])
    margin = 2 + int(np.ceil(more * np.abs(_lean(run)).max()))
    rim = np.pad(inside.astype(np.float32), ((margin, margin), (margin, margin), (0, 0)))
    field = np.dstack([_continued(rim[:, :, 0], -more, _lean(run)), rim, _continued(rim[:, :, -1], more, _lean(run))])
    field = np.pad(field, ((0, 0), (0, 0), (2, 2)))
    origin = grid.world((-margin, -margin, -more - 2))
    mesh = _contour(ndimage.gaussian_filter(field, 1.0), origin, grid.spacing, 0.5)
    return mesh.smooth_taubin(n_iter=30, pass_band=0.05).compute_normals(cell_normals=False, split_vertices=False)


def _lean(run: Run) -> NDArray[np.float64]:
    """(2,) way to the right and forwards of the patient's long axis, per way along the vertebra's own."""
    axis = np.asarray(run.anatomy.patient_from_world)[2, :3]
    return np.asarray(axis[:2] / axis[2])


def _continued(last: NDArray[np.float32], count: int, lean: NDArray[np.float64]) -> NDArray[np.float32]:
    """A field's last slice repeated `count` times upwards (or -count downwards), shifted along the patient's axis."""
    steps = np.arange(1, count + 1) if count > 0 else np.arange(count, 0)
    return np.stack([ndimage.shift(last, step * lean, order=1) for step in steps], axis=2)


def bone_surface(run: Run) -> Any:
    """Surface of all bones of the anatomy and its surroundings."""
    anatomy = run.anatomy
    values, grid = _coarse(anatomy.surround.hu, anatomy.surround.grid, BONE_STEP)
    mesh = _contour(ndimage.gaussian_filter(np.pad(values, 1, constant_values=-1000.0), 0.7), grid.world((-1,) * 3),
                    grid.spacing, BONE_HU)  # fmt: skip
    return mesh.compute_normals(cell_normals=False, split_vertices=False)


def _coarse(values: NDArray[Any], grid: VoxelGrid, step: float) -> tuple[NDArray[np.float32], VoxelGrid]:
    """Means over blocks of about `step` [m]."""
    factor = [max(1, round(step / h)) for h in grid.spacing]
    nr, na, ns = (n // f for n, f in zip(grid.shape, factor, strict=True))
    kept = np.asarray(values[: nr * factor[0], : na * factor[1], : ns * factor[2]], np.float32)
    blocks = kept.reshape(nr, factor[0], na, factor[1], ns, factor[2])
    hr, ha, hs = (h * f for h, f in zip(grid.spacing, factor, strict=True))
    r, a, s = (float(x) for x in grid.extent[0] + 0.5 * np.array([hr, ha, hs]))
    return blocks.mean(axis=(1, 3, 5)), VoxelGrid(shape=(nr, na, ns), spacing=(hr, ha, hs), origin=(r, a, s))


def _contour(field: NDArray[np.float32], origin: Any, spacing: Any, level: float) -> Any:
    image = pv.ImageData(dimensions=field.shape, spacing=np.asarray(spacing) * MM, origin=np.asarray(origin) * MM)
    image.point_data["field"] = field.ravel(order="F")
    return image.contour([level], scalars="field", method="flying_edges", compute_scalars=False)


def _corners(geometry: ProjectionGeometry) -> NDArray[np.float64]:
    """(4, 3) outer corners of the detector's picture [mm]: upper left, upper right, lower right, lower left."""
    rows, cols = geometry.rows - 0.5, geometry.cols - 0.5
    return geometry.pixel([-0.5, -0.5, rows, rows], [-0.5, cols, cols, -0.5]) * MM


def _screen(geometry: ProjectionGeometry, corners: NDArray[np.float64], off: float) -> Any:
    quad = pv.PolyData(corners + off * geometry.normal, [4, 0, 1, 2, 3])
    quad.active_texture_coordinates = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    return quad


def _panel(geometry: ProjectionGeometry, corners: NDArray[np.float64]) -> Any:
    middle = corners.mean(axis=0)
    right, down = (axis / np.linalg.norm(axis) for axis in (geometry.u, geometry.v))
    out = np.array([-right - down, right - down, right + down, -right + down]) * HOUSING
    front = corners + out
    points = np.vstack([front, front - PANEL_DEPTH * geometry.normal])
    faces = [[0, 1, 2, 3], [7, 6, 5, 4], [0, 4, 5, 1], [1, 5, 6, 2], [2, 6, 7, 3], [3, 7, 4, 0]]
    box = pv.PolyData(points, np.hstack([[4, *face] for face in faces]))
    neck = pv.Cylinder(
        center=middle - (PANEL_DEPTH + 30) * geometry.normal, direction=geometry.normal, radius=60, height=60
    )
    return pv.merge([box.triangulate(), neck.triangulate()])


def _tube(geometry: ProjectionGeometry) -> Any:
    source, axis = geometry.source * MM, geometry.normal
    across = geometry.u / np.linalg.norm(geometry.u)
    body = pv.Cylinder(center=source + 10 * axis, direction=across, radius=TUBE[0], height=TUBE[1])
    nose = pv.Cylinder(center=source - 90 * axis, direction=axis, radius=60, height=130)
    return pv.merge([body.triangulate(), nose.triangulate()])


def _arc(geometry: ProjectionGeometry) -> Any:
    """The C: half a ring through both heads, on the side away from the picture's right."""
    axis, right = geometry.normal, geometry.u / np.linalg.norm(geometry.u)
    detector = geometry.source - axis * geometry.distance
    middle = 0.5 * (geometry.source + detector) * MM
    radius = 0.5 * geometry.distance * MM + PANEL_DEPTH + ARC_RADIUS
    turn = np.linspace(-0.06, np.pi + 0.06, 90)
    line = middle + radius * (np.cos(turn)[:, None] * axis - np.sin(turn)[:, None] * right)
    spline = pv.Spline(line, 120)
    normal = np.cross(axis, right)
    strip = spline.ribbon(width=ARC_WIDTH, normal=normal)
    thick = strip.extrude(60 * normal, capping=True) if strip.n_cells else spline.tube(radius=0.6 * ARC_WIDTH)
    return thick.translate(-30 * normal, inplace=False).compute_normals(split_vertices=True, feature_angle=40.0)


def _beam(geometry: ProjectionGeometry, corners: NDArray[np.float64]) -> Any:
    points = np.vstack([geometry.source * MM, corners])
    return pv.PolyData(points, np.hstack([[3, 0, i, 1 + i % 4] for i in range(1, 5)])).compute_normals(
        consistent_normals=True, auto_orient_normals=True, split_vertices=True
    )


def _edges(geometry: ProjectionGeometry, corners: NDArray[np.float64]) -> Any:
    points = np.vstack([geometry.source * MM, corners])
    lines = np.hstack([[2, 0, i] for i in range(1, 5)] + [[2, i, 1 + i % 4] for i in range(1, 5)])
    return pv.PolyData(points, lines=lines)


def _table(run: Run, skin: Any) -> tuple[Any, Any]:
    """Table and floor; they are level with the patient's axes, not with the vertebra's."""
    turn = np.asarray(run.anatomy.patient_from_world, float)[:3, :3]
    points = np.asarray(skin.points) @ turn.T
    front = float(points[:, 1].max())
    x, z = (0.5 * (points[:, axis].min() + points[:, axis].max()) for axis in (0, 2))
    width, length, thick = TABLE
    half = (0.5 * width, 0.5 * length)
    top = pv.Box((x - half[0], x + half[0], front, front + thick, z - half[1], z + half[1]))
    floor = pv.Plane(center=(x, front + 900.0, z), direction=(0, -1, 0), i_size=6000, j_size=6000)
    foot = pv.Box((x - 130, x + 130, front + thick, front + 900, z - half[1] + 40, z - half[1] + 380))
    table = pv.merge([top.triangulate(), foot.triangulate()])
    back = np.eye(4)
    back[:3, :3] = turn.T
    return table.transform(back, inplace=False), floor.transform(back, inplace=False)


def _needle(needle: Any) -> Any:
    way = (needle.tip - needle.entry) / needle.length
    hub = (needle.tip - way * needle.cannula_length) * MM
    shaft = pv.Line(hub, needle.tip * MM).tube(radius=max(0.5 * needle.outer_diameter * MM, 1.5), n_sides=14)
    grip = pv.Cylinder(center=hub - 8 * way, direction=way, radius=7, height=18).triangulate()
    return pv.merge([shaft.triangulate(), grip])
