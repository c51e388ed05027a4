"""A smaller problem with the same optimum, and the way back: which row of it is which row of the original."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bill import Decision
from ..carry import Start

if TYPE_CHECKING:
    from ..problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """The problem and rows of both. A row that is gone has another that stands in for it, or NONE.

    C, F, D, B rows of the original, C', F', D', B' of the smaller problem.
    """

    original: Problem
    problem: Problem
    candidate: Array  # int64 [C'] rows of the original
    offer: Array  # int64 [F'] rows of the original
    candidate_for: Array  # int64 [C] rows here
    offer_for: Array  # int64 [F] rows here
    source_for: Array  # int64 [D] rows here
    block_for: Array  # int64 [B] rows here
    done: dict[str, int] = field(default_factory=dict)  # what was left out by which reduction

    @classmethod
    def unchanged(cls, problem: Problem) -> Reduced:
        """The problem as it is."""
        c, f = np.arange(len(problem.candidates.pool)), np.arange(len(problem.offers.pool))
        d, b = np.arange(len(problem.sources.workload)), np.arange(problem.blocks.count)
        return cls(
            original=problem, problem=problem, candidate=c, offer=f, candidate_for=c, offer_for=f, source_for=d,
            block_for=b,
        )  # fmt: skip

    @property
    def changed(self) -> bool:
        """Whether anything is left out."""
        return any(self.done.values())

    def with_candidates(self, into: Array, why: str) -> Reduced:
        """Only those left that `into` [C'] maps to themselves; it says who stands in for the others, or NONE."""
        rows, composed = compose(self.candidate_for, into)
        c = self.problem.candidates
        problem = dataclasses.replace(self.problem, candidates=take(c, rows))
        return self._now(problem, why, len(into) - len(rows), candidate=self.candidate[rows], candidate_for=composed)

    def with_offers(self, into: Array, why: str) -> Reduced:
        """The same of offers."""
        rows, composed = compose(self.offer_for, into)
        _, at = compose(np.arange(len(into)), into)
        limits = self.problem.limits
        uncertain = tuple((int(at[k]), share) for k, share in limits.uncertain if into[k] == k)
        problem = dataclasses.replace(
            self.problem,
            offers=take(self.problem.offers, rows),
            limits=dataclasses.replace(limits, uncertain=uncertain),
        )
        return self._now(problem, why, len(into) - len(rows), offer=self.offer[rows], offer_for=composed)

    def with_sources(self, problem: Problem, into: Array, why: str) -> Reduced:
        """A problem whose sources are those that `into` [D'] maps to themselves, in this order."""
        rows, composed = compose(self.source_for, into)
        return self._now(problem, why, len(into) - len(rows), source_for=composed)

    def with_blocks(self, problem: Problem, label: Array, why: str) -> Reduced:
        """A problem whose block `label[b]` is block b of this one."""
        return self._now(problem, why, len(label) - problem.blocks.count, block_for=label[self.block_for])

    def with_problem(self, problem: Problem, why: str, count: int) -> Reduced:
        """A problem with the same rows of everything that a decision names."""
        return self._now(problem, why, count)

    def _now(self, problem: Problem, why: str, count: int, **maps: Any) -> Reduced:
        done = {**self.done, why: self.done.get(why, 0) + count}
        return dataclasses.replace(self, problem=problem, done=done, **maps)

    def lift(self, d: Decision) -> Decision:
        """A decision of the smaller problem as one of the original: it costs the same and keeps what that one keeps."""
        if not self.changed:
            return d
        block, s = self.block_for, self.original.sources
        pairs, served = self._split(d)
        given = np.zeros_like(s.units_per_hour)
        np.add.at(given, pairs[0], served)
        job, there = s.total_units > 0, self.source_for >= 0
        undone = np.zeros((len(s.workload), d.undone.shape[1]), dtype=np.int64)
        undone[there] = d.undone[self.source_for[there]]
        return Decision(
            candidates=self.candidate[d.candidates],
            replicas=d.replicas[:, block],
            pairs=pairs,
            served=served,
            unserved=np.where(job[:, None], 0, np.maximum(s.units_per_hour - given, 0)),
            undone=np.where(job[:, None], undone, 0),
            on_demand_offers=self.offer[d.on_demand_offers],
            on_demand=d.on_demand[:, block],
            commitments=self.offer[d.commitments],
            committed=d.committed,
        )

    def _split(self, d: Decision) -> tuple[Array, Array]:
        """Pairs and units an hour [E, B]: what goes to a merged source is dealt out to its parts in their order.

        Candidates lie in a row of as many units as they serve, the parts in one of as many as they ask for; a part gets
        what lies beside it. Any way of dealing out will do: the parts reach the same candidates for the same money.
        """
        pairs, served = [np.zeros((2, 0), dtype=np.int64)], [np.zeros((0, len(self.block_for)), dtype=np.int64)]
        order = np.argsort(d.pairs[0], kind="stable")
        first = np.searchsorted(d.pairs[0][order], np.arange(len(self.problem.sources.workload) + 1))
        parts = np.argsort(self.source_for, kind="stable")
        start = np.searchsorted(self.source_for[parts], np.arange(len(first)))
        for here in range(len(first) - 1):
            rows = order[first[here] : first[here + 1]]
            members = parts[start[here] : start[here + 1]]
            units = d.served[rows][:, self.block_for]
            if len(members) == 1:
                pairs.append(np.stack([np.full(len(rows), members[0]), d.pairs[1, rows]]))
                served.append(units)
                continue
            used = np.flatnonzero(units.any(axis=1))
            rows, units = rows[used], units[used]
            until = np.cumsum(units, axis=0)
            asked = np.cumsum(self.original.sources.units_per_hour[members], axis=0)
            for i, member in enumerate(members.tolist()):
                low = asked[i] - self.original.sources.units_per_hour[member]
                beside = np.minimum(until, asked[i]) - np.maximum(until - units, low)
                pairs.append(np.stack([np.full(len(rows), member), d.pairs[1, rows]]))
                served.append(np.maximum(beside, 0))
        return np.concatenate(pairs, axis=1), np.concatenate(served)

    def start(self, start: Start, most: Array) -> Start:
        """An old plan as a start for the smaller problem: what is gone is taken by what stands in for it.

        `most` [F'] are the nodes beyond which nothing needs a commitment. Blocks must not have been merged.
        """
        if not self.changed:
            return start
        candidates, at = _joined(self.candidate_for[start.candidates])
        offers, held = _joined(self.offer_for[start.offers])
        ends = np.stack([self.source_for[start.pairs[0]], self.candidate_for[start.pairs[1]]])
        pairs, over = np.unique(ends, axis=1, return_inverse=True)
        fine = (pairs >= 0).all(axis=0)
        served = _summed(start.served, np.reshape(over, -1), pairs.shape[1])
        return Start(
            candidates=candidates,
            replicas=_summed(start.replicas, at, len(candidates)),
            pairs=pairs[:, fine],
            served=served[fine],
            offers=offers,
            committed=np.minimum(_summed(start.committed, held, len(offers)), most[offers]),
        )


def _joined(rows: Array) -> tuple[Array, Array]:
    """Different rows, ascending, and the position among them of each; NONE stays NONE."""
    found = np.unique(rows[rows >= 0])
    return found, np.where(rows >= 0, np.searchsorted(found, rows), NONE)


def _summed(amounts: Array, at: Array, count: int) -> Array:
    """Rows added up by position; those at NONE are left out."""
    made = np.zeros((count, *amounts.shape[1:]), dtype=np.int64)
    np.add.at(made, at[at >= 0], amounts[at >= 0])
    return made


def compose(before: Array, into: Array) -> tuple[Array, Array]:
    """Rows that stay, and what `before` (rows of now) becomes when each row is taken by `into` (a row that stays)."""
    rows = np.flatnonzero(into == np.arange(len(into)))
    position = np.full(len(into) + 1, NONE)
    position[rows] = np.arange(len(rows))
    return rows, position[np.where(before >= 0, into[before] if len(into) else NONE, NONE)]


def take(part: Any, rows: Array) -> Any:
    """Rows of a part of a problem whose columns are arrays or tuples, all by row."""
    columns = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    return dataclasses.replace(
        part,
        **{
            name: value[rows] if isinstance(value, np.ndarray) else tuple(value[i] for i in rows.tolist())
            for name, value in columns.items()
        },
    )
