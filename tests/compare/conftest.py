"""Comparisons that several tests look at."""

from __future__ import annotations

import pytest

import costdata
from costdata import Catalog
from solver.compare import ComparisonReport, compare_models

OWN = {
    "name": "ours",
    "accelerators": [
        {"accelerator": "H100", "count": 16, "usd_per_hour": 2.25},
        {"accelerator": "L4", "count": 4, "per_node": 4, "usd_per_hour": 0.35},
    ],
}


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The packaged catalogue."""
    return costdata.load()


@pytest.fixture(scope="session")
def report(catalog: Catalog) -> ComparisonReport:
    """Three models over the whole catalogue."""
    return compare_models(["llama-3.1-8b", "gpt-oss-120b", "deepseek-v3"], catalog=catalog, requests_per_hour=20_000)


@pytest.fixture(scope="session")
def own(catalog: Catalog) -> ComparisonReport:
    """A model that fits on all of a cluster, and one that does not."""
    return compare_models(["llama-3.1-8b", "deepseek-v3"], OWN, catalog=catalog, requests_per_hour=20_000)
