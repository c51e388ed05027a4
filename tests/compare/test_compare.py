"""Models compared: costs add up, intervals hold their means, targets are kept, and the best is the best."""

from __future__ import annotations

import dataclasses
import json
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import solver
from costdata import Catalog
from solver.compare import ComparisonReport, compare_models
from solver.compare.choose import choices
from solver.compare.demand import Demand
from solver.compare.machines import of_catalogue
from solver.errors import InputError
from solver.perf import architecture
from tests.compare.conftest import OWN

MICRO = 10**6


def rows(report: ComparisonReport) -> list[dict[str, Any]]:
    """Rows that are answers."""
    return [r for r in report.models.records() if r["status"] == "ok"]


@pytest.mark.parametrize("which", ["report", "own"])
def test_every_row_adds_up(which: str, request: pytest.FixtureRequest) -> None:
    """Tokens at their prices give the node-hours; a month is whole replicas for 730 hours."""
    report: ComparisonReport = request.getfixturevalue(which)
    demand = report.demand
    assert len(rows(report)) >= 3
    for r in rows(report):
        units, hour = r["requests_per_hour_of_replica"], r["nodes_per_replica"] * r["micro_usd_per_node_hour"]
        tokens = units * demand.input_tokens, units * demand.output_tokens
        priced = Fraction(r["micro_usd_per_1m_input"] * tokens[0] + r["micro_usd_per_1m_output"] * tokens[1], MICRO)
        assert abs(priced - hour) <= Fraction(sum(tokens), 2 * MICRO) + 1
        replicas = math.ceil(demand.requests_per_hour / units)
        assert (r["replicas"], r["nodes"]) == (replicas, replicas * r["nodes_per_replica"])
        assert r["micro_usd_per_month"] == replicas * hour * 730
        assert abs(r["micro_usd_per_1k_requests"] - 1000 * hour / units) <= 0.5
        assert r["load_at_demand"] == pytest.approx(demand.requests_per_hour / (replicas * units))
        assert 0 < r["prefill_share"] < 1


@pytest.mark.parametrize("which", ["report", "own"])
def test_intervals_hold_their_means_and_targets_are_kept(which: str, request: pytest.FixtureRequest) -> None:
    """Latency, throughput and prices; 5 and 95 % of a lognormal lie alike to both sides."""
    report: ComparisonReport = request.getfixturevalue(which)
    for r in rows(report):
        assert r["tpot_ms"] <= 50
        assert r["ttft_ms"] <= 2000
        for name in ("tpot_ms", "ttft_ms", "output_tokens_per_s", "micro_usd_per_1m_input", "micro_usd_per_1m_output"):
            assert r[name + "_lo"] <= r[name] <= r[name + "_hi"], (name, r["model"])
        for name in ("tpot_ms", "ttft_ms"):
            assert r[name] / r[name + "_lo"] == pytest.approx(r[name + "_hi"] / r[name])
            assert r[name + "_lo"] < r[name]
        assert 0.5 <= r["tpot_chance"] <= 1


def test_memory_by_component(report: ComparisonReport, own: ComparisonReport) -> None:
    """Components add up; what fits is within what is usable; weights are the model's, split over its accelerators."""
    for r in [*report.models.records(), *own.models.records()]:
        parts = [r[f"{name}_gib"] for name in ("weights", "cache", "activations", "framework")]
        assert sum(parts) == pytest.approx(r["total_gib"])
        assert r["fits"] == (r["total_gib"] <= r["usable_gib"])
    h100 = next(r for r in own.models.records() if r["accelerator"] == "H100" and "Llama" in r["model"])
    assert h100["layout"].startswith("TP1")
    a = architecture("llama-3.1-8b")
    assert h100["weights_gib"] == pytest.approx(2 * a.parameters / 2**30, rel=1e-3)
    assert h100["usable_gib"] == pytest.approx(0.94 * 80)


