"""Anatomy from surfaces and from label maps alone: reading, units, axes, repairs, refusals, laterality."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from anatomy import ct_phantom
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, vertebra_label
from vertebro.anatomy.shape_ct import ShapeInterior
from vertebro.anatomy.shape_import import ShapeSource, import_shape, thinned
from vertebro.anatomy.surface_labels import label_surfaces, voxels_inside
from vertebro.anatomy.surfaces import Surface, axes_matrix, place_surface, signed_volume
from vertebro.anatomy.volumes import Volume
from vertebro.errors import CaseError, DataError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment
from vertebro.units import ml, mm
from vertebro.view.surface_files import is_surface, read_surface

RADIUS = 40.0  # of a ball as large as a vertebra [mm]


def ball(radius: float = RADIUS, centre: tuple[float, float, float] = (0.0, 0.0, 0.0), parts: int = 40) -> pv.PolyData:
    return pv.Sphere(radius=radius, center=centre, theta_resolution=parts, phi_resolution=parts).clean()


def saved(mesh: pv.PolyData, path: Path) -> Path:
    mesh.save(path)
    return path


@pytest.mark.parametrize("suffix", [".stl", ".ply", ".vtp"])
def test_a_closed_surface_is_read_in_metres(tmp_path: Path, suffix: str) -> None:
    surface = read_surface(saved(ball(), tmp_path / f"ball{suffix}"), "RAS")
    assert surface.volume == pytest.approx(ball().volume * 1e-9, rel=1e-4)
    assert surface.remarks == ()
    assert is_surface("a/B.STL")
    assert not is_surface("ct.nii.gz")


@pytest.mark.parametrize("axes", [a + b + c for a, b, c in itertools.product("RL", "AP", "SI")] + ["ALS", "SPR", "ILA"])
def test_every_axes_convention_puts_a_mark_where_it_belongs(tmp_path: Path, axes: str) -> None:
    """A ball with a horn to the right, a longer one in front and the longest above, stored in the convention."""
    mesh = ball()
    points = np.array(mesh.points)
    stretch = np.array([1.10, 1.15, 1.2])
    mesh.points = np.where(points > 0, points * stretch, points) @ axes_matrix(axes)  # from RAS to the file's axes
    surface = read_surface(saved(mesh, tmp_path / "mark.vtp"), axes)
    np.testing.assert_allclose(surface.points.max(axis=0), RADIUS * stretch * mm, rtol=0.01)
    np.testing.assert_allclose(surface.points.min(axis=0), -RADIUS * mm, rtol=0.01)
    assert surface.volume > 0


@pytest.mark.parametrize("axes", ["", "RA", "RAR", "XYZ", "RASS", "RLS"])
def test_axes_that_say_nothing_are_refused(axes: str) -> None:
    with pytest.raises(DataError, match="axes of the surface"):
        axes_matrix(axes)


@pytest.mark.parametrize(("unit", "factor"), [("m", 1e-3), ("cm", 0.1), ("inch", 1 / 25.4)])
def test_another_unit_is_told_by_size(tmp_path: Path, unit: str, factor: float) -> None:
    mesh = ball()
    mesh.points *= factor
    path = saved(mesh, tmp_path / "ball.ply")
    surface = read_surface(path, "RAS")
    assert surface.volume == pytest.approx(ball().volume * 1e-9, rel=1e-3)
    assert f"in {unit} by its size" in surface.remarks[-1]
    assert read_surface(path, "RAS", unit).volume == pytest.approx(surface.volume)
    with pytest.raises(DataError, match="no vertebra"):
        read_surface(path, "RAS", "mm")


@pytest.mark.parametrize(("size", "told"), [(5.0, "cm, inch"), (20.0, "none"), (900.0, "none")])
def test_an_ambiguous_size_is_refused(tmp_path: Path, size: float, told: str) -> None:
    path = saved(ball(size / 2), tmp_path / "ball.ply")
    with pytest.raises(DataError, match="unit of the surface cannot be told") as caught:
        read_surface(path, "RAS")
    assert told in str(caught.value)


def test_inverted_normals_are_turned(tmp_path: Path) -> None:
    mesh = ball()
    mesh.flip_faces(inplace=True)
    assert read_surface(saved(mesh, tmp_path / "inverted.ply"), "RAS").volume > 0


def test_tiny_holes_are_filled_and_said(tmp_path: Path) -> None:
    mesh = ball(parts=80)
    holed = mesh.remove_cells(np.arange(6000, 6002))
    surface = read_surface(saved(holed, tmp_path / "holed.ply"), "RAS")
    assert "were filled" in surface.remarks[0]
    assert surface.volume == pytest.approx(mesh.volume * 1e-9, rel=0.01)


def test_an_open_surface_is_refused(tmp_path: Path) -> None:
    half = ball().clip("z", origin=(0, 0, 10)).extract_surface(algorithm="dataset_surface")
    with pytest.raises(DataError, match="the surface is open") as caught:
        read_surface(saved(half, tmp_path / "half.ply"), "RAS")
    assert "edges" in str(caught.value)


def test_two_bones_in_a_file_are_refused_specks_and_cavities_are_not(tmp_path: Path) -> None:
    pair = ball() + ball(centre=(100.0, 0, 0))
    with pytest.raises(DataError, match="2 separate bodies"):
        read_surface(saved(pair, tmp_path / "pair.ply"), "RAS")
    speck = read_surface(saved(ball() + ball(2.0, (60.0, 0, 0)), tmp_path / "speck.ply"), "RAS")
    assert "specks" in speck.remarks[0]
    hollow = read_surface(saved(ball() + ball(30.0), tmp_path / "hollow.ply"), "RAS")
    assert "filled" in hollow.remarks[0]
    assert hollow.volume == pytest.approx(speck.volume)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.stl").write_bytes(b"nothing")
    with pytest.raises(DataError):
        read_surface(tmp_path / "noise.stl", "RAS")
    with pytest.raises(DataError, match="no such file"):
        read_surface(tmp_path / "absent.stl", "RAS")


def _surface(mesh: pv.PolyData, name: str = "made") -> Surface:
    faces = np.asarray(mesh.regular_faces, np.int64)
    return Surface(
        points=np.asarray(mesh.points, float) * mm, triangles=faces, axes="RAS", name=name, digest="", remarks=()
    )


def test_voxels_inside_a_ball_are_those_nearer_than_its_radius() -> None:
    fine = pv.Icosphere(radius=RADIUS, nsub=5)
    grid = VoxelGrid.around(np.full(3, -45 * mm), np.full(3, 45 * mm), 1.5 * mm)
    r, a, s = grid.open_mesh()
    rho = np.sqrt(r * r + a * a + s * s)
    inside = voxels_inside(_surface(fine), grid)
    assert np.all(inside[rho < (RADIUS - 0.1) * mm])
    assert not np.any(inside[rho > (RADIUS + 0.001) * mm])


def test_voxels_inside_are_right_when_triangles_lie_on_voxel_planes() -> None:
    """A box whose faces, edges and corners coincide with voxel centres: rays still cross it an even number of times."""
    grid = VoxelGrid.around(np.full(3, -30 * mm), np.full(3, 30 * mm), 1.0 * mm)
    box = pv.Box(bounds=(-20.5, 20.5, -20.5, 20.5, -20.25, 20.25)).triangulate()
    inside = voxels_inside(_surface(box), grid)
    assert abs(np.count_nonzero(inside) - 41 * 41 * 40) <= 41 * 41
    assert not inside[:, :, -1].any()
    assert not inside[0].any()


def test_bones_that_lie_in_each_other_are_refused() -> None:
    with pytest.raises(DataError, match="lie in each other"):
        label_surfaces([(_surface(ball()), 22), (_surface(ball(centre=(20.0, 0, 0))), 21)])


def test_a_surface_through_itself_is_refused() -> None:
    """Two overlapping balls sewn into one list of triangles: their common part is counted twice."""
    twice = ball() + ball(centre=(30.0, 0, 0))
    with pytest.raises(DataError, match="cuts through itself"):
        label_surfaces([(_surface(twice), 22)])


def test_signed_volume_of_a_ball() -> None:
    mesh = _surface(pv.Icosphere(radius=RADIUS, nsub=4))
    assert signed_volume(mesh.points, mesh.triangles) == pytest.approx(4 / 3 * np.pi * (RADIUS * mm) ** 3, rel=0.01)
    assert signed_volume(mesh.points, mesh.triangles[:, ::-1]) < 0


@pytest.mark.parametrize("axes", ["RAS", "ras ", "LAS", "PSR"])
def test_bare_arrays_are_placed_with_normals_outwards(axes: str) -> None:
    """Whatever the winding and the handedness of the axes; the remark says when normals were turned."""
    mesh = _surface(pv.Icosphere(radius=RADIUS, nsub=3))
    given = mesh.points / mm @ axes_matrix(axes)
    placed = [
        place_surface(given, triangles, axes=axes, unit="mm", name="made", digest="")
        for triangles in (mesh.triangles, mesh.triangles[:, ::-1])
    ]
    for surface in placed:
        np.testing.assert_allclose(surface.points, mesh.points, atol=1e-9)
        assert surface.volume == pytest.approx(mesh.volume)
        assert surface.axes == axes.strip().upper()
    assert sorted(len(surface.remarks) for surface in placed) == [0, 1]


@pytest.mark.parametrize("values", [{"bone_fraction": 0.5}, {"variation": -1.0}, {"correlation_length": 1.0}])
def test_a_synthetic_interior_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(CaseError, match="synthetic bone"):
        ShapeInterior(**values)


def test_fine_labels_are_thinned_in_place() -> None:
    """Sheared and flipped axes too: every voxel kept stays where it was; a coarse map is left alone."""
    data = np.random.default_rng(1).integers(0, 9, (9, 11, 5)).astype(np.uint8)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.0, -0.3, 0.0], [0.25, 0.0, 0.0], [0.0, 0.0, -2.0]]) * mm
    affine[:3, 3] = np.array([5.0, -7.0, 300.0]) * mm
    fine = Volume(data=data, ras_from_voxel=affine, name="fine", digest="")
    thin = thinned(fine)
    np.testing.assert_allclose(thin.spacing, np.array([0.75, 0.6, 2.0]) * mm)
    for index in ([0, 0, 0], [2, 3, 4], [1, 5, 2]):
        before = np.array(index) * [3, 2, 1]
        assert thin.data[tuple(index)] == data[tuple(before)]
        np.testing.assert_allclose(thin.world(np.array([index])), fine.world(before[None]))
    assert thinned(thin) is thin


def test_neighbours_beside_a_label_map_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neighbours beside a label map"):
        import_shape(ShapeSource(shape=tmp_path / "x.nii.gz", above=_surface(ball())), "L1")


def _generated_surface(folder: Path, axes: str) -> Path:
    """The generated L2 as a surface in a convention, with a knob that only its left transverse process has."""
    grid, label = vertebra_label(ParametricSpec(level="L2", spacing=1.0e-3, seed=1))
    r, a, s = (x / mm for x in grid.open_mesh())
    tip = np.argwhere(label)[np.argwhere(label)[:, 0].argmin()]
    left = grid.world(tip) / mm
    label = label | ((r - left[0]) ** 2 + (a - left[1]) ** 2 + (s - left[2]) ** 2 < 6.0**2)
    image = pv.ImageData(
        dimensions=grid.shape, spacing=np.asarray(grid.spacing) / mm, origin=np.asarray(grid.origin) / mm
    )
    image["label"] = label.astype(np.float32).ravel(order="F")
    mesh = image.contour([0.5], scalars="label").triangulate().clean()
    mesh.points = np.asarray(mesh.points, float) @ axes_matrix(axes)
    return saved(pv.PolyData(mesh.points, mesh.faces), folder / "l2.ply")


def _is_plausible(anatomy: Anatomy, volume: tuple[float, float]) -> None:
    marks = anatomy.landmarks
    assert volume[0] * ml < anatomy.body_volume < volume[1] * ml
    assert marks.pedicle_left is not None
    assert marks.pedicle_right is not None
    assert marks.pedicle_left.centre[0] < -9 * mm
    assert marks.pedicle_right.centre[0] > 9 * mm
    body = anatomy.compartment == Compartment.BODY
    for part in (Compartment.CANAL, Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR, Compartment.FORAMEN_LEFT):
        assert np.count_nonzero(anatomy.compartment == part) * anatomy.grid.voxel_volume > 0.5 * ml, part
    assert 0.04 < anatomy.bone_fraction[body].mean() < 0.25
    assert anatomy.surround.hu.min() < -900
    assert "synthetic" in anatomy.provenance["warnings"][0]


@pytest.mark.slow
@pytest.mark.parametrize("axes", ["RAS", "LPS", "ALS"])
def test_a_surface_becomes_an_anatomy_with_left_on_the_left(tmp_path: Path, axes: str) -> None:
    path = _generated_surface(tmp_path, axes)
    anatomy = import_shape(ShapeSource(shape=read_surface(path, axes)), "L2", spacing=1.2 * mm, seed=1)
    _is_plausible(anatomy, (20, 45))
    assert anatomy.provenance["source"] == "surface"
    # the knob on the left transverse process: bright bone far out on the left of the pictures only
    grid = anatomy.surround.grid
    r, a, s = grid.open_mesh()
    around = (a > -60 * mm) & (a < -15 * mm) & (np.abs(s) < 14 * mm)
    bone = anatomy.surround.hu > 150
    left = np.count_nonzero(bone & around & (r < -34 * mm) & (r > -52 * mm))
    right = np.count_nonzero(bone & around & (r > 34 * mm) & (r < 52 * mm))
    assert left > 1.5 * right


@pytest.mark.slow
def test_a_wrong_axes_convention_is_noticed(tmp_path: Path) -> None:
    """The spinous process in front or the bone upside down cannot be a vertebra in those axes."""
    path = _generated_surface(tmp_path, "RAS")
    with pytest.raises(DataError):
        import_shape(ShapeSource(shape=read_surface(path, "ASR")), "L2", spacing=1.5 * mm)


@pytest.mark.slow
def test_a_label_map_alone_becomes_an_anatomy(tmp_path: Path) -> None:
    _, labels = ct_phantom.write_pair(tmp_path, ct_phantom.make())
    anatomy = import_shape(ShapeSource(shape=labels), "L1", spacing=1.5 * mm)
    _is_plausible(anatomy, (12, 40))
    assert anatomy.provenance["source"] == "labels"


@pytest.mark.slow
@pytest.mark.data
def test_real_surfaces_become_anatomies(shared_data: Path) -> None:
    biceps = ShapeSource(shape=read_surface(shared_data / "biceps_healthy/L1.stl", "LPS"))
    _is_plausible(import_shape(biceps, "L1", spacing=1.2 * mm), (22, 32))
    folder = shared_data / "clouthier_mean"
    level, above, below = (read_surface(folder / f"{name}.ply", "ALS") for name in ("L3", "L2", "L4"))
    mean = ShapeSource(shape=level, above=above, below=below)
    _is_plausible(import_shape(mean, "L3", spacing=1.2 * mm), (28, 48))
    alone = import_shape(ShapeSource(shape=shared_data / "biceps_healthy/labels_c7_l5.nii.gz"), "L1", spacing=1.2 * mm)
    _is_plausible(alone, (22, 32))
    assert {"T12", "L1", "L2"} <= {level.name for level in alone.spine}
    assert alone.provenance["calibration"]["references"] == []
    assert alone.provenance["calibration"]["reason"].startswith("synthetic")
