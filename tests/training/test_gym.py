"""The injection as an environment: gymnasium's five answers, a reward at the end, refusals that do not crash."""

from __future__ import annotations

import numpy as np
import pytest

from training.conftest import COARSE, SEED
from vertebro.errors import SessionError
from vertebro.training.gym import MENU, SIGHT, InjectionEnv, gymnasium_env


def test_environment_injects_and_is_paid_at_the_end(anatomies) -> None:
    env = InjectionEnv("first-steps", settings=COARSE, anatomies=anatomies)
    seen, info = env.reset(seed=SEED)
    assert seen.shape == (len(SIGHT),)
    assert info["menu"] == MENU
    seen, reward, done, _, info = env.step(MENU.index("inject"))
    assert (reward, done, info["refused"]) == (0.0, False, None)
    seen, *_ = env.step(MENU.index("wait"))
    assert seen[SIGHT.index("injected_ml")] == pytest.approx(4.0 / 60 * 3, rel=0.01)  # the last second is not shown yet
    env.step(MENU.index("stop"))
    _, reward, done, cut, info = env.step(MENU.index("finish"))
    assert done
    assert not cut
    assert reward == pytest.approx(info["score"]["points"] / 100)
    assert np.isfinite(reward)


def test_step_without_a_session_or_off_the_menu_is_refused() -> None:
    with pytest.raises(SessionError):
        InjectionEnv().step(0)


@pytest.mark.slow
def test_gymnasiums_own_checker_finds_nothing(anatomies) -> None:
    checker = pytest.importorskip("gymnasium.utils.env_checker", reason="needs gymnasium: pip install vertebro[gym]")
    checker.check_env(gymnasium_env(settings=COARSE, anatomies=anatomies), skip_render_check=True)
