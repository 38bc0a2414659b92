"""Makes the session in the worker process, and says how far it has come."""

from __future__ import annotations

from collections.abc import Callable

from vertebro.web.contract import TrainerSession


def make_session(scenario: str, seed: int, mode: str, report: Callable[[str, float], None]) -> TrainerSession:
    """A session of a scenario, its kernels ready.

    Parameters
    ----------
    scenario : str
    seed : int
    mode : str
    report : callable
        ``report(stage, fraction)``.
    """
    from vertebro.training.session import Session

    report("building the patient", 0.1)
    return Session(scenario, seed=seed, mode=mode)
