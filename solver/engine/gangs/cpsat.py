"""Gang scheduling as CP-SAT has it: optional intervals, and cumulatives in which what is not to be had is one too.

Each rule adds its own part, so that tests can leave any out. All numbers are whole: hours, nodes, micro-dollars.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError
from .board import Assignment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...schedule.data import ScheduleProblem

Array = np.ndarray[Any, np.dtype[Any]]
RULES = (
    "one option", "must run", "window", "gang", "hours", "restart", "segment length", "gap", "capacity",
    "node price", "once", "upfront", "unrun price",
)  # fmt: skip

FIELDS = (
    "release", "deadline", "must_run", "unrun_micro_usd", "max_segments", "min_segment_hours", "restart_hours",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What CP-SAT said. `bound` is in micro-dollars of the jobs asked for; −inf without one."""

    option: dict[int, int]  # job: option, −1
    spans: dict[int, tuple[tuple[int, int], ...]]
    opened: Array  # bool [S]
    bound: float
    status: str  # "optimal", "feasible", "infeasible" or "none"


class GangModel:
    """The model of some jobs beside a load that others take already."""

    def __init__(
        self,
        problem: ScheduleProblem,
        nodes: Array,
        *,
        jobs: Sequence[int] | None = None,
        base: Array | None = None,
        hint: Assignment | None = None,
        opened: Array | None = None,
        without: frozenset[str] = frozenset(),
        count_missing: bool = False,
    ) -> None:
        """Build it.

        Args:
            problem: what to schedule.
            nodes: of each supply, int64 [S, T] (see tiers.useful_nodes).
            jobs: rows; all by default.
            base: nodes taken in each pool and hour by other jobs, [P, T].
            hint: a schedule to begin with.
            opened: supplies that stay open or closed as they are, [S]; by default that is a choice.
            without: rules left out.
            count_missing: ask for the fewest jobs left out that must run, instead of the least cost.
        """
        from ortools.sat.python import cp_model

        self.cp, self.model = cp_model, cp_model.CpModel()
        self.problem, self.nodes, self.without, self.hint = problem, nodes, without, hint
        self.jobs = list(range(len(problem.jobs.name))) if jobs is None else list(jobs)
        self.base = np.zeros((len(problem.pools), problem.hours), dtype=np.int64) if base is None else base
        self.terms: list[tuple[Any, int]] = []
        self.constant = 0
        self.present: dict[int, list[tuple[int, Any]]] = {}
        self.pieces: dict[int, list[tuple[Any, Any, Any]]] = {}  # job: (start, end, there) of each segment
        self.taken: list[list[tuple[Any, int, int, int]]] = [[] for _ in problem.pools]  # interval, nodes, job, option
        self.energy: list[list[tuple[Any, int]]] = [[] for _ in problem.pools]
        self.count_missing = count_missing
        self.missing: list[Any] = []
        order = np.argsort(problem.options.job, kind="stable")
        at = np.searchsorted(problem.options.job[order], np.arange(len(problem.jobs.name) + 1))
        self.options_of = {j: order[at[j] : at[j + 1]].tolist() for j in self.jobs}
        for job in self.jobs:
            self._job(job)
        self.open = self._opening(opened)
        for pool in range(len(problem.pools)):
            self._pool(pool)
        self._alike()

    def _job(self, job: int) -> None:
        """Choices and segments of one job."""
        p, m = self.problem, self.model
        o, j = p.options, p.jobs
        first, last = int(j.release[job]), int(j.deadline[job])
        if "window" in self.without:
            first, last = 0, p.hours
        rows = [k for k in self.options_of[job] if int(o.hours[k]) <= last - first]
        there = [(k, m.new_bool_var(f"{job} takes {k}")) for k in rows]
        runs = m.new_bool_var(f"{job} runs")
        self.present[job] = there
        if "one option" not in self.without:
            m.add(sum(x for _, x in there) == runs)
        if j.must_run[job]:
            if self.count_missing:
                self.missing.append(runs.negated())
            elif "must run" not in self.without:
                m.add(runs == 1)
        elif "unrun price" not in self.without:
            self._charge(runs.negated(), int(j.unrun_micro_usd[job]))
        for k, x in there:
            if "once" not in self.without:
                self._charge(x, int(o.micro_usd[k]))
        self._segments(job, there, runs, (first, last))

    def _segments(self, job: int, there: list[tuple[int, Any]], runs: Any, window: tuple[int, int]) -> None:
        j, m = self.problem.jobs, self.model
        least = 1 if "segment length" in self.without else int(j.min_segment_hours[job])
        longest = max([int(self.problem.options.hours[k]) for k, _ in there] or [1])
        most = min(int(j.max_segments[job]), max(1, longest // least))
        if most == 1:
            self._through(job, there, runs, window)
            return
        head = 0 if "restart" in self.without else int(j.restart_hours[job])
        used = [runs, *(m.new_bool_var(f"{job} has segment {i}") for i in range(1, most))]
        lengths = self._line(job, used, window, least + head)
        m.add(lengths[0] >= least).only_enforce_if(used[1])
        for k, x in there:
            hours = int(self.problem.options.hours[k])
            if "hours" not in self.without:
                m.add(sum(lengths) == hours + head * sum(used[1:])).only_enforce_if(x)
            m.add(sum(used) <= max(1, hours // least)).only_enforce_if(x)
            self._place(job, k, x, lengths)

    def _line(self, job: int, used: list[Any], window: tuple[int, int], further: int) -> list[Any]:
        """Segments one after another, further ones at least so long; their lengths."""
        m, lengths = self.model, []
        self.pieces[job] = []
        for i, live in enumerate(used):
            start, end = (m.new_int_var(*window, f"{job} {what} {i}") for what in ("starts", "ends"))
            length = m.new_int_var(0, window[1] - window[0], f"{job} lasts {i}")
            m.add(end == start + length)
            m.add(length == 0).only_enforce_if(live.negated())
            m.add(length >= (further if i else 1)).only_enforce_if(live)
            if i:
                m.add_implication(live, used[i - 1])
                if "gap" not in self.without:
                    m.add(start >= self.pieces[job][-1][1] + 1).only_enforce_if(live)
            lengths.append(length)
            self.pieces[job].append((start, end, live))
        return lengths

    def _place(self, job: int, k: int, there: Any, lengths: list[Any]) -> None:
        """Intervals of one option of a job with segments."""
        o, m = self.problem.options, self.model
        pool, nodes = int(o.pool[k]), self._gang(k)
        for i, (start, end, live) in enumerate(self.pieces[job]):
            both = there
            if i:
                both = m.new_bool_var(f"{job} has {i} in {k}")
                m.add_bool_and([there, live]).only_enforce_if(both)
                m.add_bool_or([there.negated(), live.negated(), both])
            interval = m.new_optional_interval_var(start, lengths[i], end, both, f"{job} {i} in {k}")
            self.taken[pool].append((interval, nodes, job, k))
        total = m.new_int_var(0, self.problem.hours, f"hours of {job} in {k}")
        m.add(total >= sum(lengths)).only_enforce_if(there)
        self.energy[pool].append((total, nodes))

    def _through(self, job: int, there: list[tuple[int, Any]], runs: Any, window: tuple[int, int]) -> None:
        """A job that runs without a break."""
        o, m = self.problem.options, self.model
        first, last = window
        start = m.new_int_var(first, last, f"{job} starts")
        shortest = 1 if "hours" in self.without else min([int(o.hours[k]) for k, _ in there] or [0])
        end = m.new_int_var(first, max(first, last), f"{job} ends")
        for k, x in there:
            pool, nodes = int(o.pool[k]), self._gang(k)
            if "hours" in self.without:
                length: Any = shortest
            else:
                length = int(o.hours[k])
            m.add(end == start + length).only_enforce_if(x)
            self.taken[pool].append(
                (m.new_optional_fixed_size_interval_var(start, length, x, f"{job} in {k}"), nodes, job, k)
            )
            self.energy[pool].append((x, nodes * length))
        self.pieces[job] = [(start, end, runs)]

    def _gang(self, k: int) -> int:
        return 1 if "gang" in self.without else int(self.problem.options.nodes[k])

    def _charge(self, variable: Any, micro_usd: int) -> None:
        if micro_usd:
            self.terms.append((variable, micro_usd))

    def _opening(self, opened: Array | None) -> list[Any]:
        """A yes or no for each supply with an upfront payment; None for the others."""
        made: list[Any] = []
        for row, must_open in enumerate(self.problem.upfront.tolist()):
            if not must_open:
                made.append(None)
            elif opened is not None:
                made.append(self.model.new_constant(int(opened[row])))
            else:
                made.append(self.model.new_bool_var(f"supply {row} opened"))
                if "upfront" not in self.without:
                    self._charge(made[-1], int(self.problem.supplies.upfront_micro_usd[row]))
        return made

    def _pool(self, pool: int) -> None:
        """Capacity and the price of nodes."""
        if not self.taken[pool]:
            return
        rows = np.flatnonzero(self.problem.supplies.pool == pool)
        price = self.problem.supplies.micro_usd_per_hour[rows]
        plain = len(rows) == 1 and self.open[rows[0]] is None and bool((price == price[0, 0]).all())
        if plain:
            for variable, nodes in self.energy[pool]:
                if "node price" not in self.without:
                    self._charge(variable, nodes * int(price[0, 0]))
            self._cumulative(pool, [], self.nodes[rows[0]] - self.base[pool])
        else:
            self._tiered(pool, rows)

    def _tiered(self, pool: int, rows: Array) -> None:
        """What is used of each supply in each hour is a variable; what is not stands in the way."""
        m, gives = self.model, []
        hours = self._hours(pool)
        for t in hours:
            used = []
            for row in rows.tolist():
                most = int(self.nodes[row, t])
                if not most:
                    continue
                x = m.new_int_var(0, most, f"{row} gives {t}")
                if self.open[row] is not None:
                    m.add(x <= most * self.open[row])
                if "node price" not in self.without:
                    self._charge(x, int(self.problem.supplies.micro_usd_per_hour[row, t]))
                used.append(x)
            gives.append((t, sum(used) - int(self.base[pool, t])))
        if "capacity" not in self.without:
            self._cumulative(pool, gives, None)
        whole = sum(given for _, given in gives)
        if self.energy[pool]:  # all at once: weak, but the relaxation sees it
            m.add(whole >= sum(x * nodes for x, nodes in self.energy[pool]))

    def _hours(self, pool: int) -> list[int]:
        """Hours in which a job of the model may use the pool."""
        wanted, j = np.zeros(self.problem.hours, dtype=bool), self.problem.jobs
        if "window" in self.without:
            return list(range(self.problem.hours))
        for job in {job for _, _, job, _ in self.taken[pool]}:
            wanted[int(j.release[job]) : int(j.deadline[job])] = True
        return np.flatnonzero(wanted).tolist()

    def _cumulative(self, pool: int, gives: list[tuple[int, Any]], room: Array | None) -> None:
        if "capacity" in self.without:
            return
        m = self.model
        intervals = [i for i, *_ in self.taken[pool]]
        demands: list[Any] = [n for _, n, *_ in self.taken[pool]]
        if room is None:
            rows = np.flatnonzero(self.problem.supplies.pool == pool)
            most = int((self.nodes[rows].sum(axis=0)).max(initial=0))
            for t, given in gives:
                idle = m.new_int_var(0, most, f"not to be had of {pool} at {t}")
                m.add(idle == most - given)
                intervals.append(m.new_fixed_size_interval_var(t, 1, ""))
                demands.append(idle)
            m.add_cumulative(intervals, demands, most)
            return
        most = int(room.max(initial=0))
        edges = np.flatnonzero(np.concatenate([[True], room[1:] != room[:-1], [True]]))
        for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if room[a] < most:
                intervals.append(m.new_fixed_size_interval_var(a, b - a, ""))
                demands.append(most - int(room[a]))
        m.add_cumulative(intervals, demands, most)

    def _alike(self) -> None:
        """Of jobs that are the same in all but name, the earlier starts first, and runs if the later does."""
        self.alike: list[list[int]] = []
        groups: dict[Any, list[int]] = {}
        for job in self.jobs:
            groups.setdefault(same(self.problem, job, self.options_of[job]), []).append(job)
        for group in groups.values():
            if len(group) > 1:
                self.alike.append(group)
                for one, other in itertools.pairwise(group):
                    (a, _, first), (b, _, second) = self.pieces[one][0], self.pieces[other][0]
                    self.model.add_implication(second, first)
                    self.model.add(a <= b).only_enforce_if(second)

    def _hinted(self) -> None:
        """Give the schedule to begin with, jobs alike put in order."""
        if self.hint is None:
            return
        place = {j: (int(self.hint.option[j]), self.hint.spans[j]) for j in self.jobs}
        for group in self.alike:
            sorted_places = sorted((place[j] for j in group), key=lambda p: (p[0] < 0, p[1]))
            kinds = [self.options_of[j] for j in group]
            for job, (option, spans), mine in zip(group, sorted_places, kinds, strict=True):
                home = next((k for k in kinds if option in k), mine)
                place[job] = (mine[home.index(option)] if option >= 0 else -1, spans)
        for job, (option, spans) in place.items():
            for k, x in self.present[job]:
                self.model.add_hint(x, int(k == option))
            for i, (start, end, live) in enumerate(self.pieces[job]):
                if i < len(spans):
                    self.model.add_hint(start, spans[i][0])
                    self.model.add_hint(end, spans[i][1])
                self.model.add_hint(live, int(i < len(spans)))
        for x, value in zip(self.open, self.hint.opened.tolist(), strict=True):
            if x is not None and not isinstance(x, int):
                self.model.add_hint(x, int(value))

    def solve(
        self,
        *,
        seconds: float = math.inf,
        work: float = math.inf,
        workers: int = 1,
        seed: int = 0,
        gap: float = 0.0,
        least: int | None = None,
        improved: Callable[[Found], None] | None = None,
    ) -> Found:
        """Search.

        Args:
            seconds: by the clock.
            work: CP-SAT's deterministic time.
            workers: threads; one gives the same answer every time.
            seed: of the search.
            gap: relative gap at which to stop.
            least: micro-dollars that no schedule of these jobs beats, if known.
            improved: hears of each better schedule.
        """
        self._hinted()
        unit = 1
        if self.count_missing:
            self.model.minimize(sum(self.missing))
        elif self.terms:
            unit = math.gcd(*(c for _, c in self.terms))
            goal = self.cp.LinearExpr.weighted_sum([x for x, _ in self.terms], [c // unit for _, c in self.terms])
            self.model.minimize(goal)
            if least is not None:
                self.model.add(goal >= -(-least // unit))
        solver = self.cp.CpSolver()
        q = solver.parameters
        q.num_workers, q.random_seed, q.relative_gap_limit = workers, seed, gap
        q.catch_sigint_signal = False  # else Ctrl-C later ends the process at once, and silently
        if math.isfinite(seconds):
            q.max_time_in_seconds = max(0.01, seconds)
        if math.isfinite(work):
            q.max_deterministic_time = work
        status = solver.solve(self.model, _listener(self, improved))
        if status == self.cp.MODEL_INVALID:
            raise EngineError(
                f"CP-SAT refused the model: {self.model.validate():.300}", where="engine", mend="report it"
            )
        names = {self.cp.OPTIMAL: "optimal", self.cp.FEASIBLE: "feasible", self.cp.INFEASIBLE: "infeasible"}
        said = names.get(status, "none")
        if said in {"infeasible", "none"}:
            bound = solver.best_objective_bound * unit if said == "none" and self.terms else -math.inf
            return Found(option={}, spans={}, opened=np.zeros(0, dtype=bool), bound=bound, status=said)
        return self._read(solver, said, solver.best_objective_bound * unit if self.terms or self.count_missing else 0.0)

    def _read(self, values: Any, status: str, bound: float) -> Found:
        option, spans = {}, {}
        for job in self.jobs:
            option[job] = next((k for k, x in self.present[job] if values.boolean_value(x)), -1)
            live = [
                (values.value(a), values.value(b)) for a, b, there in self.pieces[job] if values.boolean_value(there)
            ]
            spans[job] = tuple(sorted(live)) if option[job] >= 0 else ()
        opened = np.array([x is None or bool(values.value(x)) for x in self.open], dtype=bool)
        return Found(option=option, spans=spans, opened=opened, bound=bound, status=status)


def same(problem: ScheduleProblem, job: int, options: list[int]) -> Any:
    """What tells a job from another, besides its name."""
    j, o = problem.jobs, problem.options
    own = [getattr(j, field)[job].item() for field in FIELDS]
    return (*own, *((int(o.pool[k]), int(o.nodes[k]), int(o.hours[k]), int(o.micro_usd[k])) for k in options))


def _listener(model: GangModel, improved: Callable[[Found], None] | None) -> Any:
    if improved is None:
        return None
    heard = improved

    class Listener(model.cp.CpSolverSolutionCallback):  # type: ignore[name-defined,misc]
        def on_solution_callback(self) -> None:
            heard(model._read(self, "feasible", -math.inf))  # noqa: SLF001

    return Listener()
