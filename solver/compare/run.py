"""Compare models: every way evaluated, the best chosen, costs and break-evens of those shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..money import round_half_even
from ..perf import architecture
from ..perf.advice import memory_of
from ..perf.candidates import Busy, busy
from ..perf.constants import precision as precision_of
from ..table import Table
from .choose import NINETY, OK, Choice, choices, load_of, reason, smallest
from .cluster import Cluster, read_cluster
from .costs import Scheme, break_even, commitment_hours, monthly, token_prices
from .demand import Demand
from .machines import HOURS_PER_MONTH, of_catalogue, of_cluster
from .result import AT_DEMAND, BEST, NEAREST, ON_CLUSTER, RUNNER_UP, ComparisonReport

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from costdata import Catalog

    from ..perf.architectures import Architecture

MOST_MODELS = 40
NO_PRICE = -1
USED = ("hbm_bandwidth", "compute", "interconnect")


def compare_models(  # noqa: PLR0913 (what is asked, each by keyword)
    models: Sequence[str | Path],
    cluster: Cluster | str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    requests_per_hour: float = 1000.0,
    input_tokens: int = 1000,
    output_tokens: int = 300,
    tpot_ms: float | None = 50.0,
    ttft_ms: float | None = 2000.0,
    engine: str = "vllm",
    precision: str | None = None,
    sure: float = 0.5,
    measurements: str | os.PathLike[str] = "",
    option: str = "on_demand",
    runners_up: int = 2,
    filters: Mapping[str, Sequence[str]] | None = None,
    as_of: datetime.date | str | None = None,
    overrides: str | os.PathLike[str] | None = None,
    catalog: Catalog | None = None,
) -> ComparisonReport:
    """Several models side by side: memory, latency, throughput, what they use of a machine, and what they cost.

    A replica is loaded so that an arriving request finds a free place nine times in ten, as in a plan; throughput is
    with all places taken. A replica-hour is split between input and output tokens by the time that prompts and
    decoding take of it. A month has 730 hours and whole replicas.

    Args:
        models: names of the registry, or paths of Hugging Face config.json files.
        cluster: a cluster, or its file or fields; by default the whole catalogue: the node that serves a request (so
            1M output tokens, with their prompts) for least, then the best of other kinds of accelerator, and what
            costs least a month at this demand.
        requests_per_hour: demand, steady.
        input_tokens: of a prompt.
        output_tokens: of an answer.
        tpot_ms: target for the mean time per output token; None for none.
        ttft_ms: target for the mean time to the first token.
        engine: whose measurements count: vllm, sglang or trtllm.
        precision: how all models are stored; None is as each was published (BF16 where that cannot run), "auto" also
            FP8 where BF16 was published.
        sure: chance with which targets must hold, given how wrong predictions may be; 0.5 is the prediction itself.
        measurements: CSV of your own measurements, which correct the predictions of their deployments.
        option: purchase option of the catalogue's prices.
        runners_up: other kinds of accelerator shown for a model.
        filters: of the catalogue: provider, region, node, accelerator, country.
        as_of: day of the prices.
        overrides: folder of your own prices.
        catalog: used instead of loading one.

    Raises:
        InputError: an unknown name (with the nearest), or an argument out of its range.
    """
    demand = Demand(
        requests_per_hour=requests_per_hour,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        tpot_ms=tpot_ms,
        ttft_ms=ttft_ms,
        engine=engine,
        sure=sure,
        measurements=os.fspath(measurements),
    )
    named = _architectures(models, demand, precision)
    whole = _catalog(catalog, as_of, overrides)
    shown = whole.where(**filters) if filters else whole
    if cluster is None:
        machines = of_catalogue(shown, _option(shown, option))
        name = ""
    else:
        found = cluster if isinstance(cluster, Cluster) else read_cluster(cluster)
        machines, name = of_cluster(found, shown), found.name
    if not machines:
        raise InputError("no node with a performance model is left", where="compare", mend="loosen the filters")
    every = {label: choices(label, a, machines, demand, precision) for label, a in named.items()}
    if name:
        ways = [(ON_CLUSTER, c) for found_ in every.values() for c in _ranked(found_)]
    else:
        ways = [way for found_ in every.values() for way in _shown(found_, runners_up, demand)]
    return ComparisonReport(
        demand=demand,
        cluster=name,
        option="" if name else option,
        as_of=str(whole.as_of),
        catalog_digest=whole.digest,
        version=_version(),
        models=_models(ways, demand),
        break_even=_break_even(ways, demand),
        commitments=_commitments(every, whole),
        notes=_notes(ways, whole, named),
    )


# --- what is asked --------------------------------------------------------------------------------------------------


def _architectures(models: Any, demand: Demand, precision: str | None) -> dict[str, Architecture]:
    """Architectures by the name asked for, in order."""
    if isinstance(models, str) or not isinstance(models, Sequence) or not models:
        raise InputError("must be a list of models", where="models", mend='such as ["llama-3.1-70b", "gpt-oss-120b"]')
    if len(models) > MOST_MODELS:
        raise InputError(f"{len(models)} are too many", where="models", mend=f"at most {MOST_MODELS} at once")
    if precision not in {None, "auto"}:
        precision_of(str(precision))
    named: dict[str, Architecture] = {}
    for model in models:
        a = architecture(model)
        tokens = demand.input_tokens + demand.output_tokens
        if tokens > a.max_context:
            text = f"{model} takes {a.max_context:,} tokens, a request has {tokens:,}"
            raise InputError(text, where="input_tokens + output_tokens", mend="shorten the prompt or the answer")
        other = named.get(a.name)
        named[a.name if other in {None, a} and a.name.strip() else str(model)] = a  # two files may give one name
    return named


def _catalog(catalog: Catalog | None, as_of: Any, overrides: Any) -> Catalog:
    import costdata

    from ..enumerate.names import as_input

    if catalog is not None:
        return catalog
    with as_input("prices"):
        return costdata.load(as_of=as_of, overrides=overrides)


def _option(catalog: Catalog, option: str) -> str:
    from ..enumerate.names import known

    known("option", option, set(catalog.offers.option.tolist()), "option")
    return option


def _version() -> str:
    from .. import __version__

    return __version__


# --- what is shown --------------------------------------------------------------------------------------------------


def _ranked(found: Sequence[Choice]) -> list[Choice]:
    """Those that are answers, the least cost of a request first; then the others as they come."""
    return sorted(found, key=lambda c: (c.status != OK, c.micro_usd_per_request if c.status == OK else 0))


def _shown(found: Sequence[Choice], runners_up: int, demand: Demand) -> list[tuple[str, Choice]]:
    """The best, the best on other kinds of accelerator, and what costs least a month at the demand."""
    good = [c for c in _ranked(found) if c.status == OK]
    if not good:
        return [(NEAREST, _nearest(found, demand))] if found else []
    ways, kinds = [(BEST, good[0])], {good[0].machine.accelerator.name}
    for c in good:
        if len(ways) <= runners_up and c.machine.accelerator.name not in kinds:
            ways.append((RUNNER_UP, c))
            kinds.add(c.machine.accelerator.name)
    few = [way for c in good for way in (c, smallest(c, demand))]
    least = min(few, key=lambda c: _scheme(c).cost(demand.requests_per_hour))
    if all((least.machine, least.cell) != (c.machine, c.cell) for _, c in ways):
        ways.append((AT_DEMAND, least))
    return ways


def _nearest(found: Sequence[Choice], demand: Demand) -> Choice:
    """Of machines that fail, the one that misses by least: the last test first, then by how much."""

    def miss(c: Choice) -> tuple[int, float]:
        s = c.survey
        by = {
            "ttft": s.ttft_ms[c.cell] / (demand.ttft_ms or np.inf),
            "tpot": s.tpot_ms[c.cell] / (demand.tpot_ms or np.inf),
        }
        return ("ttft", "tpot", "memory", "nodes").index(c.status), float(
            by.get(c.status, s.memory_gib[c.cell] / s.usable_gib[c.cell[0]])
        )

    return min(found, key=miss)


def _models(ways: Sequence[tuple[str, Choice]], demand: Demand) -> Table:
    rows = [_row(role, c, demand) for role, c in ways]
    names = list(rows[0]) if rows else []
    return Table.from_records(names, [list(row.values()) for row in rows])


def _row(role: str, c: Choice, demand: Demand) -> dict[str, Any]:
    """Everything about one way; without costs where it is no answer."""
    one, each = c.candidates(demand.engine)
    used = busy(one, load_of(demand, each))
    node, s, (k, _) = c.machine.node, c.survey, c.cell
    return {
        "model": c.label,
        "role": role,
        "status": c.status,
        "reason": reason(c, demand),
        "parameters": c.architecture.parameters,
        "precision": c.precision.name,
        "provider": node.provider,
        "region": c.machine.region,
        "node": node.name,
        "accelerator": c.machine.accelerator.name,
        "accelerators_per_node": node.accelerators,
        "nodes_per_replica": c.nodes,
        "layout": c.layout,
        "concurrency": int(s.concurrency[c.cell]),
        "evidence": str(s.evidence[k]),
        **_memory(c, demand),
        **_latency(c, demand),
        **{f"{name}_used": float(getattr(used, name)[0, 0]) if c.fits else np.nan for name in USED},
        "prefill_share": float(used.prefill_share[0, 0]) if c.fits else np.nan,
        **_costs(c, demand, used),
    }


def _memory(c: Choice, demand: Demand) -> dict[str, Any]:
    one, each = c.candidates(demand.engine)
    parts, usable = memory_of(one, float(demand.input_tokens + demand.output_tokens), each)
    whole = sum(parts.values())
    return {
        "fits": c.fits,
        **{f"{name}_gib": size for name, size in parts.items()},
        "total_gib": whole,
        "usable_gib": usable,
        "kv_capacity_used": parts["cache"] / (usable - whole + parts["cache"]) if whole <= usable else np.nan,
    }


def _latency(c: Choice, demand: Demand) -> dict[str, Any]:
    s = c.survey
    made: dict[str, Any] = {}
    for metric, target in (("tpot", demand.tpot_ms), ("ttft", demand.ttft_ms)):
        mean = float(getattr(s, f"{metric}_ms")[c.cell]) if c.fits else np.nan
        sigma = float(getattr(s, f"{metric}_sigma")[c.cell])
        made |= {
            f"{metric}_ms": mean,
            f"{metric}_ms_lo": mean * np.exp(-NINETY * sigma),
            f"{metric}_ms_hi": mean * np.exp(NINETY * sigma),
            f"{metric}_chance": NormalDist().cdf(np.log(target / mean) / sigma)
            if target and c.fits and sigma > 0
            else np.nan,
        }
    for end, z in (("", 0.0), ("_lo", NINETY), ("_hi", -NINETY)):
        rate = float(s.requests_per_s(z)[c.cell]) if c.fits else np.nan
        made[f"output_tokens_per_s{end}"] = rate * demand.output_tokens
    return made


def _costs(c: Choice, demand: Demand, used: Busy) -> dict[str, Any]:
    """Money, in micro-dollars; NO_PRICE where the way is no answer."""
    hour = c.nodes * c.machine.micro_usd_per_hour
    fine = c.status == OK
    units = c.requests_per_hour if fine else 0
    scheme = Scheme(micro_usd_per_month=monthly(hour), requests_per_hour=max(1, units))
    replicas = scheme.replicas(demand.requests_per_hour) if fine else 0
    most = np.nan if c.machine.count is None or not fine else float(c.machine.count // c.nodes * units)
    return {
        "requests_per_hour_of_replica": units,
        "requests_per_hour_at_most": most,
        "replicas": replicas,
        "nodes": replicas * c.nodes,
        "enough": fine and not most < demand.requests_per_hour,
        "load_at_demand": demand.requests_per_hour / (replicas * units) if fine else np.nan,
        "option": c.machine.option,
        "price_source": c.machine.price_source,
        "micro_usd_per_node_hour": c.machine.micro_usd_per_hour,
        **_token_costs(c, demand, used),
        "micro_usd_per_1k_requests": round_half_even(1000 * c.micro_usd_per_request) if fine else NO_PRICE,
        "micro_usd_per_month": replicas * scheme.micro_usd_per_month if fine else NO_PRICE,
        "micro_usd_per_month_of_replica": scheme.micro_usd_per_month,
    }


def _token_costs(c: Choice, demand: Demand, used: Busy) -> dict[str, int]:
    """Per 1M input and output tokens; the interval is that of the throughput."""
    seconds = float(used.prefill_s[0, 0]), float(used.decode_s[0, 0])
    made: dict[str, int] = {}
    for end, units in zip(("", "_hi", "_lo"), c.units, strict=True):
        prices = (NO_PRICE, NO_PRICE)
        if c.status == OK and units[c.cell] > 0:
            hour = c.nodes * c.machine.micro_usd_per_hour
            prices = token_prices(hour, int(units[c.cell]), (demand.input_tokens, demand.output_tokens), seconds)
        made |= {f"micro_usd_per_1m_input{end}": prices[0], f"micro_usd_per_1m_output{end}": prices[1]}
    ends = ("", "_lo", "_hi")
    return {
        name + end: made[name + end] for name in ("micro_usd_per_1m_input", "micro_usd_per_1m_output") for end in ends
    }


# --- break-evens ----------------------------------------------------------------------------------------------------


def _scheme(c: Choice) -> Scheme:
    return Scheme(
        micro_usd_per_month=monthly(c.nodes * c.machine.micro_usd_per_hour), requests_per_hour=c.requests_per_hour
    )


def _break_even(ways: Sequence[tuple[str, Choice]], demand: Demand) -> Table:
    """Ways of one model among each other, and the best of each model; the one that begins cheaper is first."""
    good = [(role, c) for role, c in ways if c.status == OK]
    pairs = [(a, b) for (_, a), (_, b) in combinations(good, 2) if a.label == b.label]
    first: dict[str, Choice] = {}
    for _, c in good:
        first.setdefault(c.label, c)
    pairs += list(combinations(first.values(), 2))
    rows = [_pair(a, b, demand) for a, b in pairs]
    names = (
        *("between", "small", "small_model", "large", "large_model"),
        *("micro_usd_per_month_small", "micro_usd_per_month_large", "micro_usd_per_1k_requests_small"),
        *("micro_usd_per_1k_requests_large", "cheaper_from_requests_per_hour", "never_dearer_from_requests_per_hour"),
        *("cheaper_at_demand", "verdict"),
    )
    return Table.from_records(names, [[row[name] for name in names] for row in rows])


def _pair(a: Choice, b: Choice, demand: Demand) -> dict[str, Any]:
    small, large = sorted((a, b), key=lambda c: (_scheme(c).micro_usd_per_month, _scheme(c).marginal))
    cheap, dear = _scheme(small), _scheme(large)
    found = break_even(cheap, dear)
    names = [_way(c, with_model=a.label != b.label) for c in (small, large)]
    costs = cheap.cost(demand.requests_per_hour), dear.cost(demand.requests_per_hour)
    return {
        "between": "nodes" if a.label == b.label else "models",
        "small": names[0],
        "small_model": small.label,
        "large": names[1],
        "large_model": large.label,
        "micro_usd_per_month_small": cheap.micro_usd_per_month,
        "micro_usd_per_month_large": dear.micro_usd_per_month,
        "micro_usd_per_1k_requests_small": round_half_even(1000 * cheap.marginal / HOURS_PER_MONTH),
        "micro_usd_per_1k_requests_large": round_half_even(1000 * dear.marginal / HOURS_PER_MONTH),
        "cheaper_from_requests_per_hour": np.nan if found.first is None else float(found.first),
        "never_dearer_from_requests_per_hour": np.nan if found.for_good is None else float(found.for_good),
        "cheaper_at_demand": names[costs[1] < costs[0]] if costs[0] != costs[1] else "equal",
        "verdict": _verdict(names, found.first, found.for_good),
    }


def _verdict(names: Sequence[str], first: int | None, for_good: int | None) -> str:
    if first is None or for_good is None:
        return f"{names[0]} costs less a request as well: {names[1]} does not overtake it"
    back = f", and never more from {for_good:,} on" if for_good > first else ""
    return f"{names[1]} costs less from {first:,} requests an hour{back}"


def _way(c: Choice, *, with_model: bool) -> str:
    node = f"{c.nodes} × {c.machine.node.name}" if c.nodes > 1 else c.machine.node.name
    where = f"{c.machine.node.provider} {node}".strip()
    return f"{c.label} on {where}" if with_model else f"{where} ({c.precision.name})"


def _commitments(every: Mapping[str, Sequence[Choice]], catalog: Catalog) -> Table:
    """Of each model and term the commitment that costs least a request, and the hours from which it is worth it."""
    names = (
        *("model", "provider", "node", "region", "option", "micro_usd_per_hour_on_demand", "micro_usd_per_month"),
        *("micro_usd_per_1k_requests", "hours_per_month", "hours_per_month_against_best", "worth_it"),
    )
    offers = _commitment_offers(catalog)
    rows = []
    for label, found in every.items():
        good = [c for c in _ranked(found) if c.status == OK]
        least: dict[str, list[Any]] = {}
        for c in good:
            for offer in offers.get((c.machine.node.provider, c.machine.node.name), ()):
                row = _committed(c, good[0], offer)
                least[offer.option] = min(least.get(offer.option, row), row, key=lambda r: (r[6], r[1:3]))
        rows += [[label, *row] for row in sorted(least.values(), key=lambda r: r[6])]
    return Table.from_records(names, rows)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A commitment on a node beside its price on demand, micro-dollars."""

    region: str
    option: str
    on_demand_per_hour: int
    per_hour: int
    upfront: int
    months: int


