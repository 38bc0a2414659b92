"""The shipped surfaces: as registered, closed, in millimetres, and what our own generator makes."""

from __future__ import annotations

import hashlib
import tomllib

import numpy as np
import pytest
import pyvista as pv
from scipy.spatial import cKDTree

from vertebro.anatomy.parametric import ParametricSpec
from vertebro.anatomy.parametric_dimensions import LEVELS, dimensions
from vertebro.anatomy.parametric_pelvis_dimensions import pelvis_dimensions
from vertebro.errors import DataError
from vertebro.view.meshes import read_registry, registry_text, updated_registry, usual_spacing, vertebra_surface


@pytest.fixture(scope="module")
def entries(root):
    with open(root / "meshes" / "registry.toml", "rb") as file:
        return tomllib.load(file)["mesh"]


def test_every_file_is_registered_with_its_digest(root, entries):
    files = {path.name for path in (root / "meshes").glob("*.stl")}
    assert files == {entry["file"] for entry in entries}
    for entry in entries:
        assert hashlib.sha256((root / "meshes" / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_surfaces_are_closed_and_in_millimetres(root, entries):
    for entry in entries:
        mesh = pv.read(root / "meshes" / entry["file"])
        assert mesh.n_open_edges == 0
        assert mesh.is_manifold
        assert (root / "meshes" / entry["file"]).stat().st_size < 1e6
        np.testing.assert_allclose(np.ptp(mesh.points, axis=0), entry["size_mm"], atol=0.01)
        assert mesh.volume == pytest.approx(entry["volume_ml"] * 1e3, rel=1e-3)


def test_the_library_levels_are_there(entries):
    levels = {entry["level"] for entry in entries}
    assert levels >= {"C6", "T6", "T8", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1", "HIP_R"}


def test_spinous_processes_point_back_and_bodies_lie_at_the_origin(root, entries):
    for entry in entries:
        if entry["level"] not in LEVELS:
            continue
        mesh, dim = pv.read(root / "meshes" / entry["file"]), dimensions(entry["level"], sex="female")
        assert mesh.points[:, 1].max() == pytest.approx(0.5 * dim.depth * 1e3, abs=1.5)
        assert mesh.points[:, 1].min() == pytest.approx((-0.5 * dim.depth - dim.reach) * 1e3, abs=3.0)
        assert np.ptp(mesh.points[:, 0]) == pytest.approx(max(dim.process_width, dim.lower_width) * 1e3, abs=4.0)
        assert abs(mesh.points[:, 0].min() + mesh.points[:, 0].max()) < 1.0


def test_pelvic_bones_have_about_their_published_sizes_and_say_where_their_origin_is(root, entries):
    known = {entry["level"]: entry for entry in entries}
    dim = pelvis_dimensions(sex="female")
    sacrum, hip = (pv.read(root / "meshes" / known[level]["file"]) for level in ("S1", "HIP_R"))
    assert np.ptp(sacrum.points[:, 0]) == pytest.approx(dim.sacral_width * 1e3, abs=6.5)
    assert abs(sacrum.points[:, 0].min() + sacrum.points[:, 0].max()) < 1.0
    assert np.ptp(hip.points[:, 2]) == pytest.approx(dim.hip_bone_height * 1e3, abs=3.0)
    assert hip.points[:, 0].max() > 20.0  # the wing opens to the right of the acetabulum
    assert "S1" in known["S1"]["frame"]
    assert "acetabulum" in known["HIP_R"]["frame"]


@pytest.mark.parametrize("level", ["L1", *(pytest.param(level, marks=pytest.mark.slow) for level in ("C6", "S1"))])
def test_the_generator_makes_the_shipped_surface_again(root, entries, level):
    entry = next(e for e in entries if e["level"] == level)
    shipped = pv.read(root / "meshes" / entry["file"])
    again = vertebra_surface(ParametricSpec(level=level, spacing=usual_spacing(level)))
    distance = cKDTree(shipped.points).query(again.points)[0]
    assert np.quantile(distance, 0.99) < 1.2
    assert again.volume == pytest.approx(shipped.volume, rel=0.005)


def test_a_registry_keeps_its_other_entries_and_replaces_a_file_of_the_same_name(tmp_path, entries):
    path = tmp_path / "registry.toml"
    assert read_registry(path) == []
    path.write_text(registry_text(entries[:2]))
    changed = {**entries[1], "triangles": 5}
    both = updated_registry(read_registry(path), changed)
    assert both == [entries[0], changed]
    assert len(updated_registry(both, {**changed, "file": "other.stl"})) == 3


def test_what_is_not_a_registry_is_refused(tmp_path):
    path = tmp_path / "registry.toml"
    path.write_text("meshes = 3")
    with pytest.raises(DataError, match="registry"):
        read_registry(path)
