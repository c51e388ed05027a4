"""A comparison's rows as words, one wording for page and terminal; texts are not yet escaped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from . import words

if TYPE_CHECKING:
    from ..compare import ComparisonReport
    from ..compare.demand import Demand

NAMES = {"ok": "fits", "memory": "does not fit", "nodes": "too few nodes"}


def demand(asked: Demand) -> str:
    """What is asked for, in a line."""
    said = f"{asked.requests_per_hour:,.10g} requests an hour, prompts of {asked.input_tokens:,} tokens, "
    said += f"answers of {asked.output_tokens:,}"
    for name, target in (("TPOT", asked.tpot_ms), ("TTFT", asked.ttft_ms)):
        said += f"; {name} at most {target:,g} ms" if target is not None else ""
    return said + (f", for sure to {100 * asked.sure:.3g} %" if asked.sure > 0.5 else "")  # noqa: PLR2004


def short(model: str) -> str:
    """A model's name without its owner."""
    return model.rpartition("/")[2] or model


def rows(report: ComparisonReport) -> list[dict[str, Any]]:
    """Every way as texts."""
    return [_row(r) for r in report.models.records()]


def _row(r: dict[str, Any]) -> dict[str, Any]:
    fine = r["status"] == "ok"
    nodes = f"{r['nodes']:,} × {r['node']}" if fine else str(r["node"])
    return {
        "model": short(str(r["model"])),
        "role": r["role"],
        "fine": fine,
        "where": f"{r['provider']} {r['region']}".strip() or "own",
        "node": r["node"],
        "nodes": nodes,
        "accelerator": f"{r['accelerators_per_node']} × {r['accelerator']}",
        "layout": f"{r['layout']}, {r['concurrency']:,} in flight",
        "precision": r["precision"],
        "evidence": r["evidence"],
        "reason": r["reason"],
        "fits": "yes" if r["fits"] else "no",
        "memory": [_gib(r[f"{part}_gib"]) for part in ("weights", "cache", "activations", "framework", "total")],
        "usable": _gib(r["usable_gib"]),
        "tpot": interval(r, "tpot_ms", 1),
        "ttft": interval(r, "ttft_ms", 0),
        "throughput": interval(r, "output_tokens_per_s", 0),
        "chance": " / ".join(share(r[f"{metric}_chance"]) for metric in ("tpot", "ttft")),
        "used": [share(r[f"{what}_used"]) for what in ("hbm_bandwidth", "compute", "interconnect", "kv_capacity")],
        "prefill": share(r["prefill_share"]),
        "usd_input": money(r, "micro_usd_per_1m_input"),
        "usd_output": money(r, "micro_usd_per_1m_output"),
        "usd_requests": words.usd(r["micro_usd_per_1k_requests"], 3),
        "usd_month": words.usd(r["micro_usd_per_month"], 0) + ("" if r["enough"] or not fine else " (too few nodes)"),
        "usd_hour": words.usd(r["micro_usd_per_node_hour"], 2),
        "load": share(r["load_at_demand"]),
        "option": words.option(str(r["option"])),
        "price_source": r["price_source"],
    }


def interval(r: dict[str, Any], name: str, digits: int) -> tuple[str, str]:
    """A mean, and its 90 % interval."""
    mean, low, high = (words.number(r[name + end], digits) for end in ("", "_lo", "_hi"))
    return mean, "" if low == high == "–" else f"{low} – {high}"


def money(r: dict[str, Any], name: str) -> tuple[str, str]:
    """A price, and its interval."""
    low, high = words.usd(r[name + "_lo"], 3), words.usd(r[name + "_hi"], 3)
    return words.usd(r[name], 3), "" if low == high == "–" else f"{low} – {high}"


def share(value: float) -> str:
    """A share as a percentage; "–" for NaN."""
    return "–" if math.isnan(value) else words.percent(100 * value, 0)


def _gib(value: float) -> str:
    return words.number(value, 1)


def unmet(report: ComparisonReport) -> list[tuple[str, str, str]]:
    """(model, machine, why) of models without an answer, the nearest machine of each."""
    fine = {r["model"] for r in report.models.records() if r["status"] == "ok"}
    made: dict[str, tuple[str, str, str]] = {}
    for r in report.models.records():
        if r["model"] not in fine:
            where = f"{r['provider']} {r['node']}".strip()
            made.setdefault(r["model"], (short(str(r["model"])), where, str(r["reason"])))
    return list(made.values())


def break_evens(report: ComparisonReport) -> list[dict[str, Any]]:
    """Pairs as words."""
    return [
        {
            "between": str(r["between"]),
            "small": str(r["small"]),
            "large": str(r["large"]),
            "usd_small": words.usd(r["micro_usd_per_month_small"], 0),
            "usd_large": words.usd(r["micro_usd_per_month_large"], 0),
            "usd_request_small": words.usd(r["micro_usd_per_1k_requests_small"], 3),
            "usd_request_large": words.usd(r["micro_usd_per_1k_requests_large"], 3),
            "from": words.number(r["cheaper_from_requests_per_hour"]),
            "for_good": words.number(r["never_dearer_from_requests_per_hour"]),
            "now": str(r["cheaper_at_demand"]),
            "verdict": str(r["verdict"]),
            "overtakes": not math.isnan(r["cheaper_from_requests_per_hour"]),
        }
        for r in report.break_even.records()
    ]


def commitments(report: ComparisonReport) -> list[dict[str, str]]:
    """Commitments as words."""
    return [
        {
            "model": short(str(r["model"])),
            "node": f"{r['provider']} {r['node']}",
            "region": str(r["region"]),
            "option": words.option(str(r["option"])),
            "usd_hour": words.usd(r["micro_usd_per_hour_on_demand"], 2),
            "usd_month": words.usd(r["micro_usd_per_month"], 0),
            "usd_requests": words.usd(r["micro_usd_per_1k_requests"], 3),
            "hours": words.number(r["hours_per_month"]),
            "against": words.number(r["hours_per_month_against_best"]),
            "worth": "yes" if r["worth_it"] else "no",
        }
        for r in report.commitments.records()
    ]


def assumptions(report: ComparisonReport) -> list[str]:
    """What every figure rests on."""
    evidence = ", ".join(sorted({str(r["evidence"]) for r in report.models.records()}))
    prices = f"Prices: list prices as of {report.as_of}"
    prices += f", {words.option(report.option).lower()}." if report.option else ", or those of the cluster."
    modelled = "Latency and throughput are modelled, with 90 % intervals of what would be measured; the basis of the "
    load = "Throughput is that of a replica with all its places taken. Costs are at the load a replica is planned for: "
    split = "A replica-hour is split between input and output tokens by the time that prompts (prefill) and answers "
    used = "What is used is the work of a second against each resource's data-sheet peak, with all places taken; "
    return [
        prices,
        f"{modelled}rows is {evidence}. The intervals of costs are those of the throughput.",
        f"{load}so much that an arriving request finds a free place nine times in ten.",
        f"{split}(decoding) take of the engine; the two together are the cost exactly.",
        "A month has 730 hours; replicas are whole, and at least one is always on.",
        f"{used}the cache is counted with every sequence at its full length.",
    ]
