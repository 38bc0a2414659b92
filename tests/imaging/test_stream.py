"""A running fluoroscopy: the recursive filter's noise and ghosts, seeds, clocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.imaging import CArm, Fluoroscope, Stream, TissueLayer

Patient = tuple[TissueLayer, ...]
POSE = CArm.lateral(rows=128, cols=128, pitch=1e-3)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_recursive_filter_lowers_the_variance_to_a_over_2_minus_a(share: float, patient: Patient) -> None:
    """Equal pulses with and without the filter, against the same still picture."""
    plain = Fluoroscope(kvp=80.0, scatter=None, temporal=None, lag=None)
    pulses = Stream(plain.prepare(POSE, patient), seed=1)
    filtered = Stream(replace(plain, temporal=share).prepare(POSE, patient), seed=2, charge=1.0)
    still = filtered.view.frame(noise=False).signal
    for _ in range(30):
        filtered.frame()
    variances = [np.mean([((s.frame().signal - still) ** 2).mean() for _ in range(60)]) for s in (pulses, filtered)]
    assert variances[1] / variances[0] == pytest.approx(share / (2 - share), rel=0.03)


def test_same_seed_gives_the_same_run(patient: Patient) -> None:
    view = Fluoroscope(kvp=80.0).prepare(POSE, patient)
    one, again, other = ([Stream(view, seed=seed)] for seed in (3, 3, 4))
    for _ in range(3):
        pictures = [run[0].frame().display16 for run in (one, again, other)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_time_does_not_run_backwards(patient: Patient) -> None:
    stream = Stream(Fluoroscope(kvp=80.0).prepare(POSE, patient))
    stream.frame(time=1.0)
    with pytest.raises(CaseError, match="before the last one"):
        stream.frame(time=0.5)