def test_use_of_resources_is_below_their_peaks(report: ComparisonReport, own: ComparisonReport) -> None:
    """A share each, and something of each is used where there is anything to use."""
    for r in [*rows(report), *rows(own)]:
        for name in ("hbm_bandwidth_used", "compute_used", "kv_capacity_used"):
            assert 0 < r[name] <= 1, (name, r["model"], r[name])
        assert 0 <= r["interconnect_used"] <= 1


def test_the_best_is_the_least_cost_of_all(report: ComparisonReport, catalog: Catalog) -> None:
    """No machine serves a request for less within the targets, and what is cheapest at the demand is no dearer."""
    demand = Demand(requests_per_hour=20_000)
    machines = of_catalogue(catalog, "on_demand")
    every = choices("m", architecture("deepseek-v3"), machines, demand, None)
    least = min(c.micro_usd_per_request for c in every if c.status == "ok")
    mine = [r for r in rows(report) if "DeepSeek" in r["model"]]
    best = mine[0]
    hour = best["nodes_per_replica"] * best["micro_usd_per_node_hour"]
    assert Fraction(hour, best["requests_per_hour_of_replica"]) == least
    assert best["role"] == "best"
    for model in {r["model"] for r in rows(report)}:
        shown = [r for r in rows(report) if r["model"] == model and r["role"] in {"best", "runner-up"}]
        assert len({r["accelerator"] for r in shown}) == len(shown) == 3
    at_demand = [r for r in rows(report) if r["role"] == "cheapest at this demand"]
    for r in at_demand:
        others = [o for o in rows(report) if o["model"] == r["model"]]
        assert r["micro_usd_per_month"] == min(o["micro_usd_per_month"] for o in others)


def test_a_larger_demand_costs_no_less(catalog: Catalog) -> None:
    """And in proportion once many replicas run."""
    months = []
    for demand in (1e3, 1e7, 1e9):
        found = compare_models(["llama-3.1-8b"], OWN, catalog=catalog, requests_per_hour=demand)
        months.append(rows(found)[0]["micro_usd_per_month"])
    assert months == sorted(months)
    assert months[2] / months[1] == pytest.approx(100, rel=0.1)


def test_more_sure_is_slower_or_dearer(catalog: Catalog) -> None:
    """The chance asked for is kept, at a price."""
    plain = rows(compare_models(["llama-3.1-8b"], OWN, catalog=catalog))
    sure = rows(compare_models(["llama-3.1-8b"], OWN, catalog=catalog, sure=0.95))
    assert sure[0]["tpot_chance"] >= 0.95 - 1e-9
    assert sure[0]["tpot_ms_hi"] <= 50 * (1 + 1e-9)
    assert sure[0]["micro_usd_per_1k_requests"] >= plain[0]["micro_usd_per_1k_requests"]


def test_what_does_not_fit_says_so(own: ComparisonReport) -> None:
    """DeepSeek-V3 on four L4: memory, with no price and no latency; the report is complete since the H100s serve it."""
    r = next(r for r in own.models.records() if "DeepSeek" in r["model"] and r["accelerator"] == "L4")
    assert (r["status"], r["fits"]) == ("memory", False)
    assert r["reason"].startswith("HBM capacity: needs ")
    assert r["micro_usd_per_month"] == r["micro_usd_per_1m_output"] == -1
    assert math.isnan(r["tpot_ms"])
    frame = own.to_frame()
    assert frame.loc[frame["status"] == "memory", "usd_per_month"].tolist() == [None]


def test_targets_out_of_reach_name_the_resource(catalog: Catalog) -> None:
    """TPOT, TTFT, and nodes that are too few."""
    tpot = compare_models(["llama-3.1-70b"], catalog=catalog, tpot_ms=0.5)
    (row,) = tpot.models.records()
    assert (row["role"], row["status"]) == ("nearest", "tpot")
    assert not tpot.complete
    assert "ms per output token at best" in row["reason"]
    assert any(name in row["reason"] for name in ("HBM bandwidth", "launch", "interconnect", "compute"))
    (row,) = compare_models(["llama-3.1-70b"], catalog=catalog, ttft_ms=5.0).models.records()
    assert row["status"] == "ttft"
    assert "of its prefill" in row["reason"]


