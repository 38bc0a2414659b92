"""One number, one vertebra: what two of them under one number look like is refused, odd single ones pass."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from anatomy.test_ct_orientation import TINY, _points, _volume
from vertebro.anatomy.ct_job import bone_distance, make_job, superior_hint
from vertebro.anatomy.ct_single import check_single
from vertebro.anatomy.frame import find_frame
from vertebro.anatomy.from_ct import import_volumes
from vertebro.errors import DataError


def _check(made: phantom.Phantom) -> None:
    ct, labels = (_volume(np.rint(data).astype(np.int16), made.affine) for data in (made.hu, made.labels))
    job = make_job(ct, labels, "L1", scheme="auto", resample_labels=False, subregions=None)
    own = bone_distance(job, job.number)
    assert own is not None
    check_single(find_frame(own, superior_hint(job)), "L1", "labels.nii.gz")


def test_every_single_vertebra_passes() -> None:
    _check(phantom.make())
    _check(phantom.make(levels=("L1",)))


@pytest.mark.parametrize("other", [32, 30])
def test_a_second_body_is_not_quietly_dropped(other: int) -> None:
    """The bodies do not touch: the search for the frame would keep one of them and say nothing."""
    made = phantom.make()
    made.labels[made.labels == other] = 31
    with pytest.raises(DataError, match=r"more than one vertebra[\s\S]*a second body 3\d mm"):
        _check(made)


def test_bodies_joined_across_the_disc_are_refused() -> None:
    made = phantom.make(levels=("L1", "L2"))
    r, a, s = np.moveaxis(_points(made), -1, 0)
    disc = ((r / 20) ** 2 + (a / 14) ** 2 < 1) & (s < -11) & (s > -23)
    made.labels[(made.labels > 0) | disc] = 31
    with pytest.raises(DataError, match=r"more than one vertebra[\s\S]*mm high"):
        _check(made)


@pytest.mark.parametrize(("other", "side"), [(32, "above"), (30, "below")])
def test_a_neighbour_s_arch_is_refused(other: int, side: str) -> None:
    made = phantom.make()
    _, a, _ = np.moveaxis(_points(made), -1, 0)
    made.labels[(made.labels == other) & (a < -16)] = 31
    with pytest.raises(DataError, match=rf"more than one vertebra[\s\S]*mm {side} the body"):
        _check(made)


def test_a_cleft_body_is_one_body() -> None:
    """An intravertebral cleft left out of the label halves the body; its parts are closer than any two vertebrae."""
    made = phantom.make(levels=("L1",))
    _, a, s = np.moveaxis(_points(made), -1, 0)
    made.labels[(np.abs(s - 1) < 2.5) & (a > -10)] = 0
    _check(made)


def test_the_import_refuses_it() -> None:
    made = phantom.make(**TINY)
    made.labels[made.labels == 30] = 31
    ct = _volume(np.rint(made.hu).astype(np.int16), made.affine)
    with pytest.raises(DataError, match=r"more than one vertebra|size that no vertebra has"):
        import_volumes(ct, _volume(made.labels, made.affine), "L1")
