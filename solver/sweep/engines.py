"""Where scenarios run: worker processes of this machine through loky, or a Dask cluster. Both look the same from here.

An engine takes jobs while it has room, and tells what came of them in whatever order. It knows nothing of the store.
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ..errors import EngineError, InputError
from . import worker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from .keys import Job
    from .worker import Answer, Work

START_S = 120.0  # until workers are there
TAIL = 4000  # characters of a dead worker's last words
POLL_S = 1.0
RESULT_S = 30.0  # for a result to come from its worker
SETTLE_S = 2.0  # of a new worker of a cluster before it is given a job
DIED = "the worker process died"
AGAIN = "run the same command again when it is up: it goes on where it stopped"
LOCAL = MappingProxyType(  # settings of Dask for a cluster on this machine
    {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.deploy.lost-worker-timeout": "1 day",  # it gives up workers that die twice in so short a time
    }
)
INSTALL = "pip install 'autoparallel-planner[cluster]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job that is over: an answer, or how its worker died."""

    attempt: int
    answer: Answer | None = None
    how: str = ""


class Engine(Protocol):
    """Runs jobs in other processes."""

    def room(self) -> int:
        """How many jobs more would start at once."""

    def submit(self, attempt: int, job: Job) -> None:
        """Start a job."""

    def wait(self) -> list[Ended]:
        """What has ended; waits a while for something to, as there may be room for more by then.

        Raises:
            EngineError: no worker starts, or the cluster is gone.
        """

    def __enter__(self) -> Self:
        """The running engine."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it and all that still runs."""


def engine(name: str, *, workers: int | None = None, scheduler: str | None = None, do: Work = worker.work) -> Engine:
    """The engine of this name.

    Raises:
        InputError: options that do not go together.
    """
    if name not in ("loky", "dask"):
        raise InputError(f"unknown engine {name!r:.80}", where="engine", mend="loky or dask")
    if workers is not None and workers < 1:
        raise InputError("at least one worker", where="workers")
    if scheduler is not None and name != "dask":
        raise InputError("only Dask has a scheduler", where="scheduler", mend="--engine dask")
    if scheduler is not None and workers is not None:
        raise InputError(
            "a cluster has its own workers", where="workers", mend="leave it out, or leave --scheduler out"
        )
    if workers is None:
        from joblib import cpu_count

        workers = int(cpu_count())  # those this process may use
    return Loky(workers, do) if name == "loky" else Dask(workers, scheduler, do)