def test_a_cluster_that_is_too_small_is_told(catalog: Catalog) -> None:
    """What it serves at most, and that it is not enough."""
    found = compare_models(["llama-3.1-8b"], OWN, catalog=catalog, requests_per_hour=1e7)
    h100 = next(r for r in rows(found) if r["accelerator"] == "H100")
    assert h100["requests_per_hour_at_most"] == 2 * h100["requests_per_hour_of_replica"]
    assert not h100["enough"]
    assert "too few nodes" in found.to_html()


def test_break_evens_are_those_of_the_rows(own: ComparisonReport) -> None:
    """At the demand named the large one is cheaper and one request before it is not; prices are those of the rows."""
    by_node = {(r["model"], r["node"]): r for r in rows(own)}
    pairs = [r for r in own.break_even.records() if r["between"] == "nodes" and "Llama" in r["small_model"]]
    assert pairs
    for p in pairs:
        small, large = (
            next(r for (model, node), r in by_node.items() if model == p["small_model"] and node in p[side])
            for side in ("small", "large")
        )
        at = p["cheaper_from_requests_per_hour"]

        def month(r: dict[str, Any], demand: float) -> int:
            return int(math.ceil(demand / r["requests_per_hour_of_replica"]) * r["micro_usd_per_month_of_replica"])

        assert month(large, at) < month(small, at)
        assert month(large, at - 1) >= month(small, at - 1)
        assert p["micro_usd_per_month_small"] < p["micro_usd_per_month_large"]


def test_commitments_against_on_demand(report: ComparisonReport, catalog: Catalog) -> None:
    """Hours are the committed month over the on-demand hour, from the catalogue's own rows."""
    o = catalog.offers
    assert len(report.commitments)
    for r in report.commitments.records():
        mine = (o.provider == r["provider"]) & (o.node == r["node"]) & (o.region == r["region"])
        (hour,) = o.micro_usd_per_hour[mine & (o.option == "on_demand")].tolist()
        rate, upfront, term = (
            int(column[mine & (o.option == r["option"])][0])
            for column in (o.micro_usd_per_hour, o.upfront_micro_usd, o.term_months)
        )
        assert r["hours_per_month"] == pytest.approx((730 * rate + upfront / term) / hour)
        assert r["worth_it"] == (r["hours_per_month_against_best"] < 730)


def test_edges_are_exact(report: ComparisonReport) -> None:
    """Decimal dollars in frames, decimal text in JSON, each the integer inside."""
    frame = report.to_frame()
    document = json.loads(report.to_json())
    inside = list(report.models.records())
    for i, r in enumerate(inside):
        for name in ("usd_per_month", "usd_per_1m_input", "usd_per_1m_output", "usd_per_node_hour"):
            micro = r["micro_" + name]
            assert isinstance(frame[name][i], Decimal)
            assert frame[name][i] * MICRO == micro
            assert Decimal(document["models"][i][name]) * MICRO == micro


def test_json_names_schema_and_units(own: ComparisonReport) -> None:
    """Strict JSON; every measured column has a unit; what is absent is null."""
    document = json.loads(own.to_json(), parse_constant=pytest.fail)
    assert document["schema"] == "autoparallel.comparison/1"
    assert document["demand"] == dataclasses.asdict(own.demand)
    units = document["units"]
    assert (units["tpot_ms_lo"], units["weights_gib"], units["usd_per_month"]) == ("ms", "GiB", "USD")
    assert (units["output_tokens_per_s"], units["requests_per_hour_of_replica"]) == ("tokens/s", "requests/h")
    for row in document["models"]:
        for name, value in row.items():
            if isinstance(value, float):
                assert name in units, name
    assert any(row["usd_per_month"] is None for row in document["models"])
    assert own.to_json() == own.to_json()


