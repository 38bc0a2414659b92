"""Which leaks of a run a reader would find: on the two films after the injection, and on CT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.units import ml

if TYPE_CHECKING:
    from vertebro.leakage import LeakEvent
    from vertebro.simulation import Simulation

VIEWS = ("ap", "lateral")
CT_RISE = Constant(200.0, "HU", 100.0, 500.0, "vertebro", "ours", "rise in one voxel that is cement: above spongy bone")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One leak as a reader finds it or not.

    Attributes
    ----------
    kind : str
    volume : float [mL]
    ap, lateral : bool
        Seen on the film, needles out (`vertebro.observe.Camera.sees`).
    ct : bool
        Some voxel of it rises by `CT_RISE`.
    """

    kind: str
    volume: float
    ap: bool
    lateral: bool
    ct: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the unit in the name."""
        return {
            "kind": self.kind,
            "volume_ml": self.volume,
            "ap": self.ap,
            "lateral": self.lateral,
            "ct": self.ct,
        }


def read_films(case: Case, *, base: Path | None = None) -> list[Reading]:
    """Run a case and judge each of its leaks on the last frontal and lateral film and on CT.

    Parameters
    ----------
    case : Case
    base : Path, optional
        Folder that names in the case are relative to.

    Returns
    -------
    list of Reading
        In the order of the leaks.
    """
    from vertebro.simulation import Simulation

    run = Simulation(case.with_settings({"imaging.frames": 2}), base=base)
    run.run()
    if run.camera is None:
        raise CaseError(
            "films need pictures", where="imaging", value="none", hint="leave sketch and pictures as they are"
        )
    run.camera.show_needles(())
    return [_read(run, leak) for leak in run.monitor.leaks()]


def _read(run: Simulation, leak: LeakEvent) -> Reading:
    fraction = run.scene.cement_fraction(run.state.saturation, run.veins)
    leaked, veins = run.witness.leaked(leak, fraction), run.witness.leaked_veins(leak)
    seen = {
        view: run.camera is not None
        and bool(leaked.any() or veins.any())
        and run.camera.sees(view, leaked, fraction, veins=run.veins, leaked_veins=veins)
        for view in VIEWS
    }
    return Reading(
        kind=leak.kind.value, volume=leak.volume / ml, ct=_rise(run, leaked) >= CT_RISE, ap=seen["ap"],
        lateral=seen["lateral"],
    )  # fmt: skip


def _rise(run: Simulation, leaked: NDArray[np.float32]) -> float:
    """Largest rise [HU] that the leaked cement makes in a voxel."""
    from vertebro.scans import cement_rise

    return float(leaked.max(initial=0.0) * cement_rise(run.scene.cement))
