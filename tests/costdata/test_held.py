"""Commitments held already: whole nodes and dollars an hour, what is paid at once, and rows that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import solver.spec
from costdata import Catalog, DataError, OwnedCommitment, SpendCommitment, mechanisms, overrides, packaged
from solver.examples import example_text
from solver.spec.reader import parse
from tests.costdata.conftest import Writer

COMPUTE = {
    "provider": "aws",
    "option": "compute_savings_1y",
    "usd_per_hour": "12.5",
    "starts": "2026-03-01",
    "ends": "2027-03-01",
}
FAMILY = {**COMPUTE, "option": "instance_savings_3y", "region": "us-east-1", "node": "p5", "ends": "2029-03-01"}
NODES = {
    "provider": "aws",
    "region": "us-east-1",
    "node": "p5.48xlarge",
    "option": "commit_1y",
    "nodes": "2",
    "price_per_hour": "30",
    "starts": "2026-03-01",
    "ends": "2027-03-01",
}
YEAR = 365 * 24


def table(*rows: dict[str, str]) -> str:
    """Rows with whatever columns they have."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return "\n".join([",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows)]) + "\n"


def applied(folder: Writer, catalog: Catalog, *rows: dict[str, str]) -> Catalog:
    """The catalogue with a commitments.csv of these rows."""
    return overrides.applied(catalog, folder(commitments=table(*rows)))


def refused(folder: Writer, catalog: Catalog, *rows: dict[str, str]) -> DataError:
    """The error of such a file."""
    with pytest.raises(DataError) as caught:
        applied(folder, catalog, *rows)
    return caught.value


def read_or_refused(folder: Writer, catalog: Catalog, *rows: dict[str, str]) -> Catalog | DataError:
    """The catalogue, or the typed error; any other is a test's failure."""
    try:
        return applied(folder, catalog, *rows)
    except DataError as error:
        return error


def test_dollars_an_hour_stand_apart_from_nodes(folder: Writer, catalog: Catalog) -> None:
    """The planner's tuple holds whole nodes alone."""
    own = applied(folder, catalog, NODES, COMPUTE, FAMILY)
    assert [(c.option, c.nodes) for c in own.commitments] == [("commit_1y", 2)]
    assert {c.option for c in own.spend_commitments} == {"compute_savings_1y", "instance_savings_3y"}
    assert all(isinstance(c, OwnedCommitment) for c in own.commitments)
    assert all(isinstance(c, SpendCommitment) for c in own.spend_commitments)
    assert catalog.spend_commitments == ()


def test_a_plan_of_all_compute(folder: Writer, catalog: Catalog) -> None:
    """$12.50 in each of 8,760 hours, bound to no region and no shape."""
    (plan,) = applied(folder, catalog, COMPUTE).spend_commitments
    assert (plan.micro_usd_per_hour, plan.hours, plan.upfront_micro_usd) == (12_500_000, YEAR, 0)
    assert plan.pool == ("aws", "*", "*")
    assert (plan.account, plan.payment, plan.renewable) == ("", "no_upfront", False)
    assert (plan.starts, plan.ends) == (date(2026, 3, 1), date(2027, 3, 1))
    assert plan.source == "commitments.csv, row 2"
    assert mechanisms.mechanism("aws", plan.option).covers(plan.pool, ("aws", "eu-west-1", "g6.xlarge"))


@pytest.mark.parametrize("node", ["p5", "p5.48xlarge", "p5.4xlarge"])
def test_a_plan_of_a_family(folder: Writer, catalog: Catalog, node: str) -> None:
    """Named by the family or any shape of it."""
    (plan,) = applied(folder, catalog, {**FAMILY, "node": node}).spend_commitments
    assert plan.pool == ("aws", "us-east-1", "p5")
    m = mechanisms.mechanism("aws", plan.option)
    assert m.covers(plan.pool, ("aws", "us-east-1", "p5.4xlarge"))
    assert not m.covers(plan.pool, ("aws", "us-east-1", "p5en.48xlarge"))


