"""Serving physics: time to first token and per output token of an engine, from the time of its steps.

Closed load: so many sequences are in flight, each answered one followed by the next. Open load: so many requests come
a second, at random moments. What an engine's cache cannot hold waits (Little's law).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .hardware import Column, Rows
    from .steps import Steps

Array = np.ndarray[Any, np.dtype[np.float64]]
HALVINGS = 60  # of the interval of concurrencies, when load is given as a rate
LEAST_IN_FLIGHT, MOST_IN_FLIGHT = 1e-6, 1e5
FULL = 0.98  # load that queueing formulas stop at
TPOT_TERMS = ("products", "attention", "launch", "interference")
TTFT_TERMS = ("first", "prefill", "queue", "wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Ways of serving beyond one engine that does all; each field float or array [K]."""

    prefix_hit_rate: float | Array = 0.0  # share of a prompt whose cache is there already
    chunk_tokens: float | Array = np.inf  # of a prompt in one pass
    draft_tokens: float | Array = 0.0  # speculated in a decode step beyond the one that is certain
    draft_acceptance: float | Array = 0.7  # chance that a drafted token is kept, given those before it
    draft_cost: float | Array = 0.05  # of drafting a token, in decode steps of the model itself
    disaggregated: bool = False  # prompts are computed by engines of their own and their cache sent over


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """What measurements add to the physics: arrays that broadcast with the set-ups.

    `tpot` and `ttft` are factors of the TPOT_TERMS and TTFT_TERMS; the sigmas are standard deviations of the log of a
    measured value over a predicted one.
    """

    tpot: tuple[Array, ...]
    ttft: tuple[Array, ...]
    tpot_sigma: Array
    ttft_sigma: Array

    def take(self, rows: Rows | Column) -> Corrections:
        """Rows by mask or index, of corrections whose columns are all [K]."""
        return Corrections(
            tpot=tuple(u[rows] for u in self.tpot),
            ttft=tuple(u[rows] for u in self.ttft),
            tpot_sigma=self.tpot_sigma[rows],
            ttft_sigma=self.ttft_sigma[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Mean latencies of one engine; arrays of the broadcast shape."""

    ttft_ms: Array
    tpot_ms: Array
    prefill_s: Array  # one prompt alone
    running: Array  # sequences that decode at once
    requests_per_s: Array  # of the engine with all its places taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What an engine is asked for: arrays that broadcast with the set-ups."""

    concurrency: Array
    input_tokens: Array
    output_tokens: Array

    def take(self, rows: Rows | slice) -> Load:
        """Rows by mask, index or slice, of loads that are all [K]."""
        return Load(
            concurrency=self.concurrency[rows],
            input_tokens=self.input_tokens[rows],
            output_tokens=self.output_tokens[rows],
        )


def terms(steps: Steps, load: Load, options: Options | None = None) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The TPOT_TERMS and the TTFT_TERMS without corrections, seconds, under closed load."""
    given, tokens, answer = options or Options(), load.input_tokens, load.output_tokens
    running = steps.running(load.concurrency, tokens, answer)
    hit = given.prefix_hit_rate
    prefill = steps.prefill_s(tokens * (1.0 - hit), tokens * hit, given.chunk_tokens)
    share = prefill / (steps.stages * steps.ranks)  # of the engine's prefill capacity that one prompt takes
    decode = steps.decode_terms(running, tokens + answer / 2, 1.0 + given.draft_tokens)
    gain = _accepted(given) / (1.0 + given.draft_tokens * given.draft_cost)
    products, attention, launch = (term / gain for term in decode)
    step = (products + attention + launch) * _accepted(given)
    together = 0.0 if given.disaggregated else 1.0
    interference = together * steps.interference * np.maximum(running - 1.0, 0.0) / answer * share
    tpot = products + attention + launch + interference
    busy = np.minimum(running * share / (answer * tpot + prefill), FULL)
    first = steps.first_token_s + steps.decode_before_first * step
    crowd = np.maximum(running / (steps.stages * steps.ranks), 1.0)  # on a rank; less one *after* the power, for a
    burst = steps.queue_by_burst * (crowd**steps.queue_power - 1.0)  # second sequence's slope to be finite
    queue = prefill * (steps.queue_by_load * busy * (np.sqrt(crowd) - 1.0) + together * burst)
    begun = first + prefill + queue
    wait = np.maximum(load.concurrency / running - 1.0, 0.0) * (answer * tpot + begun)
    return (products, attention, launch, interference), (first, prefill, queue, wait)


def predict(
    steps: Steps, load: Load, corrections: Corrections | None = None, options: Options | None = None
) -> Prediction:
    """Latencies and rate under closed load."""
    tpot_terms, ttft_terms = terms(steps, load, options)
    tpot = _sum(tpot_terms, corrections.tpot if corrections else None)
    ttft = _sum(ttft_terms, corrections.ttft if corrections else None)
    prefill = ttft_terms[1]
    running = steps.running(load.concurrency, load.input_tokens, load.output_tokens)
    most = steps.stages * steps.ranks / prefill
    rate = load.concurrency / (ttft + (load.output_tokens - 1.0) * tpot)
    return Prediction(
        ttft_ms=ttft * 1e3,
        tpot_ms=tpot * 1e3,
        prefill_s=prefill,
        running=running,
        requests_per_s=np.minimum(rate, most),
    )


def interval(mean: Array, sigma: Array, z: float) -> tuple[Array, Array]:
    """The interval of a lognormal that z standard deviations around its middle span."""
    factor = np.exp(z * sigma)
    return mean / factor, mean * factor


def concurrency_at(
    steps: Steps, requests_per_s: Array, load: Load, corrections: Corrections | None = None
) -> tuple[Array, Array]:
    """Open load: (sequences in flight, time to first token in ms) when requests come at a rate.

    Little's law gives the sequences in flight, by halving. A prompt waits for those before it as at a single server
    with constant service (M/D/1): ρ ÷ (2 (1 − ρ)) prefills. Infinite where the engine cannot keep up.

    Args:
        steps: K set-ups.
        requests_per_s: of each engine.
        load: the token counts; its concurrency is not read.
        corrections: of the set-ups.
    """

    def at(concurrency: Array) -> Prediction:
        given = Load(concurrency=concurrency, input_tokens=load.input_tokens, output_tokens=load.output_tokens)
        return predict(steps, given, corrections)

    low, high = np.broadcast_arrays(np.ones(()), requests_per_s * MOST_IN_FLIGHT)
    low, high = np.full_like(high, LEAST_IN_FLIGHT), np.full_like(high, MOST_IN_FLIGHT)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        enough = at(middle).requests_per_s >= requests_per_s
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    found = at(high)
    busy = requests_per_s * found.prefill_s / (steps.stages * steps.ranks)
    kept_up = (found.requests_per_s >= requests_per_s) & (busy < FULL)
    wait = busy / (2.0 * (1.0 - np.minimum(busy, FULL))) * found.prefill_s
    first = found.ttft_ms + wait * 1e3
    return np.where(kept_up, high, np.inf), np.where(kept_up, first, np.inf)


def _accepted(given: Options) -> float | Array:
    """Tokens a decode step yields: those drafted and kept in a row, and the certain one (Leviathan et al. 2023)."""
    a = np.minimum(given.draft_acceptance, 1.0 - 1e-9)
    return np.asarray((1.0 - a ** (given.draft_tokens + 1.0)) / (1.0 - a))


def _sum(parts: tuple[Array, ...], factors: tuple[Array, ...] | None) -> Array:
    if factors is None:
        return np.asarray(sum(parts))
    return np.asarray(sum(factor * part for part, factor in zip(parts, factors, strict=True)))
