"""The cheapest way through a window for a job that may be split: dynamic programming over hours, segments and work.

Let c[t] be the cost of hour t, H the hours of work, m the least work in a segment, R the hours without work at the head
of each further one. With `done[k][h]` the least cost of k + 1 finished segments with h hours of work before hour t,
and `run[k][h]` of the same with the last of them ending just at t:

    run[k][h]  at t  =  min( run[k][h − 1] at t − 1  +  c[t − 1],
                             done[k − 1][h − m] at u − 1  +  c[u] + … + c[t − 1],  u = t − m − R )  (k = 0: u = t − m)
    done[k][h] at t  =  min( done[k][h] at t − 1, run[k][h] at t )

An hour lies between segments at least: two that touch are one, without a restart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Spans = list[tuple[int, int]]


def through(cost: Array, hours: int) -> tuple[int, int]:
    """Least cost of running through so many hours of `cost` [L], and the first such start; hours ≤ L."""
    sums = np.concatenate([[0], np.cumsum(cost)])
    total = sums[hours:] - sums[: len(sums) - hours]
    at = int(total.argmin())
    return int(total[at]), at


def cheapest(cost: Array, hours: int, segments: int, least: int, restart: int, never: int) -> tuple[int, Spans]:
    """Least cost and the segments (start, end) in a window [L]; `never` or more, and none, when there is no way."""
    best, spans = never, list[tuple[int, int]]()
    if hours <= len(cost):
        total, at = through(cost, hours)
        if total < best:
            best, spans = total, [(at, at + hours)]
    segments = min(segments, hours // least)
    if segments > 1:
        total, found = _split(cost, hours, segments, least, restart, min(best, never))
        if total < best:
            best, spans = total, found
    return best, spans


def values(cost: Array, hours: Array, segments: int, least: int, restart: int, never: int) -> Array:
    """Least cost of two segments or more, for a batch: cost [B, L], hours [B]; `never` at most."""
    done, rows = _sweep(cost, int(hours.max()), segments, least, restart, never), np.arange(len(cost))
    return np.asarray(done[rows, 1:, hours].min(axis=1))


def _sweep(cost: Array, most: int, segments: int, least: int, restart: int, never: int) -> Array:
    """`done` at the end of the window, [B, K, most + 1]."""
    batch, length = cost.shape
    sums = np.zeros((batch, length + 1), dtype=cost.dtype)
    np.cumsum(cost, axis=1, out=sums[:, 1:])
    shape = (batch, segments, most + 1)
    done, run = np.full(shape, never, cost.dtype), np.full(shape, never, cost.dtype)
    past: list[Array] = [done]
    for t in range(1, length + 1):
        run = _step(run, past, sums, cost, t, least, restart, never)
        done = np.minimum(done, run)
        past.append(done)
        if t > least + restart + 1:
            past[t - least - restart - 2] = done[:0]  # no longer needed
    return done


def _step(
    run: Array, past: list[Array], sums: Array, cost: Array, t: int, least: int, restart: int, never: int
) -> Array:
    made = np.full_like(run, never)
    made[:, :, 1:] = np.minimum(run[:, :, :-1] + cost[:, t - 1, None, None], never)
    if t >= least:
        np.minimum(made[:, 0, least], sums[:, t] - sums[:, t - least], out=made[:, 0, least])
    begin = t - least - restart
    if begin >= 1:
        head = (sums[:, t] - sums[:, begin])[:, None, None]
        np.minimum(made[:, 1:, least:], past[begin - 1][:, :-1, : -least or None] + head, out=made[:, 1:, least:])
    return made


def _split(cost: Array, hours: int, segments: int, least: int, restart: int, never: int) -> tuple[int, Spans]:
    """Two segments or more in one window, with the way; whole costs, since sums are compared on the way back."""
    length = len(cost)
    one = cost[None]
    sums = np.zeros((1, length + 1), dtype=cost.dtype)
    np.cumsum(one, axis=1, out=sums[:, 1:])
    done = np.full((1, segments, hours + 1), never, cost.dtype)
    run, past, runs = done, [done], [done]
    for t in range(1, length + 1):
        run = _step(run, past, sums, one, t, least, restart, never)
        past.append(np.minimum(past[-1], run))
        runs.append(run)
    k = 1 + int(past[-1][0, 1:, hours].argmin())
    best = int(past[-1][0, k, hours])
    if best >= never:
        return never, []
    spans: Spans = []
    t, work = length, hours
    while k >= 0:
        while t and past[t - 1][0, k, work] == past[t][0, k, work]:
            t -= 1
        end = t
        while (begin := _begins(runs, past, sums, k, work, t, least, restart)) is None:
            t, work = t - 1, work - 1
        spans.append((begin, end))
        t, work, k = begin - 1, work - least, k - 1
    return best, spans[::-1]


def _begins(
    runs: list[Array], past: list[Array], sums: Array, k: int, work: int, t: int, least: int, restart: int
) -> int | None:
    """Where segment k began, if the first hours of it, with the least work, end at t."""
    begin = t - least - (restart if k else 0)
    if begin < (1 if k else 0) or work < least:
        return None
    before = past[begin - 1][0, k - 1, work - least] if k else (0 if work == least else None)
    if before is None or before + sums[0, t] - sums[0, begin] != runs[t][0, k, work]:
        return None
    return begin
