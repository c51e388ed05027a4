"""Fixtures of the report's tests; the samples themselves are in report_samples."""

from __future__ import annotations

import pytest

from solver.plan import Plan
from solver.problem import Problem
from tests.report.report_samples import make_infeasible, make_plan, make_problem


@pytest.fixture(scope="session")
def problem() -> Problem:
    """The problem."""
    return make_problem()


@pytest.fixture(scope="session")
def plan() -> Plan:
    """The plan."""
    return make_plan()


@pytest.fixture(scope="session")
def infeasible() -> Plan:
    """A plan without a fleet."""
    return make_infeasible()
