"""The shipped surfaces: as registered, closed, in millimetres, and what our own generator makes."""

from __future__ import annotations

import hashlib
import tomllib

import numpy as np
import pytest
import pyvista as pv
from scipy.spatial import cKDTree

from vertebro.anatomy.parametric import ParametricSpec
from vertebro.view.meshes import vertebra_surface


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
        assert 50 < np.ptp(mesh.points[:, 0]) < 110
        assert mesh.volume == pytest.approx(entry["volume_ml"] * 1e3, rel=1e-3)


def test_the_spinous_process_points_back_and_the_body_lies_at_the_origin(root, entries):
    mesh = pv.read(root / "meshes" / entries[0]["file"])
    assert mesh.points[:, 1].min() < -40 < 10 < mesh.points[:, 1].max() < 25
    assert abs(mesh.points[:, 0].min() + mesh.points[:, 0].max()) < 1.0


def test_the_generator_makes_the_shipped_surface_again(root, entries):
    shipped = pv.read(root / "meshes" / entries[0]["file"])
    again = vertebra_surface(ParametricSpec(level=entries[0]["level"], spacing=0.8e-3))
    distance = cKDTree(shipped.points).query(again.points)[0]
    assert np.quantile(distance, 0.99) < 1.2
    assert again.volume == pytest.approx(shipped.volume, rel=0.005)
