"""A row for each way of serving a model: memory, latency, throughput, what it uses of a machine, and costs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from ..money import round_half_even
from ..perf.advice import memory_of
from ..perf.candidates import Busy, busy
from ..table import Table
from .choose import NINETY, OK, Choice, load_of, reason
from .costs import Scheme, monthly, token_prices
from .demand import Demand

NO_PRICE = -1
USED = ("hbm_bandwidth", "compute", "interconnect")


def models_table(ways: Sequence[tuple[str, Choice]], demand: Demand) -> Table:
    """Every way shown, with the part it plays."""
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
