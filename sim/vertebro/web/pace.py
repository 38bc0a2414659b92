"""How the worker's clock keeps step with the wall clock: fixed ticks, so that the same commands at the same ticks give
the same session again; a solver that is slower than the wall clock slows the session, it never queues.

>>> pace = Pace(now=10.0)
>>> pace.due(10.0 + 2.5 * TICK)
2
>>> pace.due(10.0 + 2.5 * TICK)
0
"""

from __future__ import annotations

TICK = 1 / 30  # s of the session per tick: two per pulse at 15 pulses a second
LAG = 0.25  # s the session may be behind the wall clock before it gives up catching up
SPEEDS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
SPAN = 1.0  # s over which the speed reached is measured


class Pace:
    """Turns wall time into ticks.

    Parameters
    ----------
    now : float [s]
        Of a steady clock.

    Attributes
    ----------
    speed : float
        Wanted speed: 1 is the wall clock's, 0 a pause.
    reached : float
        Speed of the last second.
    """

    def __init__(self, now: float) -> None:
        self.speed, self.reached = 1.0, 1.0
        self._last, self._owed = now, 0.0
        self._since, self._done = now, 0

    def set_speed(self, speed: float) -> None:
        """Another speed; what was owed at the old one is forgotten."""
        self.speed, self._owed = speed, 0.0

    def due(self, now: float) -> int:
        """Ticks to make at this time [s]."""
        self._owed += (now - self._last) * self.speed
        self._last = now
        ticks = int(self._owed / TICK + 1e-9)
        self._owed -= ticks * TICK
        limit = max(1, int(LAG * max(self.speed, 1.0) / TICK))
        ticks = min(ticks, limit)
        self._measure(now, ticks)
        return ticks

    def wait(self, now: float) -> float:
        """Time [s] until the next tick is due."""
        if self.speed <= 0:
            return 0.1
        return min(max((TICK - self._owed) / self.speed - (now - self._last), 0.0), 0.1)

    def _measure(self, now: float, ticks: int) -> None:
        self._done += ticks
        if now - self._since >= SPAN:
            self.reached = self._done * TICK / (now - self._since)
            self._since, self._done = now, 0
