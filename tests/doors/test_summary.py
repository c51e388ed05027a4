"""The fleet table against hand computation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from solver.summary import COLUMNS, OUTPUT_WEIGHT, summarise
from solver.table import Table
from tests.doors.small import USD, make_small, make_small_plan
from tests.report.report_samples import make_plan, make_problem


def test_rows_are_what_hand_computation_says() -> None:
    """Two pools of chat, the dearer first; idle commitments belong to no row."""
    big, small = summarise(make_small(), make_small_plan()).records()
    assert (big["workload"], big["kind"], big["provider"], big["region"], big["node"]) == (
        *("chat", "serving", "aws", "us", "big"),
    )
    assert (big["accelerator"], small["accelerator"]) == ("H100", "L4")
    assert (big["option"], small["option"]) == ("commit_1y+on_demand", "on_demand")
    assert (big["nodes_peak"], small["nodes_peak"]) == (3, 7)
    assert big["nodes_mean"] == pytest.approx((3 * 30 + 1 * 70) / 100)
    assert small["nodes_mean"] == pytest.approx(7 * 30 / 100)
    assert big["layout"] == "TP8, 64 in flight"
    assert (big["micro_usd_per_month"], small["micro_usd_per_month"]) == (510 * USD, 120 * USD)
    assert big["utilisation"] == pytest.approx((250 * 30 + 60 * 70) / (300 * 30 + 100 * 70))
    assert (big["ttft_ms"], big["tpot_ms"], big["evidence"]) == (310.0, 20.0, "calibrated")
    assert (small["ttft_ms"], small["tpot_ms"], small["evidence"]) == (460.0, 40.0, "physics")


def test_token_prices_give_the_cost_of_the_row_back() -> None:
    """An output token costs a stated multiple of an input token, and the two add up to the row's cost."""
    big = next(summarise(make_small(), make_small_plan()).records())
    requests = 250 * 30 + 60 * 70
    price_in = 1020 * USD * 10**6 / (requests * (1000 + OUTPUT_WEIGHT * 250))
    assert big["micro_usd_per_1m_input"] == round(price_in)
    assert big["micro_usd_per_1m_output"] == round(OUTPUT_WEIGHT * price_in)


def test_a_run_has_no_token_prices_and_no_latency() -> None:
    """-1 and NaN say so."""
    plan = make_small_plan()
    names = plan.placements.names
    placements = Table.from_records(names, [(3, "train", "aws", "us", "big", "firm", 0, 1, 2)])
    served = Table.from_records(plan.served.names, [(2, "train", "", 3, "aws", "us", 0, 33)])
    (row,) = summarise(make_small(), dataclasses.replace(plan, placements=placements, served=served)).records()
    assert (row["micro_usd_per_1m_input"], row["micro_usd_per_1m_output"]) == (-1, -1)
    assert np.isnan(row["ttft_ms"])
    assert np.isnan(row["tpot_ms"])
    assert row["utilisation"] == pytest.approx(33 / 50)


def test_no_placements_give_an_empty_table_with_every_column() -> None:
    """As an infeasible plan has."""
    plan = make_small_plan()
    empty = dataclasses.replace(plan, placements=plan.placements.take(np.zeros(0, dtype=np.int64)))
    assert summarise(make_small(), empty).names == COLUMNS


def test_columns_are_those_of_the_reports() -> None:
    """The same names in the same order."""
    assert make_plan().fleet.names == COLUMNS
    rows = summarise(make_problem(), make_plan())
    bill = sum(r["micro_usd_per_month"] for r in rows.records())
    idle = sum(r["micro_usd"] for r in make_plan().cost_lines.records() if r["workload"] == "(idle)")
    assert abs(bill * 12 + idle - make_plan().total_micro_usd) <= 12 * len(rows)