@pytest.mark.parametrize(
    ("changed", "payment", "usd"),
    [
        ({}, "no_upfront", "0"),
        ({"option": "compute_savings_1y_all_upfront"}, "all_upfront", "109500"),  # 12.5 × 8,760
        ({"option": "compute_savings_1y_partial_upfront"}, "partial_upfront", "54750"),
        ({"option": "compute_savings_1y_partial_upfront", "upfront": "70000"}, "partial_upfront", "70000"),
        ({"option": "compute_savings_1y_all_upfront", "upfront": "109500"}, "all_upfront", "109500"),
        ({"payment": "all_upfront"}, "all_upfront", "109500"),
        ({"payment": "partial_upfront"}, "partial_upfront", "54750"),
        ({"option": "compute_savings_1y_all_upfront", "ends": "2026-03-31"}, "all_upfront", "9000"),  # 30 days are left
        ({"provider": "azure", "option": "savings_plan_1y", "payment": "all_upfront"}, "all_upfront", "109500"),
        ({"provider": "gcp", "option": "flexible_cud_1y"}, "no_upfront", "0"),
    ],
)
def test_what_is_paid_at_once(
    folder: Writer, catalog: Catalog, changed: dict[str, str], payment: str, usd: str
) -> None:
    """As given; else all of the term, half of it, or nothing."""
    (plan,) = applied(folder, catalog, {**COMPUTE, **changed}).spend_commitments
    assert (plan.payment, plan.upfront_micro_usd) == (payment, int(Decimal(usd) * 1_000_000))


def test_accounts_payment_and_renewal(folder: Writer, catalog: Catalog) -> None:
    """Of both kinds; the same commitment may be held by two accounts."""
    more = {"account": "research", "renewable": "yes", "source": "order 17"}
    own = applied(folder, catalog, {**NODES, **more}, NODES, {**COMPUTE, **more}, COMPUTE)
    assert sorted((c.account, c.renewable) for c in own.commitments) == [("", False), ("research", True)]
    assert sorted((c.account, c.renewable) for c in own.spend_commitments) == [("", False), ("research", True)]
    assert {c.source for c in own.spend_commitments} == {"order 17", "commitments.csv, row 5"}


@pytest.mark.parametrize(
    ("changed", "payment"),
    [
        ({}, "no_upfront"),
        ({"upfront": "1000"}, "partial_upfront"),
        ({"upfront": "1000", "price_per_hour": "0"}, "all_upfront"),
        ({"upfront": "1000", "price_per_hour": "0", "payment": "all_upfront"}, "all_upfront"),
        ({"price_per_hour": "0", "free": "yes"}, "no_upfront"),
        ({"upfront": "1576800", "price_per_hour": "0"}, "all_upfront"),  # three years of $60 an hour
    ],
)
def test_how_nodes_are_paid(folder: Writer, catalog: Catalog, changed: dict[str, str], payment: str) -> None:
    """The money says it."""
    (nodes,) = applied(folder, catalog, {**NODES, **changed}).commitments
    assert nodes.payment == payment
    assert nodes.upfront_micro_usd == int(changed.get("upfront", "0")) * 1_000_000


def test_the_digest_tells_them(folder: Writer, catalog: Catalog) -> None:
    """Another amount is another catalogue; the order of rows is not."""
    one = applied(folder, catalog, COMPUTE, FAMILY).digest
    assert one != catalog.digest
    named = [{**row, "source": "contract"} for row in (COMPUTE, FAMILY)]
    assert applied(folder, catalog, *named).digest == applied(folder, catalog, *named[::-1]).digest
    assert one != applied(folder, catalog, {**COMPUTE, "usd_per_hour": "12.51"}, FAMILY).digest


@pytest.mark.parametrize(
    ("row", "changed", "column", "said"),
    [
        (COMPUTE, {"usd_per_hour": ""}, "usd_per_hour", "empty"),
        (COMPUTE, {"usd_per_hour": "0"}, "usd_per_hour", "nothing"),
        (COMPUTE, {"usd_per_hour": "1000000.01"}, "usd_per_hour", "between"),
        (COMPUTE, {"usd_per_hour": "-1"}, "usd_per_hour", "plain number"),
        (COMPUTE, {"nodes": "2"}, "nodes", "dollars an hour"),
        (COMPUTE, {"price_per_hour": "2"}, "price_per_hour", "dollars an hour"),
        (COMPUTE, {"region": "us-east-1"}, "region", "every region"),
        (COMPUTE, {"node": "p5.48xlarge"}, "node", "every shape"),
        (COMPUTE, {"currency": "EUR"}, "currency", "dollars"),
        (COMPUTE, {"free": "yes"}, "free", "free"),
        (COMPUTE, {"provider": "gcp"}, "option", "sells no"),
        (COMPUTE, {"provider": "awz"}, "provider", "unknown provider"),
        (COMPUTE, {"ends": "2026-03-01"}, "ends", "no term"),
        (COMPUTE, {"upfront": "5"}, "upfront", "no_upfront"),
        (COMPUTE, {"upfront": "5", "payment": "no_upfront"}, "payment", "no_upfront"),
        (COMPUTE, {"upfront": "0", "payment": "all_upfront"}, "payment", "all_upfront"),
        (COMPUTE, {"upfront": "109500.01", "payment": "all_upfront"}, "upfront", "more than the whole term"),
        (COMPUTE, {"payment": "monthly"}, "payment", "unknown"),
        (FAMILY, {"node": ""}, "node", "unknown node"),
        (FAMILY, {"node": "*"}, "node", "unknown node"),
        (FAMILY, {"node": "p55"}, "node", "unknown node"),
        (FAMILY, {"region": ""}, "region", "unknown region"),
        (FAMILY, {"region": "us-est-1"}, "region", "unknown region"),
        (NODES, {"option": "compute_savings_1y"}, "region", "every region"),
    ],
)
def test_a_row_that_cannot_be(
    folder: Writer, catalog: Catalog, row: dict[str, str], changed: dict[str, str], column: str, said: str
) -> None:
    """Named by cell, with the mend."""
    error = refused(folder, catalog, {**row, **changed})
    assert error.where == f"commitments.csv, row 2, column {column}"
    assert said in error.message
    assert error.mend


