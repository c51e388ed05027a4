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
from . import straight
from .board import Assignment, Board, Place, filled
from .cpsat import GangModel
from .dive import dive
from .repair import Repair
from .ruin import Ruin
from .smooth import Smooth, heat
from .state import State
from .straight import Straight
from .tiers import BLOCKED, Tiers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...plan import Termination
    from ...schedule.data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
SMALL = 150  # options of a problem that CP-SAT is given whole at once
MIDDLE = 600  # options of one that it is given whole at the end
BIASES = (0.3, 1.0, 3.0)  # how much prices of the bound count beside the bill
CLIMB = 250  # steps of smoothed prices
ASCENT, WORKERS = 600, 2  # iterations of subgradients; threads of CP-SAT
CLIMB_SHARE, ASCENT_SHARE, REPAIR_SHARE = 0.3, 0.4, 0.75  # of the time limit, by when these end
RUINS, SHOWN_S = 6000, 0.25  # steps of ruin without a clock; seconds between two schedules that are told
BREAKS_SHARE = 0.7  # of the time limit, from when on jobs that may be split are
WORTH = 1e-4  # of the bound: what splits must take off it for subgradients to go on from the smoothed prices
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


class _Search(State):
    def run(self) -> GangOutcome:
        """Each way in turn, until the gap is reached."""
        self.lower = self._each_alone()
        self.tell("first")
        self._first()
        if self.best is None or not self.reached():
            self._bounded()
        small = len(self.problem.options.job) <= SMALL
        if not small and not self.reached():
            if self.straight:
                self._guided()
                self._ruined()
            self._repaired()
        if not self.reached() and len(self.problem.options.job) <= MIDDLE:
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

    def _first(self) -> None:
        """A schedule at once; jobs that can only run in pieces, or find no room, are put after the others."""
        for opened in self.openings():
            for order in self.orders()[: 1 if self.best else None]:
                kept = None
                if self.straight:
                    board = straight.filled(Straight(self.terms, self.relaxation, opened), order)
                    kept, missing = board.assignment()
                    if not missing:
                        self.take(kept, 0, "first")
                        continue
                    kept = dataclasses.replace(kept, opened=opened | ~self.problem.upfront)
                fuller = filled(self.terms, opened, order, kept=kept)
                self.take(fuller.assignment(), fuller.missing(), "first")
                if self.past(ASCENT_SHARE):
                    return

    def _bounded(self) -> None:
        """The bound by prices: smoothed ones, exactly valued; subgradients where those cannot see all."""
        upper = float(self.best.micro_usd) if self.best else 2.0 * max(1, sum(min(x, 10**15) for x in self.terms.left))
        near = math.inf
        if self.straight:
            near = self._climbed(upper)
        lost = near - self.bound.micro_usd > WORTH * abs(near)
        if not self.reached() and (not self.straight or lost or self.problem.upfront.any()):
            self._ascended(upper)
        self.tell("bound")

    def _climbed(self, upper: float) -> float:
        """Smoothed prices and the bound at them; what it would be if no job could be split."""
        opened = np.ones_like(self.problem.upfront) if self.best is None else self.best.opened
        smooth = Smooth(self.relaxation, Tiers.of(self.problem, self.nodes, opened))

        def stop(value: float) -> bool:
            return self.best is not None and upper - value <= 0.5 * self.task.gap * upper

        smooth.climb(self._heats(smooth.typical), stop)
        self.keep_prices(smooth.best)
        earned = float(self.relaxation.sold(smooth.best)[0])
        cost = smooth.best_cost()
        return cost - earned

    def _heats(self, typical: float) -> Iterator[float]:
        """Falling by steps, or by the clock if that is sooner."""
        begun, step = self.left(), 0
        room = max(1e-3, begun - (1 - CLIMB_SHARE) * self.task.time_limit_s)
        while step < CLIMB:
            yield heat(typical, step / (CLIMB - 1))
            spent = 0.0 if self.task.deterministic else (begun - self.left()) / room
            if spent >= 1:
                return
            step = max(step + 1, int(spent * CLIMB))

    def _ascended(self, upper: float) -> None:
        """Subgradients, from the prices so far."""
        relaxation = self.relaxation
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

        begin = self.bound.prices if self.straight else None
        found = pricing.ascend(relaxation, upper, iterations=iterations, stop=stop, begin=begin)
        if found.micro_usd > self.bound.micro_usd or not self.straight:
            self.bound = found
        self.raise_bound(found.micro_usd)

    def _guided(self) -> None:
        """Schedules that lean to what the relaxation takes: as the bill and prices of the bound say together."""
        opened = self.problem.upfront if self.best is None else self.best.opened
        cost = self._way_costs()
        for bias in BIASES:
            board = Straight(self.terms, self.relaxation, opened)
            straight.filled(board, self.orders()[0], np.rint(bias * cost).astype(np.int64))
            self.take(*board.assignment(), "guided")
            if self.reached() or self.past(REPAIR_SHARE):
                return

    def _way_costs(self) -> Array:
        """Of each way to run through at the prices of the bound, float [ways]."""
        opened = np.ones_like(self.problem.upfront)
        return Smooth(self.relaxation, Tiers.of(self.problem, self.nodes, opened)).costs(
            self.bound.prices.astype(float)
        )

    def _ruined(self) -> None:
        """A dive, then ruin and repair of what came out."""
        if self.reached():
            return
        opened = self.problem.upfront if self.best is None else self.best.opened
        share = BREAKS_SHARE if self.relaxation.groups else 1.0
        if len(self.problem.options.job) <= MIDDLE:
            share = min(share, REPAIR_SHARE)
        board = Straight(self.terms, self.relaxation, opened)
        smooth = Smooth(self.relaxation, board.tiers)
        smooth.prices = smooth.ahead = np.maximum(self.bound.prices.astype(float), smooth.floor)
        dive(smooth, board, lambda: self.past(REPAIR_SHARE))
        straight.filled(board, self.orders()[0])
        self.take(*board.assignment(), "dive")
        begun = self.task.time_limit_s - self.left()

        def done(step: int) -> float:
            if self.task.deterministic:
                return step / RUINS
            return (self.task.time_limit_s - self.left() - begun) / max(1e-3, share * self.task.time_limit_s - begun)

        shown, ways = [time.monotonic()], list(board.at)

        def better(total: int) -> bool:
            if self.best is not None and total >= self.best.micro_usd:
                return True
            ways[:] = board.at
            reached = total - self.lower <= self.task.gap * total
            if reached or (not self.task.deterministic and time.monotonic() > shown[0] + SHOWN_S):
                self.take(*board.assignment(), "repair")
                shown[0] = time.monotonic()
            return not self.reached()

        ruin = Ruin(board, self.bound.prices.astype(float), self._way_costs(), self.task.seed)
        ruin.run(board.total(), steps=RUINS if self.task.deterministic else math.inf, done=done, better=better)
        self.take(*board.assignment(ways), "repair")

    def _repaired(self) -> None:
        """Ruin and repair, and now and then a part of the schedule for CP-SAT."""
        board = self._board()
        repair = Repair(board, self.task.seed)
        total = board.total()
        rounds = 0
        middle = len(self.problem.options.job) <= MIDDLE
        while not self.reached() and not self.past(REPAIR_SHARE if middle else 1.0):
            if self.task.deterministic and rounds >= ROUNDS:
                break
            rounds += 1
            total = repair.run(
                total, steps=STEPS, stop=lambda: self._out(middle), better=lambda now: self._better(board, now)
            )
            if not self.reached() and not self._out(middle):
                total = self._part(repair, total, rounds)

    def _out(self, middle: bool) -> bool:  # noqa: FBT001
        return self.past(REPAIR_SHARE if middle else 1.0)

    def _better(self, board: Board, total: int) -> bool:
        """Keep the board as it stands; whether to go on."""
        if self.best is None or total < self.best.micro_usd:
            self.take(board.assignment(), board.missing(), "repair")
        return not self.reached()

    def _board(self) -> Board:
        if self.best is None:
            opened = np.ones_like(self.problem.upfront)
            return filled(self.terms, opened, self.orders()[0])
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
            self.take(self._assignment(found), 0, "search")

        found = model.solve(
            seconds=self.left(), work=WHOLE_WORK if self.task.deterministic else math.inf,
            workers=1 if self.task.deterministic else WORKERS, seed=self.task.seed, gap=self.task.gap,
            least=self.lower, improved=improved,
        )  # fmt: skip
        if found.option:
            self.take(self._assignment(found), 0, "search")
            self.raise_bound(min(found.bound, float(self.best.micro_usd)) if self.best else found.bound)

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
        board = filled(self.terms, np.ones_like(self.problem.upfront), self.orders()[0])
        model = GangModel(self.problem, self.nodes, hint=board.assignment(), count_missing=True)
        found = model.solve(
            seconds=self.left(), work=WHOLE_WORK if self.task.deterministic else math.inf,
            workers=1 if self.task.deterministic else WORKERS, seed=self.task.seed,
        )  # fmt: skip
        if found.option:
            made = self._assignment(found)
            short = [j for j in np.flatnonzero(self.problem.jobs.must_run).tolist() if found.option[j] < 0]
            self.take(made, len(short), "search")
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
        elif self.reached():
            ended = "gap reached"
        elif self.task.deterministic or self.left() > 0:
            ended = "gap not reached"
        lower = min(self.lower, self.best.micro_usd)
        self.tell("done")
        return GangOutcome(
            decision=dataclasses.replace(self.best), bound=lower / 1e6, termination=ended,
            prices=self.bound.prices, bound_by_prices=self.bound.micro_usd,
        )  # fmt: skip
