"""Runs a sweep: what is done is never done again, what fails three times is set aside, and every step is on disk first.

One process holds the store. Before a scenario is given to a worker, that it begins is committed; with its result, that
the next one does. So a process that is killed loses what its workers had in hand, and nothing else.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..report import files
from . import keys, worker
from .document import canonical, read_document
from .engines import engine as make_engine
from .lock import locked
from .result import SweepReport, read_store
from .store import MOST_ATTEMPTS, Store, StoreError

if TYPE_CHECKING:
    from .document import Scenario, Sweep
    from .engines import Ended, Engine
    from .keys import Search

PLANS = "plans"
UNCHANGED = "leave code, prices and files alone while a sweep runs; run again, and it goes on with what is there now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How far a sweep is, in specs: scenarios that come to the same spec are planned once."""

    total: int
    done: int
    found: int  # of those done, before this run
    failed: int  # set aside
    running: int


def run_sweep(  # noqa: PLR0913 (options by name, each with a default)
    sweep: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    engine: str = "loky",
    scheduler: str | None = None,
    workers: int | None = None,
    time_limit_s: float = 60.0,
    gap: float = 0.01,
    seed: int = 0,
    deterministic: bool = False,
    plans: bool = False,
    wait: bool = False,
    retry: bool = False,
    progress: Callable[[Counts], None] | None = None,
) -> SweepReport:
    """Plan every scenario of a sweep, and write the table of all.

    Args:
        sweep: the file.
        out: folder for the store and the report; with an unfinished sweep in it, that one goes on.
        engine: "loky" for processes of this machine, "dask" for a cluster.
        scheduler: address of a Dask scheduler; without, Dask runs on this machine.
        workers: processes; by default as many as this process may use cores.
        time_limit_s: seconds of search for each scenario.
        gap: relative gap at which to stop.
        seed: of the search.
        deterministic: the same plans on every run and machine; the time limit is then not kept.
        plans: also write every plan to OUT/plans/KEY.json.
        wait: for another sweep on the folder to end, instead of refusing.
        retry: try again what was set aside.
        progress: hears how far it is after every step.

    Raises:
        InputError: the sweep, the spec or a value is not sound; another sweep runs there; the disk is full.
        EngineError: no worker starts, or the cluster is gone.
        KeyboardInterrupt: interrupted; what was done is kept and reported.
    """
    search = keys.Search(time_limit_s=time_limit_s, gap=gap, seed=seed, deterministic=deterministic)
    running = make_engine(engine, workers=workers, scheduler=scheduler)
    read = read_document(sweep)
    with opened(Path(out), wait=wait) as store:
        return coordinate(read, search, store, running, plans=plans, retry=retry, progress=progress)


@contextmanager
def opened(folder: Path, *, wait: bool = False) -> Iterator[Store]:
    """The store in a folder, held alone."""
    files.make_folder(folder)
    with locked(folder, wait=wait), Store(folder) as store:
        yield store


def coordinate(
    sweep: Sweep,
    search: Search,
    store: Store,
    engine: Engine,
    *,
    plans: bool = False,
    retry: bool = False,
    progress: Callable[[Counts], None] | None = None,
) -> SweepReport:
    """Run a sweep that has been read, on a store that is held, and write its report."""
    folder = store.path.parent
    run = _Run(sweep, keys.Jobs(sweep, search, keep_plans=plans), store, progress or (lambda _: None))
    try:
        run.start(_about(sweep, search), retry=retry)
        if run.waiting:
            with engine:
                run.all(engine)
    except StoreError as error:
        said = f"{error.message}; {run.committed():,} of {run.total:,} are done"
        raise StoreError(said, where=error.where, mend=error.mend) from None
    except KeyboardInterrupt:
        with store.transaction():
            store.lose()
        if run.total:
            _report(store, folder)
        raise
    store.fold()
    return _report(store, folder)


def _report(store: Store, folder: Path) -> SweepReport:
    made = read_store(store)
    made.write(folder)
    return made


