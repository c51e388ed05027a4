"""Ways to serve one model, predicted term by term, and the resource that each part of the time is spent on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import labels
from .corrections import Label, corrections
from .hardware import accelerator_class
from .serving import Load, predict, terms
from .setups import setups
from .steps import ENGINES, ServingConstants, serving_constants, steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .architectures import Architecture
    from .constants import Precision
    from .hardware import Hardware, Layout, Rows
    from .serving import Corrections, Options
    from .steps import Steps

Array = np.ndarray[Any, np.dtype[np.float64]]
RESOURCES = ("HBM bandwidth", "compute", "interconnect", "launch")
RATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "HBM bandwidth": ("hbm_bytes_per_s",),
        "compute": ("bf16_flop_per_s", "fp8_flop_per_s", "fp4_flop_per_s"),
        "interconnect": ("scaleup_bytes_per_s", "scaleout_bytes_per_s"),
    }
)
NUDGE = 1e-4  # of a rate, to see what it weighs
ENDLESS = 1e9  # times a rate: never waited for
LATENCIES = ("layer_s", "moe_layer_s", "step_s", "sequence_s", "collective_latency_s", "first_token_s")
AT_MOST = MappingProxyType({"fp4_dense_bytes": 1.0, "fp4_mixed_bytes": 2.0, "mxfp4_bytes": 1.0, "dispatch": 1.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """One model in one precision on one engine, on K machines in K layouts."""

    architecture: Architecture
    precision: Precision
    engine: str
    accelerators: tuple[str, ...]  # [K] names: what was measured on them counts
    hardware: Hardware
    layout: Layout

    def take(self, rows: Rows) -> Candidates:
        """Rows by index."""
        return dataclasses.replace(
            self,
            accelerators=tuple(self.accelerators[i] for i in np.atleast_1d(rows)),
            hardware=self.hardware.take(np.atleast_1d(rows)),
            layout=self.layout.take(np.atleast_1d(rows)),
        )

    def faster(self, resource: str, factor: float) -> Candidates:
        """The same on machines with a multiple of one resource's rates."""
        rates = {name: getattr(self.hardware, name) * factor for name in RATES[resource]}
        return dataclasses.replace(self, hardware=dataclasses.replace(self.hardware, **rates))

    def steps(self, constants: ServingConstants | None = None) -> Steps:
        """Coefficients of step times, [K, 1]: they broadcast against concurrencies."""
        columns = setups(
            [self.architecture],
            [self.precision],
            self.hardware.column(),
            self.layout.column(),
            ENGINES.index(self.engine),
        )
        return steps(columns, constants or serving_constants())

    def corrections(self) -> tuple[Corrections, list[str]]:
        """What measurements add, [K, 1], and what each candidate's prediction rests on [K]."""
        found = self.layout
        sizes = zip(
            found.tensor_parallel, found.pipeline_parallel, found.data_parallel, found.expert_parallel, strict=True
        )
        named = zip(self.accelerators, self.hardware.generation.tolist(), sizes, strict=True)
        made, evidence = corrections(
            [
                Label(
                    architecture=self.architecture,
                    accelerator=accelerator,
                    generation=generation,
                    precision=self.precision.name,
                    engine=self.engine,
                    layout=(int(t), int(p), int(d), int(e)),
                    silicon=accelerator_class(labels.accelerator(accelerator)),
                )
                for accelerator, generation, (t, p, d, e) in named
            ]
        )
        return made.take((slice(None), None)), evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Predictions of K candidates at G concurrencies, of one engine each."""

    tpot_terms: Array  # [4, K, G] seconds, of TPOT_TERMS
    ttft_terms: Array  # [4, K, G] seconds, of TTFT_TERMS
    running: Array  # [K, G] sequences that decode at once
    requests_per_s: Array  # [K, G] with all places taken
    tpot_sigma: Array  # [K] standard deviation of ln(measured / predicted)
    ttft_sigma: Array  # [K]
    evidence: tuple[str, ...]  # [K]

    @property
    def tpot_ms(self) -> Array:
        """Mean time per output token [K, G]."""
        return np.asarray(self.tpot_terms.sum(axis=0) * 1e3)

    @property
    def ttft_ms(self) -> Array:
        """Mean time to the first token [K, G]."""
        return np.asarray(self.ttft_terms.sum(axis=0) * 1e3)


def evaluate(c: Candidates, load: Load, options: Options | None = None) -> Evaluated:
    """Predict every candidate; the load broadcasts to [K, G]."""
    return _evaluate(c.steps(), c.corrections(), load, options)


def _evaluate(
    made: Steps, corrected: tuple[Corrections, list[str]], load: Load, options: Options | None = None
) -> Evaluated:
    added, evidence = corrected
    tpot, ttft = terms(made, load, options)
    found = predict(made, load, added, options)
    shape = np.broadcast_shapes(found.tpot_ms.shape, found.ttft_ms.shape, np.shape(load.concurrency))

    def stacked(parts: tuple[Array, ...], factors: tuple[Array, ...]) -> Array:
        return np.stack([np.broadcast_to(u * part, shape) for part, u in zip(parts, factors, strict=True)])

    return Evaluated(
        tpot_terms=stacked(tpot, added.tpot),
        ttft_terms=stacked(ttft, added.ttft),
        running=np.broadcast_to(found.running, shape),
        requests_per_s=np.broadcast_to(found.requests_per_s, shape),
        tpot_sigma=added.tpot_sigma.reshape(-1),
        ttft_sigma=added.ttft_sigma.reshape(-1),
        evidence=tuple(evidence),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Share of each of RESOURCES in a time, [4, K, G]; they add up to 1."""

    tpot: Array
    prefill: Array  # of one prompt alone


