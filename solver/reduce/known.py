"""What the reductions have been thought through for. A rule or a field that is not named here stops them all.

A new field is a decision: which of the reductions could it break? Answer it in the code, then name the field here.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..problem import Blocks, Candidates, Limits, Offers, Outages, Problem, Quota, Shapes, Sites, Sources, Workloads
from ..problem import UnservedLimit as Unserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..rules.base import Rule

RULES = frozenset(
    {
        "residency", "latency", "window", "demand", "capacity", "outage", "hold", "chance", "diversity",
        "on_demand", "commitment", "spot",
        "quota",
        "gang", "budget", "upfront", "transfer", "carbon", "risk", "robust",
    }
)  # fmt: skip
FIELDS = MappingProxyType(
    {
        Problem: "name blocks sites shapes pool_shape pool_site offers workloads sources candidates modes limits"
        " outages grid_g_co2_per_kwh excuses provenance",
        Blocks: "hours scenario periods period_hours probability calendar",
        Sites: "provider region country jurisdiction latitude longitude zones g_co2_per_kwh",
        Shapes: "provider node accelerator accelerators power_w",
        Offers: "pool kind option micro_usd_per_hour upfront_micro_usd term_hours paid_hours active starts owned_nodes"
        " interruptions_per_month valid_from source",
        Workloads: "name kind unit team ttft_ms max_spot_share max_spot_share_per_region max_spot_share_per_zone"
        " unserved_micro_usd_per_unit must_serve residency input_tokens output_tokens",
        Sources: "workload origin units_per_hour total_units window rtt_ms transfer_pico_usd_per_unit",
        Candidates: "workload pool market mode nodes_per_replica units_per_hour ttft_ms",
        Quota: "name pools kind max_nodes missing",
        Unserved: "workload level max_units",
        Limits: "quotas monthly_budget_micro_usd hourly_budget_micro_usd upfront_max_micro_usd carbon_max_g"
        " carbon_micro_usd_per_kg accounting risk_weight cvar_level cvar_max_micro_usd unserved uncertain"
        " robust_budget chances shares",
        Outages: "up state probability share calm hold spot",
    }
)
KINDS = ("serving", "training", "batch")  # of workloads


def unknown_fields() -> list[str]:
    """Fields of a problem that nobody has thought through, and such as are no more."""
    return sorted(
        f"{kind.__name__}.{name}"
        for kind, known in FIELDS.items()
        for name in {f.name for f in dataclasses.fields(kind)} ^ set(known.split())
    )


def is_known(problem: Problem, rules: Sequence[Rule]) -> bool:
    """Whether the reductions are exact for these rules and everything that the problem may say."""
    kinds = set(problem.workloads.kind.tolist()) <= set(KINDS)
    simple = problem.outages is None or not problem.outages.holding  # there a node is worth having for another hour
    simple &= not problem.limits.chances and not problem.limits.shares
    all_rules = {rule.name for rule in rules} == RULES and len(rules) == len(RULES)
    return simple and kinds and all_rules and not unknown_fields()