def _about(sweep: Sweep, search: Search) -> str:
    """What a run was told, for its report."""
    from .. import __version__

    about = {"sweep": sweep.name, "spec": sweep.spec, "name": sweep.data["name"], "fields": list(sweep.paths)}
    return canonical({**about, "search": asdict(search), "version": __version__, "code": keys.code()})


class _Run:
    """One run: what waits, what is in work, and what came of it."""

    def __init__(self, sweep: Sweep, jobs: keys.Jobs, store: Store, told: Callable[[Counts], None]) -> None:
        self.sweep, self.jobs, self.store, self.told = sweep, jobs, store, told
        self.waiting: deque[tuple[str, Scenario]] = deque()  # one for each key that has no result
        self.working: dict[int, tuple[str, Scenario]] = {}  # by attempt
        self.failures: dict[str, int] = {}
        self.keys: set[str] = set()
        self.run = self.total = self.found = self.done = self.set_aside = 0

    def start(self, about: str, *, retry: bool) -> None:
        """Write down all scenarios, and see which have no result yet."""
        keyed = [(scenario, self.jobs(scenario.settings).key) for scenario in self.sweep]
        rows = ((s.number, key, canonical(self.sweep.values(s.settings))) for s, key in keyed)
        with self.store.transaction():
            self.run = self.store.start(about, rows)
            if retry:
                self.store.forgive()
        self.store.fold()  # what killed runs have left
        done, self.failures, lost = self.store.done(), self.store.failures(), self.store.lost()
        first = {key: scenario for scenario, key in reversed(keyed)}
        self.keys, self.total, self.found = set(first), len(first), len(first.keys() & done)
        left = {key for key in first if key not in done}
        aside = {key for key in left if self.failures.get(key, 0) >= MOST_ATTEMPTS}
        self.done, self.set_aside = self.found, len(aside)
        # what was in work when a run was killed goes last: should it be what killed it, the rest is done by then
        order = sorted(left - aside, key=lambda key: (lost.get(key, 0), first[key].number))
        self.waiting = deque((key, first[key]) for key in order)
        self.told(self.counts())

    def counts(self) -> Counts:
        """How far it is."""
        return Counts(
            total=self.total, done=self.done, found=self.found, failed=self.set_aside, running=len(self.working)
        )

    def committed(self) -> int:
        """How many have a result in the store; what was written last may not have become part of it."""
        return len(self.keys & self.store.done())

    def all(self, engine: Engine) -> None:
        """Until nothing waits and nothing is in work: write down what ended and what begins, then begin it."""
        ended: Iterable[Ended] = ()
        while True:
            with self.store.transaction():
                for one in ended:
                    self._end(one)
                begun = [self._begin() for _ in range(min(engine.room(), len(self.waiting)))]
            for attempt, job in begun:
                engine.submit(attempt, job)
            self.told(self.counts())
            if not (self.working or self.waiting):
                return
            ended = engine.wait()

    def _begin(self) -> tuple[int, keys.Job]:
        key, scenario = self.waiting.popleft()
        job = self.jobs(scenario.settings)
        if job.key != key:
            raise EngineError("a file that the spec names changed", where="sweep", mend=UNCHANGED)
        attempt = self.store.begin(job.key, self.run)
        self.working[attempt] = job.key, scenario
        return attempt, job

    def _end(self, ended: Ended) -> None:
        key, scenario = self.working.pop(ended.attempt)
        answer = ended.answer or worker.Answer(error=ended.how)
        if answer.foreign:
            raise EngineError(answer.foreign, where="sweep", mend=UNCHANGED)
        if not answer.error:
            if answer.plan:
                files.make_folder(self.store.path.parent / PLANS)
                files.write_atomically(self.store.path.parent / PLANS / f"{key}.json", answer.plan.encode())
            self.store.finish(ended.attempt, key, answer.content)
            self.done += 1
            return
        self.store.fail(ended.attempt, answer.error)
        self.failures[key] = self.failures.get(key, 0) + 1
        if self.failures[key] >= MOST_ATTEMPTS:
            self.set_aside += 1
        else:
            self.waiting.append((key, scenario))