def shares(c: Candidates, load: Load) -> Shares:
    """What a time is spent on: by how much it shrinks for each per cent that a resource is faster (its elasticity).

    Times are sums of work ÷ rate, so these add up to 1 with what no rate shortens. Of that, latency of collectives is
    counted as interconnect, and the rest is launch: kernels, scheduler and sampler.
    """
    corrected, known = c.corrections(), serving_constants()
    base = _times(c, corrected, load, known)
    parts = []
    for resource in RATES:
        faster = _times(c.faster(resource, 1.0 + NUDGE), corrected, load, known)
        parts.append([np.log(b / f) / np.log1p(NUDGE) for b, f in zip(base, faster, strict=True)])
    prompt = _times(c, corrected, load, _scaled(known, {"collective_latency_s": 0.0}))
    for k in (0, 1):
        parts[2][k] = parts[2][k] + 1.0 - prompt[k] / base[k]
    whole = [np.clip(np.stack([part[k] for part in parts]), 0.0, 1.0) for k in (0, 1)]
    rest = [np.maximum(1.0 - w.sum(axis=0), 0.0)[None] for w in whole]
    tpot, prefill = (np.concatenate([w, r]) for w, r in zip(whole, rest, strict=True))
    return Shares(tpot=tpot / tpot.sum(axis=0), prefill=prefill / prefill.sum(axis=0))


def _times(
    c: Candidates, corrected: tuple[Corrections, list[str]], load: Load, constants: ServingConstants
) -> tuple[Array, Array]:
    """(TPOT, prefill of one prompt), seconds."""
    found = _evaluate(c.steps(constants), corrected, load)
    return found.tpot_terms.sum(axis=0), found.ttft_terms[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Share of its data-sheet peak that an engine's resource is used at, with all places taken; arrays [K, G]."""

    hbm_bandwidth: Array
    compute: Array
    interconnect: Array
    prefill_s: Array  # of the engine's time that a request's prompt takes
    decode_s: Array  # that its decoding takes, beside the others' that run with it

    @property
    def prefill_share(self) -> Array:
        """Of the engine's working time that prompts take, 0 to 1."""
        return np.asarray(self.prefill_s / (self.prefill_s + self.decode_s))


def busy(c: Candidates, load: Load) -> Busy:
    """Time the work of a second would need at the peak rate of each resource.

    Counted in requests: each has one prefill (an engine works on as many at once as it has attention ranks and stages)
    and its share of the decode steps that run together. What prompts and decoding take of the engine's time is as
    predicted, without the waiting of one for the other.
    """
    found, made = evaluate(c, load), c.steps()
    together = made.stages * made.ranks
    peak = {r: _at_peak(c, load, r) for r in RATES}
    steps_each = load.output_tokens / found.running

    def used(resource: str) -> Array:
        decode, prefill = peak[resource]
        return np.asarray(found.requests_per_s * (prefill / together + steps_each * decode))

    return Busy(
        hbm_bandwidth=used("HBM bandwidth"),
        compute=used("compute"),
        interconnect=used("interconnect"),
        prefill_s=found.ttft_terms[1] / together,
        decode_s=steps_each * found.tpot_terms[:3].sum(axis=0),
    )


def _at_peak(c: Candidates, load: Load, resource: str) -> tuple[Array, Array]:
    """(a decode step, a prefill) that waits for this resource alone, at its peak rate; seconds."""
    alone = c
    for other in RATES:
        alone = alone.faster(other, ENDLESS) if other != resource else alone
    known = serving_constants().values
    fewest = {n: np.minimum(known[n], most) for n, most in AT_MOST.items() if n in known}
    ideal = ServingConstants(MappingProxyType({**_scaled(serving_constants(), _peaks()).values, **fewest}))
    nothing = alone.faster(resource, ENDLESS).steps(ideal)
    (waits, prompt), (rest, others) = _alone(alone.steps(ideal), load), _alone(nothing, load)
    return waits - rest, prompt - others


def _alone(made: Steps, load: Load) -> tuple[Array, Array]:
    tpot, ttft = terms(made, load)
    return np.asarray(sum(tpot[:3])), ttft[1]


def _peaks() -> dict[str, float]:
    """Constants of a machine that reaches every rate of its data sheet.

    Bytes read are those stored, or as few as measurements tell (batches whose tokens agree on experts).
    """
    names = serving_constants().values
    full = {n: 1.0 for n in names if n.endswith(("_efficiency", "_bandwidth"))}
    return full | {"prefill_communication": 1.0} | dict.fromkeys(LATENCIES, 0.0)


def _scaled(known: ServingConstants, fixed: Mapping[str, float]) -> ServingConstants:
    """Constants with some of them set, whatever the engine."""
    table = {n: np.full_like(v, fixed[n]) if n in fixed else v for n, v in known.values.items()}
    return ServingConstants(MappingProxyType(table))