def _commitment_offers(catalog: Catalog) -> dict[tuple[str, str], list[_Offer]]:
    """Of each node, the commitments of regions where it is on sale on demand too."""
    o = catalog.offers
    keys = list(zip(o.provider.tolist(), o.node.tolist(), o.region.tolist(), strict=True))
    hourly = {keys[i]: int(o.micro_usd_per_hour[i]) for i in np.flatnonzero(o.option == "on_demand").tolist()}
    made: dict[tuple[str, str], list[_Offer]] = {}
    for i in np.flatnonzero(o.kind == "commitment").tolist():
        provider, node, region = keys[i]
        if hourly.get(keys[i]):
            terms = int(o.micro_usd_per_hour[i]), int(o.upfront_micro_usd[i]), int(o.term_months[i])
            made.setdefault((provider, node), []).append(_Offer(region, str(o.option[i]), hourly[keys[i]], *terms))
    return made


def _committed(c: Choice, best: Choice, offer: _Offer) -> list[Any]:
    """A row, less its model: dollars a request when used all month, and hours against on demand here and at best."""
    hours = commitment_hours(offer.on_demand_per_hour, offer.per_hour, offer.upfront, offer.months)
    month = round_half_even(hours * offer.on_demand_per_hour)
    request = Fraction(month * c.nodes, c.requests_per_hour * HOURS_PER_MONTH)
    against = request * HOURS_PER_MONTH / best.micro_usd_per_request if best.micro_usd_per_request else Fraction(0)
    prices = [offer.on_demand_per_hour, month, round_half_even(1000 * request)]
    where = [c.machine.node.provider, c.machine.node.name, offer.region, offer.option]
    return [*where, *prices, float(hours), float(against), bool(against < HOURS_PER_MONTH)]


def _notes(ways: Sequence[tuple[str, Choice]], catalog: Catalog, named: Mapping[str, Architecture]) -> tuple[str, ...]:
    made = [str(w) for w in catalog.warnings]
    for label, a in named.items():
        mine = [c for _, c in ways if c.label == label]
        if not mine:
            made.append(f"{label} runs on none of the machines in the precision asked for")
        wide = {c.precision.name for c in mine} - {a.native_precision, "mxfp4"}
        if wide:
            made.append(f"{label} was published in {a.native_precision}, and is shown in {', '.join(sorted(wide))}")
    return tuple(made)
