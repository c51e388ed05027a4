"""Fields that say how things may go otherwise, on the real catalogue."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import solver
import solver.spec
from solver.errors import InputError
from solver.examples import example_text
from solver.problem import COMMITMENT, Problem
from solver.report.json import from_json, to_json


@pytest.fixture(scope="module")
def text() -> str:
    """The packaged example."""
    return example_text("uncertain")


def loaded(text: str, folder: Path) -> Problem:
    """Read from a file."""
    path = folder / "u.yaml"
    path.write_text(text, encoding="utf-8")
    return solver.spec.load(path)


def test_the_example_says_what_it_says(text: str, tmp_path: Path) -> None:
    """Four scenarios, and each three times more with a region lost; half the objective is the tail."""
    p = loaded(text, tmp_path)
    assert p.outages is not None
    assert len(p.blocks.probability) == len(p.outages.probability) == 4 * 4
    assert p.limits.risk_weight == Fraction(1, 2)
    assert p.limits.cvar_level == Fraction(9, 10)
    calm = sum(p.outages.probability[:4], Fraction(0))
    assert calm == 1 - 3 * Fraction(2, 100)


def test_caution_holds_more_and_costs_less_in_the_tail(text: str, tmp_path: Path) -> None:
    """The example against the same without a weight on the tail; both plans are checked, proved and read back."""
    p = loaded(text, tmp_path)
    plain = dataclasses.replace(p, limits=dataclasses.replace(p.limits, risk_weight=Fraction(0)))
    careful, bold = (solver.solve(x, deterministic=True, gap=0.01) for x in (p, plain))

    def value(plan: Any, measure: str) -> int:
        return int(next(r["micro_usd"] for r in plan.risk.records() if r["measure"] == measure))

    assert careful.certificate.bounds == "objective"
    assert bold.certificate.bounds == "bill"
    assert careful.certificate.gap <= 0.01
    assert value(careful, "CVaR 0.9") < value(bold, "CVaR 0.9")
    assert value(careful, "expected cost") > value(bold, "expected cost")
    assert abs(value(careful, "expected cost") - careful.total_micro_usd) < len(careful.cost_lines)
    assert value(careful, "objective") == careful.certificate.upper_micro_usd
    assert from_json(to_json(careful)).certificate == careful.certificate


def test_limits_and_ranges(text: str, tmp_path: Path) -> None:
    """Cash, a tail of unserved demand and uncertain prices come through exactly."""
    changed = text.replace("  cvar: {level: 0.9}", "  cvar: {level: 0.75, max_usd: 12.5}\n  upfront_max_usd: 0.1\n"
                           "  service_levels: [{workload: launch, max_unserved_cvar: 0.01, level: 0.5}]")  # fmt: skip
    changed = changed.replace("    residency: [US]", "    residency: [US]\n    unserved_usd_per_unit: 0.01")
    options = "  options: [on_demand, commit_1y]"
    changed = changed.replace(options, options + "\n  robust_budget: 2\n"
                              "  uncertain: [{region: us-east4, option: on_demand, up_percent: 12.5}]")  # fmt: skip
    p = loaded(changed, tmp_path)
    limits, o = p.limits, p.offers
    assert (limits.cvar_level, limits.cvar_max_micro_usd) == (Fraction(3, 4), 12_500_000)
    assert limits.upfront_max_micro_usd == 100_000
    weight = [q * int(h) for q, h in zip(p.blocks.block_probability(), p.blocks.total_hours, strict=True)]
    asked = sum(w * int(u) for w, u in zip(weight, p.sources.units_per_hour.sum(axis=0), strict=True))
    (u,) = limits.unserved
    assert (u.workload, u.level, u.max_units) == (0, Fraction(1, 2), int(asked / 100))
    assert limits.robust_budget == 2
    region = p.sites.region[p.pool_site[o.pool]]
    rises = np.flatnonzero((region == "us-east4") & (o.kind != COMMITMENT)).tolist()
    assert limits.uncertain == tuple((k, Fraction(1, 8)) for k in rises)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("risk_weight: 0.5", "risk_weight: 1.5", "risk_weight"),
        ("keep: 4", "keep: 51", "keep"),
        ("name: uncertain", "name: uncertain\nscenarios: [{name: a}]", "a forecast that draws them"),
        ("  cvar: {level: 0.9}", "  cvar: {level: 1.0}", "level"),
        ("  cvar:", "  service_levels: [{workload: launch, max_unserved_cvar: 0.1}]\n  cvar:", "must be served"),
        ('{region: "*", p', "{region: mars, p", "no region with a candidate"),
        ("  options: [", "  uncertain: [{node: none, up_percent: 1}]\n  options: [", "no offer is named"),
    ],
)
def test_what_contradicts_itself_is_refused(old: str, new: str, words: str, text: str, tmp_path: Path) -> None:
    """With the field and a mend."""
    assert old in text
    with pytest.raises(InputError, match=words):
        loaded(text.replace(old, new, 1), tmp_path)
