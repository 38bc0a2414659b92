"""The injection as an environment for learning programs: gymnasium's calls, without needing gymnasium.

`reset` prepares, places the needles as the scripted expert does and mixes cement; what is left to decide is when to
look where, when and how fast to inject, and when to stop. `spaces` and `gymnasium_env` need the extra ``gym``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import MissingExtra, SessionError, VertebroError
from vertebro.training.operators import Operator
from vertebro.training.panel import Observation
from vertebro.training.score import score
from vertebro.training.session import Session

MENU = ("wait", "inject slowly", "inject", "stop", "lateral", "ap", "finish")
RATES = {"inject slowly": 1.5, "inject": 4.0}  # ml/min
BEAT = 2.0  # s a step
LONGEST = 900  # steps
SIGHT = ("age_s", "injected_ml", "rate_ml_min", "force_n", "rearmost", "leaks", "lateral", "pedal")


class InjectionEnv:
    """One case from the mixed cement to the end.

    Parameters
    ----------
    scenario : str
    **settings
        Passed to `Session`, such as ``anatomies`` or ``settings``.
    """

    def __init__(self, scenario: str = "first-steps", **settings: Any) -> None:
        self.scenario, self.settings = scenario, settings
        self.session: Session | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """A new session with needles in place and cement mixed; returns what is seen, and more in words."""
        self.session, self._steps = Session(self.scenario, seed, "exam", **self.settings), 0
        Operator("expert").ready(self.session)
        self.session.command({"kind": "pedal", "down": True})
        seen = self.session.observation()
        return _vector(seen), {"menu": MENU, "sight": SIGHT}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Do something of the `MENU` for two seconds; the reward, points over 100, comes at the end.

        Raises
        ------
        SessionError
            If there is no such action or no session.
        """
        session = self.session
        if session is None or not 0 <= int(action) < len(MENU):
            raise SessionError(
                "no such step", where="action", value=action, allowed=f"0 to {len(MENU) - 1} after reset"
            )
        self._steps += 1
        wish, refused = MENU[int(action)], None
        try:
            self._do(session, wish)
        except VertebroError as error:
            refused = error.message
        session.step(BEAT)
        cut = self._steps >= LONGEST and not session.finished
        if cut:
            session.command({"kind": "finish"})
        info: dict[str, Any] = {"refused": refused}
        reward = 0.0
        if session.finished:
            info["score"] = score(session.log.lines)
            reward = float(info["score"]["points"]) / 100.0
        return _vector(session.observation()), reward, session.finished and not cut, cut, info

    def _do(self, session: Session, wish: str) -> None:
        seen = session.observation()
        needle = next(iter(seen.readouts["needles"]))
        if wish in RATES:
            session.command({"kind": "inject", "needle": needle, "rate_ml_min": RATES[wish]})
        elif wish in ("lateral", "ap"):
            session.command({"kind": "arm", **seen.plan["views"][wish]})
        elif wish != "wait":
            session.command({"kind": wish})

    @property
    def spaces(self) -> tuple[Any, Any]:
        """Spaces of actions and observations.

        Raises
        ------
        MissingExtra
            If gymnasium is not installed.
        """
        try:
            import gymnasium
        except ImportError:
            raise MissingExtra("gymnasium", "gym", "spaces for learning programs") from None
        bounds = np.full(len(SIGHT), np.inf, np.float32)
        return gymnasium.spaces.Discrete(len(MENU)), gymnasium.spaces.Box(-bounds, bounds, dtype=np.float32)


def _vector(seen: Observation) -> NDArray[np.float32]:
    """(8,) what an operator could perceive, in the order of `SIGHT`."""
    shown = seen.readouts
    numbers = [
        shown["cement"]["age_s"] or 0.0,
        shown["syringe"]["injected_ml"],
        shown["syringe"]["rate_ml_min"],
        shown["syringe"]["force_n"],
        1.0 if seen.rearmost is None else seen.rearmost,
        len(seen.leaks),
        shown["arm"]["plane"] == "lateral",
        shown["arm"]["pedal"],
    ]
    return np.array(numbers, np.float32)


def gymnasium_env(scenario: str = "first-steps", **settings: Any) -> Any:
    """The same environment as a ``gymnasium.Env``, which gymnasium's wrappers and checkers ask for.

    Parameters
    ----------
    scenario : str
    **settings
        As of `InjectionEnv`.

    Raises
    ------
    MissingExtra
        If gymnasium is not installed.
    """
    inner = InjectionEnv(scenario, **settings)
    actions, observations = inner.spaces
    import gymnasium

    class Injection(gymnasium.Env):  # type: ignore[misc]
        """Passes everything on."""

        metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
        action_space, observation_space = actions, observations

        def reset(
            self, *, seed: int | None = None, options: dict[str, Any] | None = None
        ) -> tuple[NDArray[np.float32], dict[str, Any]]:
            super().reset(seed=seed)
            return inner.reset(seed=seed, options=options)

        def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
            return inner.step(action)

    return Injection()
