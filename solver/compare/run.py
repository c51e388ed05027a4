"""Compare models: every way evaluated, the best chosen, costs and break-evens of those shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..perf import architecture
from ..perf.constants import precision as precision_of
from .breaks import break_evens, commitments
from .choose import OK, Choice, choices, ranked, smallest
from .cluster import Cluster, read_cluster
from .demand import Demand
from .machines import of_catalogue, of_cluster
from .result import AT_DEMAND, BEST, NEAREST, ON_CLUSTER, RUNNER_UP, ComparisonReport
from .rows import models_table

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

    from costdata import Catalog

    from ..perf.architectures import Architecture
    from .machines import Machine

MOST_MODELS = 40


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
    machines, name = _machines(cluster, shown, option)
    every = {label: choices(label, a, machines, demand, precision) for label, a in named.items()}
    if name:
        ways = [(ON_CLUSTER, c) for found in every.values() for c in ranked(found)]
    else:
        ways = [way for found in every.values() for way in _shown(found, runners_up, demand)]
    return ComparisonReport(
        demand=demand,
        cluster=name,
        option="" if name else option,
        as_of=str(whole.as_of),
        catalog_digest=whole.digest,
        version=_version(),
        models=models_table(ways, demand),
        break_even=break_evens(ways, demand),
        commitments=commitments(every, whole),
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


def _machines(cluster: Any, catalog: Catalog, option: str) -> tuple[list[Machine], str]:
    """What models may run on, and the name of the cluster, "" for the catalogue."""
    if cluster is None:
        machines, name = of_catalogue(catalog, _option(catalog, option)), ""
    else:
        found = cluster if isinstance(cluster, Cluster) else read_cluster(cluster)
        machines, name = of_cluster(found, catalog), found.name
    if not machines:
        raise InputError("no node with a performance model is left", where="compare", mend="loosen the filters")
    return machines, name


def _option(catalog: Catalog, option: str) -> str:
    from ..enumerate.names import known

    known("option", option, set(catalog.offers.option.tolist()), "option")
    return option


def _version() -> str:
    from .. import __version__

    return __version__


# --- what is shown --------------------------------------------------------------------------------------------------


def _shown(found: Sequence[Choice], runners_up: int, demand: Demand) -> list[tuple[str, Choice]]:
    """The best, the best on other kinds of accelerator, and what costs least a month at the demand."""
    good = [c for c in ranked(found) if c.status == OK]
    if not good:
        return [(NEAREST, _nearest(found, demand))] if found else []
    ways, kinds = [(BEST, good[0])], {good[0].machine.accelerator.name}
    for c in good:
        if len(ways) <= runners_up and c.machine.accelerator.name not in kinds:
            ways.append((RUNNER_UP, c))
            kinds.add(c.machine.accelerator.name)
    few = [way for c in good for way in (c, smallest(c, demand))]
    least = min(few, key=lambda c: c.scheme.cost(demand.requests_per_hour))
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