def test_precision_as_asked(catalog: Catalog) -> None:
    """As published; FP8 too when it may; one for all when named."""

    def stored(**more: Any) -> set[str]:
        return {r["precision"] for r in rows(compare_models(["llama-3.1-8b"], OWN, catalog=catalog, **more))}

    assert stored() == {"bf16"}
    assert stored(precision="auto") == {"fp8"}
    assert stored(precision="int4") == {"int4"}


def test_own_measurements_correct_the_prediction(tmp_path: Path, catalog: Catalog) -> None:
    """TPOT measured a third below what is predicted, at several loads: the row follows, is measured and is surer."""
    one = {"accelerators": [{"accelerator": "H100", "count": 1, "per_node": 1, "usd_per_hour": 2.25}]}
    (before,) = rows(compare_models(["llama-3.1-8b"], one, catalog=catalog, tpot_ms=None, ttft_ms=None))
    head = "model,system,engine,precision,tensor_parallel,input_tokens,output_tokens,concurrency,tpot_ms"
    same = f"llama-3.1-8b,H100,vllm,bf16,1,1000,300,{before['concurrency']},{before['tpot_ms'] / 1.5}"
    file = tmp_path / "own.csv"
    file.write_text("\n".join([head, *[same] * 5]) + "\n")
    found = compare_models(["llama-3.1-8b"], one, catalog=catalog, tpot_ms=None, ttft_ms=None, measurements=file)
    (after,) = rows(found)
    assert after["evidence"] == "measured"
    assert after["tpot_ms"] < 0.85 * before["tpot_ms"]
    assert after["tpot_ms_hi"] / after["tpot_ms_lo"] < before["tpot_ms_hi"] / before["tpot_ms_lo"]


@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        (["lama-3.1-8b"], {}, "unknown model 'lama-3.1-8b'.*nearest are llama-3.1-8b"),
        ("llama-3.1-8b", {}, "must be a list of models"),
        ([], {}, "must be a list of models"),
        (["llama-3.1-8b"], {"requests_per_hour": math.nan}, "requests_per_hour must be a number"),
        (["llama-3.1-8b"], {"requests_per_hour": 0}, "requests_per_hour must be above 0"),
        (["llama-3.1-8b"], {"input_tokens": 10**6}, "takes 131,072 tokens"),
        (["llama-3.1-8b"], {"engine": "tgi"}, "unknown engine 'tgi'"),
        (["llama-3.1-8b"], {"precision": "fp9"}, "unknown precision 'fp9'"),
        (["llama-3.1-8b"], {"option": "spto"}, "unknown option 'spto'.*spot"),
        (["llama-3.1-8b"], {"tpot_ms": -1.0}, "tpot_ms must be above 0"),
        (["llama-3.1-8b"], {"sure": 1.0}, "sure must be from"),
        (["llama-3.1-8b"], {"measurements": "absent.csv"}, "absent.csv"),
    ],
)
def test_bad_arguments(catalog: Catalog, models: Any, more: dict[str, Any], message: str) -> None:
    """One clean error each."""
    with pytest.raises(InputError, match=message):
        compare_models(models, catalog=catalog, **more)


def test_a_config_file_stands_for_a_model(tmp_path: Path, catalog: Catalog) -> None:
    """Named by itself, and costing what the packaged model does."""
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "_name_or_path": "acme/tuned",
        "max_position_embeddings": 131072,
    }  # fmt: skip
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    found = rows(compare_models([str(file), "llama-3.1-8b"], OWN, catalog=catalog))
    mine, packaged = (
        [r for r in found if r["model"] == name] for name in ("acme/tuned", "meta-llama/Meta-Llama-3.1-8B")
    )
    assert len(mine) == len(packaged) == 2
    assert mine[0]["weights_gib"] == pytest.approx(packaged[0]["weights_gib"], rel=1e-6)


def test_the_package_gives_both_names() -> None:
    """Imported when first used."""
    assert solver.compare_models is compare_models
    assert solver.ComparisonReport is ComparisonReport
