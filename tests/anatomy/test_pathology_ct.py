"""Disease on an imported vertebra: the same records, on a CT and labels that nobody generated here."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import import_ct
from vertebro.anatomy.pathology import with_pathology
from vertebro.anatomy.pathology_records import Cleft, Metastasis, OldCement, SacralFracture, Wedge
from vertebro.errors import CaseError
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Anatomy:
    folder = tmp_path_factory.mktemp("straight")
    return import_ct(*phantom.write_pair(folder, phantom.make()), "L1", spacing=1.2 * mm, licence="made up")


def _height(one: Anatomy, front: float) -> float:
    """Height [m] of the body's label in the midline at a share of the half depth."""
    i, j, _ = one.grid.nearest([0.0, front * phantom.BODY[1] * mm, 0.0])
    body = np.isin(one.compartment[i - 2 : i + 3, j], (Compartment.BODY, Compartment.VEIN_BASIVERTEBRAL))
    return float(body.sum(axis=1).mean() * one.grid.spacing[2])


def test_a_wedge_takes_its_height_off_an_imported_body(straight: Anatomy) -> None:
    broken = with_pathology(straight, (Wedge(grade=2),))
    assert _height(broken, 0.7) == pytest.approx(0.64 * _height(straight, 0.7), abs=1.5 * mm)
    assert _height(broken, -0.7) == pytest.approx(0.92 * _height(straight, -0.7), abs=1.5 * mm)
    above = [next(x for x in one.spine if x.name == "T12").centre for one in (straight, broken)]
    assert above[1][1] - above[0][1] > 2 * mm  # the spine above tips forward
    assert broken.provenance["source"] == straight.provenance["source"]
    np.testing.assert_array_equal(broken.patient_from_world, straight.patient_from_world)


def test_a_cleft_and_a_tumour_lie_where_they_were_ordered(straight: Anatomy) -> None:
    sick = with_pathology(straight, (Cleft(up=0.4), Metastasis(right=-0.5, front=0.0, up=-0.3, radius=7 * mm)))
    for tissue, place in ((Tissue.CLEFT, (0.0, 2.8, 4.8)), (Tissue.LESION, (-10.0, 0.0, -3.6))):
        found = sick.grid.world(np.argwhere(sick.tissue == tissue)).mean(axis=0) / mm
        np.testing.assert_allclose(found, place, atol=2.0)
        cell = sick.surround.grid.nearest(np.array(place) * mm)
        assert sick.surround.hu[cell] < straight.surround.hu[cell] - 20
    assert np.median(sick.hu[sick.tissue == Tissue.CLEFT]) < -500


def test_an_imported_spine_knows_its_neighbours(straight: Anatomy) -> None:
    """Old cement in L2, below; none where the CT has no such level; no sacral fracture in a lumbar vertebra."""
    treated = with_pathology(straight, (OldCement(level="L2", volume=3e-6),))
    bright = treated.surround.grid.world(np.argwhere(treated.surround.hu > 2000)) / mm
    np.testing.assert_allclose(bright.mean(axis=0), [0, 2, -phantom.PITCH], atol=4.0)
    for record, word in ((OldCement(level="L4"), "neighbour"), (SacralFracture(), "sacrum")):
        with pytest.raises(CaseError, match=word):
            with_pathology(straight, (record,))
