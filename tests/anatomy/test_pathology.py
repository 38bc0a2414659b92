"""Lesions on CT and in the labels: numbers in their ranges, sides, order, grids, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from anatomy.sick import sick
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.pathology import cement_hu, with_pathology
from vertebro.anatomy.pathology_records import (
    Biconcave,
    Cleft,
    Haemangioma,
    Metastasis,
    OldCement,
    SacralFracture,
    Wedge,
)
from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm


def _core(one: Anatomy, tissue: Tissue) -> np.ndarray:
    """CT numbers of the darkest half of a tissue: without partial volume at its edge."""
    values = np.sort(one.hu[one.tissue == tissue])
    return values[: len(values) // 2]


@pytest.mark.parametrize(
    ("record", "tissue", "low", "high"),
    [
        (Cleft(fill="gas"), Tissue.CLEFT, -1000, -500),
        (Cleft(fill="fluid"), Tissue.CLEFT, -5, 60),
        (Metastasis(), Tissue.LESION, 40, 60),
    ],
    ids=["gas", "fluid", "lytic"],
)
def test_ct_numbers_of_what_fills_a_hole(record: Cleft | Metastasis, tissue: Tissue, low: float, high: float) -> None:
    one = sick(record)
    assert low <= float(np.median(_core(one, tissue))) <= high
    assert set(np.unique(one.compartment[one.tissue == tissue])) <= {Compartment.BODY, Compartment.ARCH}
    assert not np.any(sick().tissue == tissue)


def test_blastic_bone_is_dense_and_tight() -> None:
    one, healthy = sick(Metastasis(pattern="blastic", front=0.0)), sick()
    cell = one.grid.nearest([0.0, 0.0, 0.0])
    assert 600 <= one.hu[cell] <= 1200
    assert one.permeability[2][cell] < 0.05 * healthy.permeability[2][cell]


def test_the_surround_shows_it_too() -> None:
    """X-rays see the coarse wide grid under the fine one: a gas cleft is dark there as well."""
    one, healthy = sick(Cleft(height=8 * mm)), sick()
    difference = one.surround.hu.astype(float) - healthy.surround.hu
    cell = np.unravel_index(np.argmin(difference), difference.shape)
    assert difference[cell] < -500
    assert np.abs(one.surround.grid.world(cell))[0] < 15 * mm


def test_records_keep_their_side_and_a_mirrored_patient_changes_it() -> None:
    record = Metastasis(right=0.5, front=0.0, radius=6 * mm)
    plain, mirrored = sick(record), sick(record, mirrored=True)
    for one, sign in ((plain, 1.0), (mirrored, -1.0)):
        r = one.grid.world(np.argwhere(one.tissue == Tissue.LESION))[:, 0]
        assert sign * r.mean() > 5 * mm
    same = (plain.tissue == Tissue.LESION) == (mirrored.tissue[::-1] == Tissue.LESION)
    assert same.mean() > 0.999


def test_order_counts_where_records_overlap() -> None:
    tumour, cleft = Metastasis(front=0.2, up=0.35), Cleft()
    last_cleft, last_tumour = sick(tumour, cleft), sick(cleft, tumour)
    assert (last_cleft.tissue == Tissue.CLEFT).sum() > 5 * (last_tumour.tissue == Tissue.CLEFT).sum()
    again = sick.__wrapped__(tumour, cleft)
    np.testing.assert_array_equal(again.hu, last_cleft.hu)


@pytest.mark.slow
@pytest.mark.parametrize("record", [Metastasis(seed=3), Cleft(fill="fluid")], ids=["lump", "cleft"])
def test_a_finer_grid_samples_the_same_shape(record: Metastasis | Cleft) -> None:
    """To half a coarse voxel."""
    volumes, centres = [], []
    for spacing in (1.4 * mm, 1.0 * mm):
        one = sick(record, spacing=spacing)
        cells = np.argwhere(np.isin(one.tissue, (Tissue.LESION, Tissue.CLEFT)))
        volumes.append(len(cells) * one.grid.voxel_volume)
        centres.append(one.grid.world(cells).mean(axis=0))
    assert volumes[0] == pytest.approx(volumes[1], rel=0.15)
    np.testing.assert_allclose(centres[0], centres[1], atol=0.7 * mm)


def test_a_lytic_pedicle_loses_its_cortex_on_one_side() -> None:
    """The winking owl: one pedicle's ring is gone, the other's is whole."""
    one = sick(Metastasis(front=-1.25, right=-0.75, up=0.4, radius=8 * mm))
    marks = one.landmarks
    assert marks.pedicle_left is not None
    assert marks.pedicle_right is not None
    brightest = []
    for pedicle in (marks.pedicle_left, marks.pedicle_right):
        i, j, k = one.grid.nearest(pedicle.centre)
        brightest.append(one.hu[i - 3 : i + 4, j, k - 2 : k + 3].max())
    assert brightest[0] < 0.45 * brightest[1]
    assert brightest[1] > 500


def test_haemangioma_has_dots_in_fat_and_wide_veins() -> None:
    one, healthy = sick(Haemangioma(), spacing=1.0 * mm), sick(spacing=1.0 * mm)
    k = one.grid.nearest([0.0, 0.0, 6 * mm])[2]
    r, a, _ = one.grid.axes()
    inner = one.hu[np.ix_(np.abs(r) < 10 * mm, np.abs(a) < 10 * mm, [k])]
    assert inner.max() > 250
    assert np.median(inner) < 80
    radii = [
        [v["radius_mm"] for v in x.provenance["veins"] if v["inside_bone"] and v["route"] == "segmental"]
        for x in (one, healthy)
    ]
    assert max(radii[0]) > 1.2 * max(radii[1])


def test_old_cement_lies_next_door() -> None:
    one, healthy = sick(OldCement(level="L2")), sick()
    bright = np.argwhere(one.surround.hu > 2000)
    s = one.surround.grid.world(bright)[:, 2]
    assert s.max() < -15 * mm
    assert cement_hu("generic-medium") > 2000
    assert (one.tissue == healthy.tissue).mean() > 0.998  # veins are traced anew through regrown labels


def test_an_anatomy_with_records_is_a_new_one_and_none_is_the_same() -> None:
    healthy = sick()
    before = healthy.hu.copy()
    assert with_pathology(healthy, ()) is healthy
    with_pathology(healthy, (Metastasis(),))
    np.testing.assert_array_equal(healthy.hu, before)


def test_applied_to_an_anatomy_from_elsewhere_it_is_the_same() -> None:
    """The imported path: an anatomy without knowledge of its generator."""
    stranger = dataclasses.replace(sick(), provenance={**sick().provenance, "source": "ct"})
    one = with_pathology(stranger, (Biconcave(grade=2),))
    np.testing.assert_array_equal(one.tissue, sick(Biconcave(grade=2)).tissue)


@pytest.mark.parametrize(
    ("records", "word"),
    [
        ((Wedge(), Biconcave()), "compose"),
        ((SacralFracture(),), "sacrum"),
        ((Metastasis(right=2.5),), "outside"),
        ((Metastasis(front=0.0, radius=3 * mm, breach="posterior"),), "wall"),
        ((OldCement(level="C3"),), "neighbour"),
    ],
    ids=["two fractures", "sacral on L1", "outside", "no wall near", "no such level"],
)
def test_what_cannot_be_is_explained(records: tuple[Wedge, ...], word: str) -> None:
    with pytest.raises(CaseError, match=word) as caught:
        sick(*records)
    error = caught.value
    assert "pathology" in str(error.where)
    assert error.value is not None
    assert error.allowed
    assert error.hint


def test_a_case_writes_reads_and_changes_its_pathology() -> None:
    case = Case.parse({"anatomy": {"pathology": [{"kind": "wedge", "grade": 2}, {"kind": "cleft", "height": "6 mm"}]}})
    text = case.dumps()
    assert "[[anatomy.pathology]]" in text
    assert "Genant grade" in text
    assert Case.loads(text) == case
    changed = case.with_settings({"anatomy.pathology.0.grade": 3, "anatomy.pathology.1.fill": "fluid"})
    assert [record.kind for record in changed.anatomy.pathology] == ["wedge", "cleft"]
    assert changed.anatomy.pathology[0] == Wedge(grade=3)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"kind": "wedg"}, "did you mean 'wedge'?"),
        ({"kind": "wedge", "grad": 1}, "did you mean 'grade'?"),
        ({"kind": "cleft", "height": "40 mm"}, "1 to 15 mm"),
        ({"kind": "myeloma", "smallest": "5 mm", "largest": "3 mm"}, "exchange the two radii"),
    ],
)
def test_mistakes_in_a_case_name_the_cure(record: dict[str, object], words: str) -> None:
    with pytest.raises(CaseError) as caught:
        Case.parse({"anatomy": {"pathology": [record]}})
    assert words in str(caught.value)


def test_scar_and_dense_bone_line_an_old_cleft() -> None:
    """The rim is tighter by `lining`; the cleft itself and bone far from it are as they were."""
    fresh, old = sick(Cleft(lining=1.0)), sick(Cleft(lining=0.05))
    ratio = old.permeability[0] / np.where(fresh.permeability[0] > 0, fresh.permeability[0], 1.0)
    rim = np.isclose(ratio, 0.05)
    hole = old.tissue == Tissue.CLEFT
    assert rim.sum() > 0.3 * hole.sum()
    assert not rim[hole].any()
    assert ndimage.binary_dilation(hole, iterations=8)[rim].all()
    np.testing.assert_array_equal(old.permeability[:, ~rim], fresh.permeability[:, ~rim])
