"""The packaged examples, on the real catalogue."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import costdata
import solver.spec
from solver.enumerate import enumerate_problem
from solver.errors import InputError
from solver.examples import example_names, example_text
from solver.problem import Problem
from solver.spec.model import Spec

NAMES = (
    "batch", "contradiction", "eu-residency", "one-model", "scenarios", "training", "twelve-workloads", "uncertain",
)  # fmt: skip


def spec_of(name: str, folder: Path) -> Path:
    """An example in a file."""
    path = folder / f"{name}.yaml"
    path.write_text(example_text(name), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, Problem]:
    """Each example, read and enumerated."""
    path = spec_of(request.param, tmp_path_factory.mktemp("example"))
    return solver.spec.read_spec(path), solver.spec.load(path)


def test_names() -> None:
    """All of them, sorted; an unknown one is refused with the list."""
    assert example_names() == NAMES
    with pytest.raises(InputError, match="one-model"):
        example_text("two-models")
    for name in NAMES:
        assert example_text(name).startswith("# ")
        assert all(len(line) <= 120 for line in example_text(name).splitlines())


def test_every_workload_has_candidates(example: tuple[Spec, Problem]) -> None:
    """And each candidate is open to a source of its workload."""
    _, p = example
    c, s = p.candidates, p.sources
    assert set(c.workload.tolist()) == set(range(len(p.workloads.name)))
    site = p.pool_site[c.pool]
    near = s.rtt_ms[:, site] + c.ttft_ms <= p.workloads.ttft_ms[s.workload][:, None]
    assert (near & (s.workload[:, None] == c.workload)).any(axis=0).all()
    for w, allowed in enumerate(p.workloads.residency):
        at = site[c.workload == w]
        assert (
            not allowed or np.isin(np.stack([p.sites.country[at], p.sites.jurisdiction[at]]), allowed).any(axis=0).all()
        )


def test_every_pool_is_used_and_sold(example: tuple[Spec, Problem]) -> None:
    """Firm candidates have firm offers, spot candidates one spot offer; no offer twice."""
    _, p = example
    c, o = p.candidates, p.offers
    assert set(c.pool.tolist()) == set(o.pool.tolist()) == set(range(len(p.pool_shape)))
    for kind in (0, 1):
        assert len(set(o.pool[o.kind == kind].tolist())) == (o.kind == kind).sum()
    assert set(c.pool[c.market == 1].tolist()) <= set(o.pool[o.kind == 1].tolist())
    assert set(c.pool[c.market == 0].tolist()) <= set(o.pool[o.kind != 1].tolist())


def test_every_node_is_accounted_for(example: tuple[Spec, Problem]) -> None:
    """Candidate or excuse, for every workload and node of the catalogue; few rows of excuses."""
    spec, p = example
    catalog = costdata.load(as_of=spec.prices.as_of)
    if spec.prices.providers:
        catalog = catalog.where(provider=spec.prices.providers)
    for w, workload in enumerate(spec.workloads):
        shapes = p.pool_shape[p.candidates.pool[p.candidates.workload == w]]
        used = {(str(p.shapes.provider[s]), str(p.shapes.node[s])) for s in shapes}
        mine = p.excuses.take(p.excuses["workload"] == workload.name)
        assert used | set(zip(mine["provider"], mine["node"], strict=True)) == set(catalog.nodes)
    assert len(p.excuses) < 5000


def test_hours_add_up(example: tuple[Spec, Problem]) -> None:
    """Every scenario has every hour of the horizon."""
    spec, p = example
    hours = (spec.horizon.end - spec.horizon.start).days * 24
    assert p.blocks.total_hours.sum() == hours * len(p.blocks.probability)
    assert p.blocks.calendar["hours"].sum() == hours * len(p.blocks.probability)


def test_a_plan_can_be_made_again(example: tuple[Spec, Problem]) -> None:
    """From the canonical spec that every plan holds."""
    _, p = example
    again = solver.spec.loads(p.provenance["spec"])
    assert again.digest() == p.digest()
    assert again.provenance["spec"] == p.provenance["spec"]


def test_shuffled_offers_are_the_same_problem(tmp_path: Path) -> None:
    """On the real catalogue: the order of its rows is nothing."""
    spec = solver.spec.read_spec(spec_of("eu-residency", tmp_path))
    catalog = costdata.load(as_of=spec.prices.as_of)
    order = list(range(len(catalog.offers)))
    digests = set()
    for seed in range(4):
        if seed:
            random.Random(seed).shuffle(order)  # noqa: S311 (a test)
        object.__setattr__(catalog, "offers", catalog.offers.take(np.array(order)))
        made = enumerate_problem(
            name=spec.name,
            catalog=catalog,
            workloads=spec.workloads,
            horizon=spec.horizon,
            options=spec.prices.options,
            limits=spec.limits,
        )
        digests.add(made.digest())
    assert len(digests) == 1


def test_schema_accepts_the_examples() -> None:
    """Editors do not complain about them."""
    jsonschema = pytest.importorskip("jsonschema")
    from solver.spec.reader import parse

    check = jsonschema.Draft202012Validator(solver.spec.json_schema())
    for name in NAMES:
        data = parse(example_text(name).encode(), name=name, suffix=".yaml").data
        plain = json.loads(json.dumps(data, default=str))  # days as texts
        assert not list(check.iter_errors(plain)), name


def test_twelve_workloads(tmp_path: Path) -> None:
    """Twelve workloads of three kinds on four providers, under quotas and a budget."""
    p = solver.spec.load(spec_of("twelve-workloads", tmp_path))
    assert sorted(p.workloads.kind.tolist()) == ["batch"] + ["serving"] * 8 + ["training"] * 3
    assert set(p.sites.provider.tolist()) == {"aws", "gcp", "azure", "nebius"}
    assert set(p.offers.option.tolist()) == {"on_demand", "spot", "commit_1y"}
    assert p.limits.quotas
    assert p.limits.monthly_budget_micro_usd


def test_age_limit_counts_what_is_left_after_narrowing(tmp_path: Path) -> None:
    """AWS has spot prices last seen years ago; a spec of another provider does not mind, one of AWS does."""
    text = spec_of("batch", tmp_path).read_text()
    path = tmp_path / "aged.yaml"
    path.write_text(text.replace("prices:\n", "prices:\n  max_age_days: 340\n  providers: [PROVIDER]\n", 1))
    fresh = path.read_text().replace("PROVIDER", "nebius")
    path.write_text(fresh)
    assert len(solver.spec.load(path).offers.pool) > 0
    path.write_text(fresh.replace("nebius", "aws"))
    with pytest.raises(InputError, match="older than 340 days"):
        solver.spec.load(path)
