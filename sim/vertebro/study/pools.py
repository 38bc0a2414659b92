"""Where members run: processes on this machine, or a Dask cluster. Both yield outcomes in the order they come."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from vertebro.errors import CaseError, DataError, MissingExtra
from vertebro.study.member import Outcome, run_member

WATCH = 1.0  # s, how often a worker looks whether its sweep still runs
MOST_TRIES = 2  # of a member whose process died with nobody else in it


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A member on its way to a worker: plain values only."""

    number: int
    text: str
    base: str
    keep: str | None
    pictures: bool

    @property
    def arguments(self) -> tuple[str, str, str | None, bool]:
        """Arguments of `run_member`."""
        return self.text, self.base, self.keep, self.pictures


def cores(workers: int | None = None) -> int:
    """Number of local processes: as asked, or one per core this process may use.

    Raises
    ------
    CaseError
        If it is not between 1 and 256.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    count = own if workers is None else workers
    if not 1 <= count <= 256:
        raise CaseError("number of workers", where="--workers", value=workers, allowed="1 to 256")
    return count


def local_cores(
    tasks: list[Task], workers: int | None = None, work: Callable[..., Outcome] = run_member
) -> Iterator[tuple[int, Outcome]]:
    """Run tasks in processes of one thread each; a process that dies costs its own member only.

    Parameters
    ----------
    tasks : list of Task
    workers : int, optional
        Processes; default one per core.
    work : callable
        What a worker does with a task's arguments.

    Yields
    ------
    number, outcome
    """
    count = min(cores(workers), max(len(tasks), 1))
    queue, suspects = deque(tasks), deque[Task]()
    tries = dict.fromkeys((task.number for task in tasks), 0)
    while queue or suspects:
        alone = bool(suspects)  # who was there when a process died goes on alone: then it is clear who kills it
        running: dict[Future[Outcome], Task] = {}
        pool = ProcessPoolExecutor(1 if alone else count, mp_context=get_context("spawn"), initializer=_settle_in)
        try:
            yield from _drain(pool, suspects if alone else queue, running, 1 if alone else count, work)
        except BrokenProcessPool:
            for task in running.values():
                tries[task.number] += alone
                if tries[task.number] < MOST_TRIES:
                    suspects.append(task)
                else:
                    yield task.number, _died(task)
        finally:
            _end(pool)


def _drain(
    pool: ProcessPoolExecutor,
    queue: deque[Task],
    running: dict[Future[Outcome], Task],
    count: int,
    work: Callable[..., Outcome],
) -> Iterator[tuple[int, Outcome]]:
    """Keep `count` tasks running until the queue is empty; `running` holds those that were under way at a crash."""
    while queue or running:
        while queue and len(running) < count:
            task = queue.popleft()
            running[pool.submit(work, *task.arguments)] = task
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            outcome = future.result()  # raises BrokenProcessPool before the task leaves `running`
            yield running.pop(future).number, outcome


def _settle_in() -> None:
    """In a fresh worker: the parent hears Ctrl-C, each worker keeps to one core and ends when the parent is gone."""
    import numba

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    numba.set_num_threads(1)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """A killed sweep leaves no worker behind that computes for nobody."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def _end(pool: ProcessPoolExecutor) -> None:
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5.0)


def run_alone(text: str, base: str, keep: str | None, pictures: bool) -> Outcome:
    """`run_member` on one core, as in a local process: a cluster has a worker for each core."""
    import numba

    numba.set_num_threads(1)
    return run_member(text, base, keep, pictures)


def _died(task: Task) -> Outcome:
    return {
        "status": "failed",
        "digest": "",
        "wall_s": 0.0,
        "error": {"error": "WorkerDied", "message": "the worker process died (out of memory?)", "member": task.number},
    }


def dask_cluster(tasks: list[Task], address: str) -> Iterator[tuple[int, Outcome]]:
    """Run tasks on a Dask cluster.

    Raises
    ------
    MissingExtra
        Without ``distributed``.
    DataError
        If the scheduler cannot be reached.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise MissingExtra("distributed", "study", "a Dask scheduler") from None
    try:
        client: Any = Client(address, timeout="10 s")
    except (OSError, TimeoutError, ValueError) as error:
        raise DataError(
            f"the Dask scheduler cannot be reached: {error}", where="--scheduler", value=address, hint="dask scheduler"
        ) from None
    with client:
        futures = {
            client.submit(run_alone, *task.arguments, key=f"vertebro-{task.number}-{id(tasks)}", pure=False): task
            for task in tasks
        }
        try:
            for future in as_completed(list(futures)):
                task = futures[future]
                yield task.number, future.result() if future.status == "finished" else _died(task)
        finally:
            client.cancel(list(futures))
