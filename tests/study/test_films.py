"""What a reader finds of a run's leaks."""

from __future__ import annotations

import pytest

from vertebro.case import Case
from vertebro.simulation import Simulation
from vertebro.study import read_films

CASE = Case.preset("runny-cement").with_settings(
    {
        "anatomy.spacing": "1.5 mm",
        "heat.enabled": False,
        "steps.0.volume": "1 ml",
        "flow.interval": "2 s",
        "imaging.rows": 256,
        "imaging.frames": 2,
    }
)


@pytest.mark.slow
def test_every_leak_is_read_and_ct_finds_what_films_find() -> None:
    readings = read_films(CASE)
    leaks = Simulation(CASE, pictures=False).run().summary["leaks"]
    assert leaks
    assert [r.kind for r in readings] == [leak["kind"] for leak in leaks]
    assert [r.volume for r in readings] == pytest.approx([leak["volume_ml"] for leak in leaks])
    assert any(r.ct for r in readings)
    assert all(r.ct or not (r.ap or r.lateral) for r in readings)
    assert set(readings[0].to_dict()) == {"kind", "volume_ml", "ap", "lateral", "ct"}