def test_the_same_twice(folder: Writer, catalog: Catalog) -> None:
    """One account buys a plan once on a day: what it bought in parts is added up."""
    error = refused(folder, catalog, COMPUTE, {**COMPUTE, "usd_per_hour": "3"})
    assert error.where == "commitments.csv, row 3"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cells_are_read_or_refused(folder: Writer, catalog: Catalog, data: st.DataObject) -> None:
    """Only the typed error gets out, whatever stands in the cells; no more is paid at once than the whole."""
    row = data.draw(st.sampled_from([COMPUTE, FAMILY]))
    names = ("provider", "region", "node", "option", "usd_per_hour", "upfront", "payment", "starts", "ends", "account")
    texts = st.sampled_from(
        ["", "*", "0", "7.25", "aws", "azure", "savings_plan_3y", "us-east-1", "p5", "2026-05-01", "all_upfront", "=1"]
    )
    changed = data.draw(st.dictionaries(st.sampled_from(names), texts, max_size=3))
    own = read_or_refused(folder, catalog, {**row, **changed})
    if isinstance(own, DataError):
        assert own.where
        assert own.mend
        return
    for plan in own.spend_commitments:
        assert 0 <= plan.upfront_micro_usd <= plan.micro_usd_per_hour * plan.hours
        assert bool(plan.upfront_micro_usd) == (plan.payment != "no_upfront")
        assert mechanisms.mechanism(plan.provider, plan.option).unit == "usd"


def problem_digest(catalog: Catalog, options: str = "") -> str:
    """Of the packaged example of one model, planned from a catalogue."""
    document: Any = parse(example_text("one-model").encode(), name="one-model", suffix=".yaml").data
    if options:
        document["prices"] = {**document.get("prices", {}), "options": options.split()}
    return solver.spec.loads(json.dumps(document, default=str), catalogue=lambda _day, _folder: catalog).digest()


def test_planning_sees_nodes_alone(folder: Writer, catalog: Catalog) -> None:
    """A problem with dollars committed is the one without; with nodes committed it is another."""
    plain = problem_digest(catalog)
    assert problem_digest(applied(folder, catalog, COMPUTE, FAMILY)) == plain
    assert problem_digest(applied(folder, catalog, {**NODES, "starts": "2026-12-01"})) != plain


def test_specs_that_do_not_name_new_options_are_planned_as_before(folder: Writer, catalog: Catalog) -> None:
    """Offers of the new options, listed or of one's own, change no problem until the spec names them."""
    text = "provider,region,node,option,price_per_hour\n"
    own = "aws,eu-north-1,p5.48xlarge,compute_savings_1y,9\naws,eu-north-1,g6.12xlarge,zonal_1y,1\n"
    more = overrides.applied(catalog, folder(offers=text + own))
    before = {name for name in packaged.options() if name.startswith(("on_demand", "spot", "commit_", "capacity"))}
    fewer = replace(more, offers=more.offers.take(np.isin(more.offers.option, sorted(before))))
    assert len(fewer.offers) == len(more.offers) - 488 - 2
    assert problem_digest(more) == problem_digest(fewer) == problem_digest(catalog)
    named = "on_demand compute_savings_1y"
    assert problem_digest(more, named) != problem_digest(fewer, named)
