"""The whole search: a schedule at once, a bound by prices; better ones by those prices, by repair and by CP-SAT."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError
from . import prices as pricing
from .board import Assignment, Board, Place, Terms, filled
from .cpsat import GangModel
from .repair import Repair
from .tiers import BLOCKED, useful_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...plan import Termination
    from ...schedule.data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
SMALL = 150  # options of a problem that CP-SAT is given whole at once
MIDDLE = 600  # options of one that it is given whole at the end
BIASES = (0.3, 1.0, 3.0)  # how much the shares of the relaxation count, in costs of a mean option
ASCENT, WORKERS = 600, 2  # iterations of the bound; threads of CP-SAT
ASCENT_SHARE, REPAIR_SHARE = 0.4, 0.75  # of the time limit, by when these end
MOST_BLOCKS = 8  # supplies with an upfront payment that are tried open and closed one by one
STEPS, ROUNDS, AROUND = 300, 12, 14  # of repair between two parts for CP-SAT; rounds without a clock; jobs of a part
PART_WORK, WHOLE_WORK = 0.15, 4.0  # CP-SAT's deterministic time
DEEP = 5_000_000  # cells of the dynamic program an iteration of the bound may cost when no clock ends it


@dataclass(frozen=True, slots=True, kw_only=True)
class GangOutcome:
    """What the search ended with."""

    decision: Assignment | None  # None when no schedule runs all jobs that must
    bound: float  # dollars
    termination: Termination
    prices: Array  # int64 [P, T] of the bound by prices
    bound_by_prices: int  # micro-dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class GangTask:
    """What to search, and how long and well; the host of searches takes it as it takes a Task."""

    problem: ScheduleProblem
    time_limit_s: float
    gap: float
    seed: int
    deterministic: bool
    memory_limit_gib: float | None = None

    def search(
        self, report: Callable[[str, float, float], None], keep: Callable[[Assignment, float], None]
    ) -> GangOutcome:
        """Do it, in this process."""
        return _Search(self, report, keep).run()


class _Search:
    def __init__(
        self, task: GangTask, report: Callable[[str, float, float], None], keep: Callable[[Assignment, float], None]
    ) -> None:
        self.task, self.report, self.keep = task, report, keep
        self.start = time.monotonic()
        self.problem = task.problem
        self.nodes = useful_nodes(task.problem)
        self.terms = Terms(task.problem, self.nodes)
        self.best: Assignment | None = None
        self.lower = 0
        self.incomplete: Assignment | None = None  # of a problem in which not all that must can run
        self.impossible = False
        self.bound = pricing.Bound(
            prices=np.zeros((len(task.problem.pools), task.problem.hours), dtype=np.int64), micro_usd=0,
            share=np.zeros(len(task.problem.options.job)), iterations=0,
        )  # fmt: skip

    def run(self) -> GangOutcome:
        """Each way in turn, until the gap is reached."""
        self.lower = self._each_alone()
        self._tell("first")
        self._first()
        if self.best is None or not self._reached():
            self._bounded()
        small = len(self.problem.options.job) <= SMALL
        if not small and not self._reached():
            self._guided()
            self._repaired()
        if not self._reached() and len(self.problem.options.job) <= MIDDLE:
            self._whole()
        if self.best is None:
            self._rescue()
        return self._outcome()

    def _each_alone(self) -> int:
        """What the jobs cost at least if each had the cheapest nodes of its pools to itself."""
        o, j = self.problem.options, self.problem.jobs
        least = np.full(len(j.name), BLOCKED, dtype=np.int64)
        np.minimum.at(least, o.job, self.terms.least)
        least = np.where(j.must_run, least, np.minimum(least, j.unrun_micro_usd))
        return int(np.where(least < BLOCKED, least, 0).sum())

    def left(self) -> float:
        """Seconds left."""
        if self.task.deterministic:
            return math.inf
        return self.task.time_limit_s - (time.monotonic() - self.start)

    def past(self, share: float) -> bool:
        """Whether this share of the time limit is gone."""
        return self.left() < (1 - share) * self.task.time_limit_s

    def _reached(self) -> bool:
        return self.best is not None and self.best.micro_usd - self.lower <= self.task.gap * self.best.micro_usd

    def _tell(self, phase: str) -> None:
        self.report(phase, self.lower / 1e6, math.inf if self.best is None else self.best.micro_usd / 1e6)

    def _take(self, found: Assignment, missing: int, phase: str) -> bool:
        """Keep a schedule if it is the best so far and runs all that must."""
        if missing or (self.best is not None and found.micro_usd >= self.best.micro_usd):
            return False
        self.best = found
        self.keep(found, self.lower / 1e6)
        self._tell(phase)
        return True

    def _raise(self, micro_usd: float) -> None:
        if math.isfinite(micro_usd):
            self.lower = max(self.lower, math.ceil(micro_usd - 1e-6 * max(1.0, abs(micro_usd)) * 1e-6))

    def _openings(self) -> list[Array]:
        """Which supplies with an upfront payment to open: none, all, each alone."""
        upfront = self.problem.upfront
        made = [~upfront]
        if upfront.any():
            made.append(np.ones_like(upfront))
            rows = np.flatnonzero(upfront)
            if 1 < len(rows) <= MOST_BLOCKS:
                made += [~upfront | (np.arange(len(upfront)) == row) for row in rows]
        return made

    def _orders(self) -> list[list[int]]:
        """Earliest deadline first; least slack first; largest first."""
        j, o = self.problem.jobs, self.problem.options
        shortest, area = np.full(len(j.name), 1 << 40, dtype=np.int64), np.zeros(len(j.name), dtype=np.int64)
        np.minimum.at(shortest, o.job, o.hours)
        np.maximum.at(area, o.job, o.hours * o.nodes)
        must = ~j.must_run
        keys = (j.deadline, j.deadline - j.release - shortest, -area)
        return [np.lexsort((key, must)).tolist() for key in keys]

    def _first(self) -> None:
        """A schedule at once."""
        board = None
        for opened in self._openings():
            for order in self._orders()[: 1 if board else None]:
                board = filled(self.terms, opened, order)
                self._take(board.assignment(), board.missing(), "first")
                if self.past(ASCENT_SHARE):
                    return

    def _bounded(self) -> None:
        """The bound by prices."""
        relaxation = pricing.Relaxation(self.problem, self.nodes)
        upper = float(self.best.micro_usd) if self.best else 2.0 * max(1, sum(min(x, 10**15) for x in self.terms.left))
        cells = sum(
            g.cells.size * g.rules[0] * int(self.problem.options.hours[g.options].max()) for g in relaxation.groups
        )
        iterations = ASCENT if not self.task.deterministic else max(10, min(ASCENT, 100 * DEEP // max(1, cells)))
        every = [0]

        def stop(value: float) -> bool:
            every[0] += 1
            if every[0] % 50 == 0:
                self.report("bound", max(self.lower, value) / 1e6, math.inf if self.best is None else upper / 1e6)
            reached = self.best is not None and upper - value <= 0.9 * self.task.gap * upper
            return reached or self.past(ASCENT_SHARE)

        self.bound = pricing.ascend(relaxation, upper, iterations=iterations, stop=stop)
        self._raise(self.bound.micro_usd)
        self._tell("bound")

    def _guided(self) -> None:
        """Schedules that lean to the options that the relaxation takes."""
        typical = float(np.minimum(self.terms.least, 10**15).mean()) if len(self.terms.least) else 0.0
        opened = self.problem.upfront if self.best is None else self.best.opened
        for bias in BIASES:
            for order in self._orders()[:1]:
                board = filled(self.terms, opened, order, -bias * typical * self.bound.share)
                self._take(board.assignment(), board.missing(), "guided")
                if self._reached() or self.past(REPAIR_SHARE):
                    return

    def _repaired(self) -> None:
        """Ruin and repair, and now and then a part of the schedule for CP-SAT."""
        board = self._board()
        repair = Repair(board, self.task.seed)
        total = board.total()
        rounds = 0
        middle = len(self.problem.options.job) <= MIDDLE
        while not self._reached() and not self.past(REPAIR_SHARE if middle else 1.0):
            if self.task.deterministic and rounds >= ROUNDS:
                break
            rounds += 1
            total = repair.run(
                total, steps=STEPS, stop=lambda: self._out(middle), better=lambda now: self._better(board, now)
            )
            if not self._reached() and not self._out(middle):
                total = self._part(repair, total, rounds)

    def _out(self, middle: bool) -> bool:  # noqa: FBT001
        return self.past(REPAIR_SHARE if middle else 1.0)

    def _better(self, board: Board, total: int) -> bool:
        """Keep the board as it stands; whether to go on."""
        if self.best is None or total < self.best.micro_usd:
            self._take(board.assignment(), board.missing(), "repair")
        return not self._reached()

    def _board(self) -> Board:
        if self.best is None:
            opened = np.ones_like(self.problem.upfront)
            return filled(self.terms, opened, self._orders()[0])
        return self._from(self.best)

    def _from(self, found: Assignment) -> Board:
        """The board of a schedule, each job with what it adds as jobs are put one by one."""
        board = Board(self.terms, found.opened)
        for job, option in enumerate(found.option.tolist()):
            if option >= 0:
                board.put(job, self._priced(board, option, found.spans[job]))
        return board

    def _priced(self, board: Board, option: int, spans: tuple[tuple[int, int], ...]) -> Place:
        o = self.problem.options
        pool, nodes = int(o.pool[option]), int(o.nodes[option])
        cost = sum(int(board.tiers.added(board.load, pool, nodes, a, b).sum()) for a, b in spans)
        return Place(option, spans, cost + int(o.micro_usd[option]))

    def _part(self, repair: Repair, total: int, number: int) -> int:
        """A few neighbours searched whole by CP-SAT, the others as they are."""
        board = repair.board
        jobs = sorted(repair.neighbours(repair.unlucky(), AROUND))
        before = [board.places[job] for job in jobs]
        hint = Assignment(
            option=np.array([-1 if p is None else p.option for p in board.places], dtype=np.int64),
            spans=tuple(() if p is None else p.spans for p in board.places), opened=board.opened, micro_usd=total,
        )  # fmt: skip
        saved = sum(board.take(job) for job in jobs)
        model = GangModel(self.problem, self.nodes, jobs=jobs, base=board.load, hint=hint, opened=board.opened)
        found = model.solve(work=PART_WORK, seconds=self.left(), seed=self.task.seed + number)
        added, after = 0, list[Place | None]()
        for job in jobs if found.option else ():
            option = found.option[job]
            place = self._priced(board, option, found.spans[job]) if option >= 0 else None
            board.put(job, place)
            after.append(place)
            added += self.terms.left[job] if place is None else place.micro_usd
        if after and added <= saved:
            for job, place in zip(jobs, after, strict=True):
                repair._note(job, place)  # noqa: SLF001
            if added < saved:
                self._better(board, total + added - saved)
            return total + added - saved
        for job in jobs:
            board.take(job)
        for job, place in zip(jobs, before, strict=True):
            board.put(job, place)
        return total

    def _whole(self) -> None:
        """The whole problem for CP-SAT, from the best schedule and with the bound so far."""
        if self.left() <= 0:
            return
        model = GangModel(self.problem, self.nodes, hint=self.best)

        def improved(found: Any) -> None:
            self._take(self._assignment(found), 0, "search")

        found = model.solve(
            seconds=self.left(), work=WHOLE_WORK if self.task.deterministic else math.inf,
            workers=1 if self.task.deterministic else WORKERS, seed=self.task.seed, gap=self.task.gap,
            least=self.lower, improved=improved,
        )  # fmt: skip
        if found.option:
            self._take(self._assignment(found), 0, "search")
            self._raise(min(found.bound, float(self.best.micro_usd)) if self.best else found.bound)

    def _assignment(self, found: Any) -> Assignment:
        """CP-SAT's schedule with its true bill."""
        board = Board(self.terms, found.opened)
        for job, option in found.option.items():
            if option >= 0:
                board.put(job, Place(option, found.spans[job], 0))
        return board.assignment()

    def _rescue(self) -> None:
        """No schedule yet that runs all that must: ask CP-SAT for as few left out as can be."""
        if self.left() <= 0:
            return
        board = filled(self.terms, np.ones_like(self.problem.upfront), self._orders()[0])
        model = GangModel(self.problem, self.nodes, hint=board.assignment(), count_missing=True)
        found = model.solve(
            seconds=self.left(), work=WHOLE_WORK if self.task.deterministic else math.inf,
            workers=1 if self.task.deterministic else WORKERS, seed=self.task.seed,
        )  # fmt: skip
        if found.option:
            made = self._assignment(found)
            short = [j for j in np.flatnonzero(self.problem.jobs.must_run).tolist() if found.option[j] < 0]
            self._take(made, len(short), "search")
            self.incomplete, self.impossible = made, bool(short) and found.status == "optimal"

    def _outcome(self) -> GangOutcome:
        if self.best is None:
            if not self.impossible:
                raise EngineError("no schedule within the time limit", where="engine", mend="give it more seconds")
            return GangOutcome(
                decision=self.incomplete, bound=-math.inf, termination="infeasible",
                prices=self.bound.prices, bound_by_prices=self.bound.micro_usd,
            )  # fmt: skip
        gap = self.best.micro_usd - self.lower
        ended: Termination = "time limit"
        if gap <= 0:
            ended = "optimal"
        elif self._reached():
            ended = "gap reached"
        elif self.task.deterministic or self.left() > 0:
            ended = "gap not reached"
        lower = min(self.lower, self.best.micro_usd)
        self._tell("done")
        return GangOutcome(
            decision=dataclasses.replace(self.best), bound=lower / 1e6, termination=ended,
            prices=self.bound.prices, bound_by_prices=self.bound.micro_usd,
        )  # fmt: skip
