"""Examples and the schema as printed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import solver
from solver import examples
from solver.ways.bill import Bill
from solver.ways.shop import Shop
from tests.doors.command import ROOT, run


def test_init_lists_and_prints_the_packaged_examples() -> None:
    """One name a line; each as it is packaged; the first one without a name."""
    names = run("init", "--list").stdout.splitlines()
    assert tuple(names) == examples.example_names()
    assert "one-model" in names
    for name in names:
        assert run("init", name).stdout == (ROOT / "solver" / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    assert run("init").stdout == run("init", "one-model").stdout


def test_the_schema_is_one_of_objects() -> None:
    """With the fields of a spec."""
    schema = json.loads(run("schema").stdout)
    assert schema["type"] == "object"
    assert {"name", "horizon", "workloads"} <= set(schema["required"])


@pytest.mark.parametrize("name", ["one-model", "training", "scenarios", "batch"])
def test_the_exact_bill_of_a_way_is_what_its_choice_was_estimated_to_cost(name: str) -> None:
    """On real prices, with growth, scenarios and windows: two computations that share little."""
    shop = Shop.of(solver.load(ROOT / "solver" / "examples" / f"{name}.yaml"))
    for always_on in (False, True):
        choice = shop.cheapest(always_on=always_on)
        estimate = 0.0
        for c in np.unique(choice):
            group = np.flatnonzero(choice == c)
            estimate += shop.estimate(group, always_on=always_on)[c]
        assert Bill.of(shop, choice, always_on=always_on).total == pytest.approx(estimate, rel=1e-9)
