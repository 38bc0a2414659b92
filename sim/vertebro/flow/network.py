"""Vessels at work in one box: their conductances, their part in the pressure equation, the flow of what they hold."""

from __future__ import annotations

import copy
import math

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_vessels as kv
from vertebro.flow.bypass import Bypass
from vertebro.flow.domain import EMPTY_SHARE, Box
from vertebro.flow.laws import ViscosityLaw, evaluate
from vertebro.flow.problem import FlowProblem
from vertebro.flow.vessels import VesselCare, VesselNetwork, VesselState

Float = NDArray[np.float64]
Index = NDArray[np.int64]
MOUTH_FILL = 0.5  # fill of a cell from which on injected fluid enters its vessels
MOST_PARTS = 16  # parts of a step in which the network's own pressures are found
SLIT = 0.2  # conductance · length / (volume/length · radius²): 1/8 in ducts, 1/3 in slits
_UNIT_RATE = np.array([1.0])


class Network:
    """The vessels of a problem in one box.

    Parameters
    ----------
    problem : FlowProblem
        One with vessels.
    net : VesselNetwork
        Its vessels.
    box : Box

    Attributes
    ----------
    state : VesselState
        What they hold; a copy of the user's.
    bypass : Bypass
        Their part in the pressure equation.
    care : VesselCare
        How closely pressures follow what the vessels hold.
    """

    def __init__(self, problem: FlowProblem, net: VesselNetwork, box: Box) -> None:
        self.problem, self.net, self.box = problem, net, box
        self.state: VesselState = net.empty()
        self.care = VesselCare()
        shape = box.window.padded
        self._strides = np.array([shape[1] * shape[2], shape[2], 1])
        self._place_mouths()
        self.bypass = Bypass(shape, self.cells[self._inside])
        n, m, k = net.nodes, len(net.segment), len(net.coupling)
        held = np.zeros(n, bool)
        held[net.outlet_node] = True
        mouths = np.zeros(n, bool)
        mouths[net.coupling_node] = True
        # eliminated first: nodes without mouths; then those with, then outlets
        self._seat = np.zeros(n, np.int64)
        order = [np.flatnonzero(~held & ~mouths), np.flatnonzero(~held & mouths), net.outlet_node]
        self._seat[np.concatenate(order)] = np.arange(n)
        self._bare, self._free = len(order[0]), n - len(net.outlet_node)
        names = {name: number for number, name in enumerate(net.names)}
        self._outlet = np.full(n, -1, np.int64)
        self._outlet[net.outlet_node] = [names[name] for name in net.outlet_name]
        self._at_node = _lists(n, net.segment.ravel(), np.repeat(np.arange(m), 2))
        self._at_mouth = _lists(n, net.coupling_node, np.arange(k))
        shape_factor = net.conductance * net.length**2 / (net.volume * net.radius**2)
        self._wall = np.where(shape_factor < SLIT, 4.0, 3.0) * net.length / (net.volume * net.radius)
        self.mouth = np.zeros((kv.MOUTH_ROWS, k))
        self._out, self._gone = np.zeros((m, 3)), np.zeros((len(names), 2))
        self._segment_g, self._mouth_g = np.zeros(m), np.zeros(k)
        self._reduced, self._inflow = np.zeros((0, 0)), np.zeros(0)
        self._draw = np.zeros((n, len(self.cells)))  # conductance of nodes, in their seats, to cells
        self._level = np.zeros(len(self.cells))
        self._last = self._before = (np.zeros(k), math.nan)

    def _place_mouths(self) -> None:
        """Cells of the couplings, each once, in the order of the couplings: mirrored problems get the same."""
        net, box = self.net, self.box
        _, first, back = np.unique(net.coupling_cell, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.argsort(order)
        self.mouth_cell = rank[back.reshape(-1)]
        grid_cells = net.coupling_cell[first[order]].reshape(-1, 3)
        window = box.window
        self._inside = np.all((grid_cells >= window.low) & (grid_cells < window.high), axis=1)
        self.cells = window.cells(grid_cells) @ self._strides
        self.cells[~self._inside] = 0  # a ghost, closed
        opened = self.problem.open_cells[tuple(grid_cells.T)]
        active = np.where(self._inside, box.active.reshape(-1)[self.cells], True)
        # beyond the window of the cement-only mode the resting fluid has its pressure
        self.conducts = opened & active

    # conductances -----------------------------------------------------------------------------------------------

    def _viscosities(self, now: float) -> tuple[ViscosityLaw, Float]:
        """The injected fluid's law, and the resting fluid's viscosity (m,) [Pa·s] in each segment."""
        law = self.problem.law("injected")
        if self.problem.mode == "cement-only":
            return law, np.full(len(self.net.segment), EMPTY_SHARE * float(evaluate(law, _UNIT_RATE, now)[0]))
        return law, self.net.viscosity

    def resistance(self, state: VesselState, now: float) -> Float:
        """(m,) flow resistance [Pa·s/m³] of the segments with the shear rates of the state's flow."""
        law, thin = self._viscosities(now)
        rows, columns = np.nonzero(state.injected > 0.0)
        lack = np.zeros(len(state.volume))
        if rows.size:
            # what has not moved yet: of usual viscosity
            rates = np.where(state.flow[rows] != 0.0, np.abs(state.flow[rows]) * self._wall[rows], 1.0)
            thick = evaluate(law, rates, now, state.birth[rows, columns])
            np.add.at(lack, rows, state.injected[rows, columns] * (thick - thin[rows]))
        out: Float = (thin + lack / state.volume.sum(axis=1)) / self.net.conductance
        return out

    def _mouth_resistance(self, pressures: Float, res: Float, now: float) -> Float:
        """(k,) resistance of the couplings: that of the cell's fluid, or of injected fluid that enters the cell.

        Resting fluid that enters a cell presses on what fills it: its own viscosity does not count there.
        """
        law, thin = self._viscosities(now)
        state, node = self.state, self.net.coupling_node
        share = state.leaving[node]
        # what lies outside is the window of the cement-only mode, where all resting fluid is alike
        cell = np.where(self._inside, res.reshape(-1)[self.cells], thin.max(initial=0.0))[self.mouth_cell]
        thick, wet = cell.copy(), share > 0.0
        if wet.any():
            fluid = evaluate(law, np.ones(int(wet.sum())), now, state.leaving_birth[node][wet])
            thick[wet] += share[wet] * (fluid - cell[wet])
        drop = pressures[self.mouth_cell] - state.pressure[node]
        fluid = np.where(drop > 0.0, cell, np.where(drop < 0.0, thick, 0.5 * (cell + thick)))
        out: Float = fluid / self.net.coupling
        return out

    def _tried(self, s: Float, now: float, ahead: float) -> VesselState:
        """State after the present flows have run for a time `ahead`, the cells' fill staying as it is."""
        state = self.state
        if not (ahead > 0.0 and (state.injected.any() or np.any(self._ready(s)))):
            return state
        trial, mouth = copy.copy(state), np.zeros_like(self.mouth)
        for name in ("count", "volume", "injected", "birth", "leaving", "leaving_birth"):
            setattr(trial, name, getattr(state, name).copy())
        mouth[kv.DRAWN] = np.maximum(state.drawn, 0.0) * ahead
        mouth[kv.DRAWN_INJECTED] = mouth[kv.DRAWN] * self._ready(s)
        mouth[kv.DRAWN_BIRTH] = now
        self._advance(trial, ahead, now, mouth, np.zeros_like(self._gone))
        return trial

    def _ready(self, s: Float) -> Float:
        """(k,) whether the cell of each coupling hands on injected fluid now."""
        full = s.reshape(-1)[self.cells] >= MOUTH_FILL
        out: Float = (full & self._inside)[self.mouth_cell] * (self.state.drawn > 0.0)
        return out

    # pressure ---------------------------------------------------------------------------------------------------

    def levels(self, p: Float) -> Float:
        """(c,) pressure of the cells at the mouths."""
        out: Float = np.where(self._inside, p.reshape(-1)[self.cells], self.problem.displaced_pressure)
        return out

    def assemble(self, p: Float, res: Float, s: Float, free: NDArray[np.uint8], now: float) -> None:
        """Fill `bypass` from what the vessels will hold at the middle of the step."""
        levels = self.levels(p)
        self._segment_g = 1.0 / self.resistance(self._tried(s, now, self.state.ahead), now)
        self._mouth_g = self.conducts[self.mouth_cell] / self._mouth_resistance(levels, res, now)
        self._reduce()
        bare, free_nodes = self._bare, self._free
        draw, ends = self._draw[bare:free_nodes], self._draw[free_nodes:]
        fixed = ~self._inside | (free.reshape(-1)[self.cells] == 0)
        among, ground, given = self._ground(levels * fixed)
        nodes = np.diag(ground + among.sum(axis=0) + among.sum(axis=1)) - among - among.T
        drawn = np.where(fixed, 0.0, draw)
        to_outlets = self._reduced[bare:free_nodes, free_nodes:].sum(axis=1)
        elsewhere = to_outlets + np.where(fixed, draw, 0.0).sum(axis=1)
        # pressures that the free cells bring about, all else together, and the rest of what a node is tied to
        share = np.concatenate([drawn, np.eye(len(given)), given[:, None], elsewhere[:, None]], axis=1)
        kv.distribute(among, ground, share)
        share, inverse, brought, rest = np.split(share, np.cumsum([len(self.cells), len(given), 1]), axis=1)
        brought = brought[:, 0]
        # 1 - share, of what is not the cell's own, without the subtraction where there is but one cell
        others = rest + (share.sum(axis=1, keepdims=True) - share)
        leak = np.where(fixed, 0.0, (drawn * others).sum(axis=0) + ends.sum(axis=0))
        supply = np.where(
            fixed, 0.0, np.einsum("n,nc->c", brought, draw) + np.einsum("o,oc->c", self.net.outlet_pressure, ends)
        )
        at = np.flatnonzero(self._inside)
        self.bypass.set(leak[at], drawn[:, at], np.ascontiguousarray(share[:, at]), nodes, inverse, supply[at])

    def _ground(self, levels: Float) -> tuple[Float, Float, Float]:
        """Of the nodes with mouths: conductances among them, those to cells and outlets, and what pulls [m³/s].

        What pulls is blood, the outlets' pressures and the pressures of cells in `levels`.
        """
        bare, free = self._bare, self._free
        to_outlets, draw = self._reduced[bare:free, free:], self._draw[bare:free]
        ground = to_outlets.sum(axis=1) + draw.sum(axis=1)
        given = self._inflow[bare:free] + np.einsum("no,o->n", to_outlets, self.net.outlet_pressure)
        given = given + np.einsum("nc,c->n", draw, levels)  # einsum: no library whose threads change the sums
        return np.triu(self._reduced[bare:free, bare:free], 1), ground, given

    def _reduce(self) -> None:
        """Conductances between nodes with mouths and outlets, the other nodes eliminated."""
        net, seat = self.net, self._seat
        c, inflow = np.zeros((net.nodes, net.nodes)), np.zeros(net.nodes)
        ends = np.sort(seat[net.segment], axis=1)
        np.add.at(c, (ends[:, 0], ends[:, 1]), self._segment_g)
        self._draw[:] = 0.0
        np.add.at(self._draw, (seat[net.coupling_node], self.mouth_cell), self._mouth_g)
        inflow[seat] = net.blood
        kv.eliminate(c, inflow, self._bare)
        self._reduced, self._inflow = c, inflow

    def settle(self, p: Float) -> None:
        """Pressures and flows in the network at the pressures of the cells; `assemble` came before."""
        self._settle(self.levels(p))

    def _settle(self, levels: Float) -> None:
        net, state = self.net, self.state
        self._level = levels
        at, bare, free = np.zeros(net.nodes), self._bare, self._free
        among, ground, given = self._ground(levels)
        kv.distribute(among, ground, given[:, None])
        at[bare:free], at[free:] = given, net.outlet_pressure
        kv.restore(self._reduced, self._inflow, at, bare)
        state.pressure = at[self._seat]
        drop = state.pressure[net.segment[:, 0]] - state.pressure[net.segment[:, 1]]
        state.flow = drop * self._segment_g
        state.drawn = (levels[self.mouth_cell] - state.pressure[net.coupling_node]) * self._mouth_g
        kv.close_dead_ends(
            self._order(), net.segment, self._at_node, self._at_mouth, self._outlet, state.flow, state.drawn
        )

    def _order(self) -> Index:
        return np.argsort(-self.state.pressure, kind="stable")

    # time -------------------------------------------------------------------------------------------------------

    def life(self, s: Float, now: float, seconds: float) -> float:
        """Part of `seconds` for which the present flows will serve; notes the middle of it."""
        after = self._tried(s, now, seconds)
        drive = self._drive()
        if after is not self.state and drive > 0.0:
            change = self._drop(self.resistance(after, now) - self.resistance(self.state, now))
            seconds *= min(1.0, self.care.drop_change * drive / max(change, 1e-300))
        return seconds

    def arrival(self, p: Float, t: Float, s: Float, source: Float, now: float, seconds: float) -> float:
        """Part of `seconds` before the front reaches a mouth where that matters: its flow is found anew then."""
        flat, fill, inside = t.reshape(3, -1), s.reshape(-1), np.flatnonzero(self._inside & self.conducts)
        cells = self.cells[inside]
        here, inflow = p.reshape(-1)[cells], source.reshape(-1)[cells].copy()
        for d, stride in enumerate(self._strides.tolist()):
            for near, face in ((cells + stride, flat[d, cells]), (cells - stride, flat[d, cells - stride])):
                inflow += face * np.maximum(p.reshape(-1)[near] - here, 0.0) * (fill[near] > MOUTH_FILL)
        drawn = np.zeros((2, len(self.cells)))
        np.add.at(drawn[0], self.mouth_cell, np.abs(self.state.drawn))
        np.add.at(drawn[1], self.mouth_cell, self.state.drawn)
        room = np.where(drawn[1] > 0.0, 1.0, MOUTH_FILL)[inside]
        room = np.minimum(1.0 - fill[cells], room) * self.box.pore.reshape(-1)[cells]
        coming = (inflow > 0.0) & (room > 0.0)
        wait = 1.02 * room[coming] / inflow[coming]
        matters = drawn[0, inside][coming] * (seconds - wait) > self.care.arrival * self._supply(source) * seconds
        return min(seconds, self._trend(now, float(source.sum())), float(wait[matters].min(initial=math.inf)))

    def _supply(self, source: Float) -> float:
        """What flows through mouths is small against what is injected [m³/s], or in a pause against the blood there."""
        return float(source.sum()) or float(np.abs(self.state.drawn).sum())

    def _trend(self, now: float, supply: float) -> float:
        """Seconds until the flows through the mouths will have changed too far."""
        if now != self._last[1]:
            self._before = self._last
        self._last = (self.state.drawn, now)
        (before, then), drawn = self._before, self.state.drawn
        change, passing = float(np.abs(drawn - before).sum()), float(np.abs(self.state.flow).max(initial=0.0))
        whole = max(supply, passing, float(np.abs(drawn).sum()))
        return self.care.flow_change * whole * (now - then) / change if now > then and change > 0.0 else math.inf

    def _drop(self, change: Float) -> float:
        """Pressure [Pa] that a change of the segments' resistances costs: summed in series, a mean in parallel."""
        flow = np.abs(self.state.flow)
        largest = float(flow.max(initial=0.0))
        return float(np.einsum("m,m,m", flow, flow, np.abs(change))) / largest if largest > 0.0 else 0.0

    def agrees(self, p: Float, res: Float, s: Float, source: Float, now: float, ahead: float) -> bool:
        """Whether the present flows go with the conductances that they were found with; notes the time ahead."""
        state, drive = self.state, self._drive()
        state.ahead = ahead
        segment = self._drop(self.resistance(self._tried(s, now, ahead), now) - 1.0 / self._segment_g)
        if segment > self.care.drop_error * drive:
            return False
        new, used = self._mouth_resistance(self.levels(p), res, now), np.zeros(len(state.drawn))
        np.divide(1.0, self._mouth_g, out=used, where=self._mouth_g > 0.0)
        flow = np.abs(state.drawn)
        wrong = np.abs(new - used) * flow > self.care.drop_error * drive
        # the flow a mouth lacks or has too much, were the pressures around it to stay
        missing = flow[wrong] * np.abs(used[wrong] / new[wrong] - 1.0)
        return float(missing.sum()) <= self.care.mouths * self._supply(source)

    def _drive(self) -> float:
        """Largest difference of pressure that acts on the network [Pa]."""
        levels = np.concatenate([self._level[self.conducts], self.state.pressure])
        return float(np.ptp(levels)) if levels.size else 0.0

    @property
    def moving(self) -> bool:
        """Whether anything flows in the network."""
        return bool(self.state.flow.any() or self.state.drawn.any() or self.state.waiting.any())

    def scale(self, factor: float) -> None:
        """All rates have changed by a factor."""
        self.state.flow = self.state.flow * factor
        self.state.drawn = self.state.drawn * factor

    def offer(self, exchange: Float, step: float) -> None:
        """Write into `exchange`, as of `kernels_front.transport`, what cells give to vessels and get from them."""
        exchange[:, self.cells] = 0.0
        state, cell = self.state, self.cells[self.mouth_cell]
        np.add.at(exchange[0], cell, np.maximum(state.drawn, 0.0))
        fed = state.waiting / step
        np.add.at(exchange[1], cell, np.maximum(np.maximum(-state.drawn, 0.0), fed))
        np.add.at(exchange[2], cell, fed)
        np.add.at(exchange[3], cell, fed * state.waiting_birth)
        supplied = exchange[2, self.cells]
        np.divide(exchange[3, self.cells], supplied, out=supplied, where=supplied > 0.0)
        exchange[3, self.cells] = supplied

    def move(self, exchange: Float, step: float, now: float) -> None:
        """Advance the network over a step, with what the cells gave."""
        state, cell = self.state, self.cells[self.mouth_cell]
        drawn = np.maximum(state.drawn, 0.0)
        whole = exchange[0, cell]
        share = np.divide(drawn, whole, out=np.zeros_like(drawn), where=whole > 0.0)
        taken = exchange[4, cell]
        self.mouth[:] = 0.0
        self.mouth[kv.DRAWN_INJECTED] = taken * share
        self.mouth[kv.DRAWN] = np.maximum(drawn * step, self.mouth[kv.DRAWN_INJECTED])
        birth = self.mouth[kv.DRAWN_BIRTH]
        birth[...] = now
        np.divide(exchange[5, cell], taken, out=birth, where=taken > 0.0)
        self._gone[:] = 0.0
        self._in_parts(step, now)
        state.waiting = self.mouth[kv.GIVEN].copy()
        dates = np.zeros_like(state.waiting)
        np.divide(self.mouth[kv.GIVEN_BIRTH], state.waiting, out=dates, where=state.waiting > 0.0)
        state.waiting_birth = dates
        for name, (injected, other) in zip(self.net.names, self._gone.tolist(), strict=True):
            state.outflow[name] += injected
            state.outflow_displaced[name] += other

    def _in_parts(self, step: float, now: float) -> None:
        """Follow the columns: find the network's own pressures again whenever one may have passed a segment."""
        state, asked = self.state, self.state.drawn.copy()
        wet = state.injected.any(axis=1) | bool(self.mouth[kv.DRAWN_INJECTED].any())
        passed = np.abs(state.flow) * step / self.net.volume * wet
        parts = int(min(MOST_PARTS, max(1, math.ceil(float(passed.max(initial=0.0)) - 1e-9))))
        self.mouth[: kv.DRAWN_BIRTH] /= parts
        follows = True
        for part in range(parts):
            if part > 0 and follows:
                kept = (state.pressure, state.flow, state.drawn)
                self._segment_g = 1.0 / self.resistance(state, now)
                self._reduce()
                self._settle(self._level)
                # what cells give is settled for the whole step
                follows = bool(np.all(np.sign(state.drawn) == np.sign(asked)))
                if follows:
                    state.drawn = np.where(asked > 0.0, asked, state.drawn)
                else:
                    state.pressure, state.flow, state.drawn = kept
            self._advance(state, step / parts, now, self.mouth, self._gone)
        state.drawn = asked

    def _advance(self, state: VesselState, dt: float, now: float, mouth: Float, gone: Float) -> None:
        kv.advance(
            self._order(), self.net.segment, self._at_node, self._at_mouth, self._outlet, state.flow, state.drawn,
            self.net.blood, dt, now, state.count, state.volume, state.injected, state.birth, mouth, self._out, gone,
            state.leaving, state.leaving_birth,
        )  # fmt: skip


def _lists(n: int, key: Index, values: Index) -> Index:
    """Lists of values by key in one array: n + 1 starts, then the values in the order of their keys."""
    order = np.argsort(key, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n))])
    return np.concatenate([starts, values[order]]).astype(np.int64)