class Loky:
    """Each worker is a pool of one process: when it dies, what it was doing is known, and no other worker minds."""

    def __init__(self, workers: int, do: Work) -> None:
        """So many processes that each `do` one job at a time; they start when the engine is entered."""
        self._count, self._do = workers, do
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()  # slots
        self._slots: list[_Slot] = []

    def __enter__(self) -> Self:
        """Start all processes."""
        self._folder = tempfile.TemporaryDirectory(prefix="autoparallel-sweep-")
        self._slots = [_Slot(Path(self._folder.name, f"{i}.txt"), self._do) for i in range(self._count)]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End them."""
        for slot in self._slots:
            slot.end()
        self._folder.cleanup()

    def room(self) -> int:
        """Processes that wait."""
        return sum(slot.attempt is None for slot in self._slots)

    def submit(self, attempt: int, job: Job) -> None:
        """Give a job to a process that waits."""
        index = next(i for i, slot in enumerate(self._slots) if slot.attempt is None)
        self._slots[index].begin(attempt, job, lambda _: self._ended.put(index))

    def wait(self) -> list[Ended]:
        """What has ended."""
        return [self._slots[index].over() for index in _heard(self._ended)]


class _Slot:
    """One process, and another when it has died."""

    def __init__(self, words: Path, do: Work) -> None:
        self._words, self._do = words, do
        self.attempt: int | None = None
        self._future: Any = None
        self._start()

    def _start(self) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self._words.write_bytes(b"")
        self._pool = ProcessPoolExecutor(1, initializer=worker.enter, initargs=(os.getpid(), str(self._words)))
        self._ready = self._pool.submit(worker.ready)

    def begin(self, attempt: int, job: Job, told: Any) -> None:
        """Run a job; `told` is called when it is over, in another thread.

        Raises:
            EngineError: no process starts.
        """
        from concurrent.futures import BrokenExecutor

        try:
            self._future = self._pool.submit(self._do, job)
        except BrokenExecutor as death:  # while it had nothing to do: no job's fault
            self._replace(death)
            self._future = self._pool.submit(self._do, job)
        self.attempt = attempt
        self._future.add_done_callback(told)

    def over(self) -> Ended:
        """What came of it; a process that has died is replaced.

        Raises:
            EngineError: the process had never started.
        """
        from concurrent.futures import BrokenExecutor

        attempt, self.attempt = self.attempt or 0, None
        try:
            return Ended(attempt=attempt, answer=self._future.result())
        except BrokenExecutor as death:
            return Ended(attempt=attempt, how=self._replace(death))

    def _replace(self, death: BaseException) -> str:
        """Start another process; how the old one died."""
        how = self._obituary(death)
        if not self._ready.done() or self._ready.exception():
            raise EngineError(f"no worker starts: {how}", where="engine", mend="try --workers 1, and see the memory")
        self.end()
        self._start()
        return how

    def end(self) -> None:
        """Kill it."""
        self._pool.shutdown(wait=True, kill_workers=True)

    def _obituary(self, death: BaseException) -> str:
        """The exit code, and what it said last."""
        lines = [line for line in str(death).splitlines() if "exit codes" in line]
        said = self._words.read_text(encoding="utf-8", errors="replace")[-TAIL:].strip()
        return "\n".join([DIED, *(line.replace("The exit", "exit") for line in lines), said]).strip()


class Dask:
    """A Dask cluster: the one behind a scheduler's address, or one of processes on this machine.

    A job goes to one worker, and to no other if that dies; a worker has one job. So it is known what a worker died of,
    and how often a scheduler would have tried again by itself does not matter.
    """

    def __init__(self, workers: int, scheduler: str | None, do: Work) -> None:
        """Connect, or start so many processes, when the engine is entered."""
        self._workers, self._scheduler, self._do = workers, scheduler, do
        self._running: dict[int, tuple[Any, str]] = {}  # future and worker by attempt
        self._missing: set[int] = set()  # attempts whose workers were not there a moment ago
        self._free: list[str] = []
        self._since: dict[str, float] = {}  # when workers were first seen
        self._seen = time.monotonic()  # when there were workers
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._cluster: Any = None
        self._settings = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            InputError: Dask is not installed, or the address is none.
            EngineError: nobody answers there, there are no workers, or they have other code.
        """
        try:
            from distributed import Client
        except ImportError:
            raise InputError("Dask is not installed", where="engine", mend=INSTALL) from None
        try:
            if self._scheduler is None:
                self._cluster = self._local()
            client: Any = Client  # untyped
            self._client = client(self._scheduler or self._cluster, timeout=START_S / 4, set_as_default=False)
        except (OSError, TimeoutError) as error:
            self.__exit__(None, None, None)
            raise EngineError(
                f"cannot connect: {error}", where=str(self._scheduler), mend="is the scheduler up?"
            ) from None
        except ValueError as error:
            raise InputError(f"is no address: {error}", where=str(self._scheduler), mend="tcp://HOST:8786") from None
        try:
            self._greet()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _local(self) -> Any:
        import logging

        import dask
        from distributed import LocalCluster

        cluster: Any = LocalCluster  # untyped
        self._settings.enter_context(dask.config.set(LOCAL))
        return cluster(
            n_workers=self._workers, threads_per_worker=1, processes=True, dashboard_address=":0",
            silence_logs=logging.CRITICAL, memory_limit=0,
        )  # fmt: skip

    def _greet(self) -> None:
        """Wait for workers, and ask what they have."""
        try:
            self._client.wait_for_workers(self._workers if self._cluster else 1, timeout=START_S)
            found = self._client.run(worker.ready)
        except TimeoutError:
            raise EngineError(
                "the cluster has no workers", where="dask", mend="start some: dask worker ADDRESS"
            ) from None
        except Exception as error:  # noqa: BLE001 (whatever a worker raised)
            mend = f"install this version on every worker: {INSTALL}"
            raise EngineError(f"a worker cannot run the planner: {error!s:.300}", where="dask", mend=mend) from None
        if self._cluster is not None:
            self._client.register_plugin(_local_worker())
        if set(found.values()) != {worker.ready()}:
            mend = "install the same versions everywhere"
            raise EngineError(
                "the workers run another version of the planner or of its libraries", where="dask", mend=mend
            )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let go of what runs, and end what was started here."""
        client = getattr(self, "_client", None)
        if client is not None:
            if self._running:
                client.cancel([future for future, _ in self._running.values()], force=True)
            client.close(timeout=POLL_S * 5)
        if self._cluster is not None:
            self._cluster.close(timeout=POLL_S * 10)
        self._settings.close()

    def room(self) -> int:
        """Workers that wait.

        Raises:
            EngineError: for a long time there has been none at all.
        """
        workers = self._alive()
        self._seen = time.monotonic() if workers else self._seen
        if time.monotonic() - self._seen > START_S:
            raise EngineError("the cluster has no workers any more", where="dask", mend=AGAIN)
        busy = {address for _, address in self._running.values()}
        self._free = [address for address in self._settled(workers) if address not in busy]
        return len(self._free)

    def _alive(self) -> list[str]:
        """Addresses of all workers.

        Raises:
            EngineError: the scheduler is gone.
        """
        if self._client.status == "running":
            with contextlib.suppress(OSError, TimeoutError):
                return list(self._client.nthreads())
        raise EngineError("the scheduler is gone", where="dask", mend=AGAIN)

    def _settled(self, workers: Iterable[str]) -> list[str]:
        """Workers whose nannies know that they have started: of one that dies before, none would start another."""
        now = time.monotonic()
        self._since = {address: self._since.get(address, now) for address in workers}
        found = [address for address, since in self._since.items() if now - since >= SETTLE_S]
        if self._cluster is None:
            return found
        nannies = self._cluster.workers.values()
        known = {nanny.worker_address for nanny in nannies if nanny.status.name == "running"}
        return [address for address in self._since if address in known]

    def submit(self, attempt: int, job: Job) -> None:
        """Give a job to a worker that waits."""
        address, key = self._free.pop(), f"sweep-{attempt}-{job.key}"
        future: Any = self._client.submit(self._do, job, key=key, workers=[address], pure=False, retries=0)
        self._running[attempt] = future, address
        future.add_done_callback(lambda _: self._ended.put(attempt))

    def wait(self) -> list[Ended]:
        """What has ended, and what was on workers that are gone."""
        found = [self._over(attempt) for attempt in _heard(self._ended) if attempt in self._running]
        workers = self._alive()
        missing = {attempt for attempt, (_, address) in self._running.items() if address not in workers}
        for attempt in missing & self._missing:  # twice: there was time for its end to be heard of
            future, _ = self._running.pop(attempt)
            future.cancel()
            found.append(Ended(attempt=attempt, how=DIED))
        self._missing = missing
        return found

    def _over(self, attempt: int) -> Ended:
        from distributed import KilledWorker

        future, _ = self._running.pop(attempt)
        try:
            return Ended(attempt=attempt, answer=future.result(timeout=RESULT_S))
        except (KilledWorker, TimeoutError):  # its worker died while it ran, or with its result
            return Ended(attempt=attempt, how=DIED)
        except Exception as error:  # noqa: BLE001 (of Dask itself: a job never raises)
            if future.status in ("cancelled", "lost"):
                raise EngineError("the scheduler is gone", where="dask", mend=AGAIN) from None
            return Ended(attempt=attempt, how=f"{type(error).__name__}: {error}")


def _local_worker() -> Any:
    """What a worker on this machine does when it starts: it leaves interrupts to the sweep."""
    import signal

    from distributed import WorkerPlugin

    class Local(WorkerPlugin):
        def setup(self, worker: Any) -> None:  # noqa: ARG002 (Dask's form)
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Local()


def _heard(ended: queue.SimpleQueue[int]) -> list[int]:
    """All that ended; waits a while for the first. Some systems deliver an interrupt only between waits."""
    try:
        found = [ended.get(timeout=POLL_S)]
    except queue.Empty:
        return []
    while not ended.empty():
        found.append(ended.get())
    return found
