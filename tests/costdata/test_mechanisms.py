"""Commitments as their vendors describe them: facts, what covers what, and cells that cannot be."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

import costdata
from costdata import Catalog, DataError, mechanisms, packaged
from costdata.build import invariants
from costdata.mechanisms import Pool, family, flexible, mechanism, size, sold

P5, P5_SMALL = "p5.48xlarge", "p5.4xlarge"

REGIONAL, CONVERTIBLE = "Standard Reserved Instance, regional", "Convertible Reserved Instance, regional"
FLEXIBLE, SAVINGS = "Flexible committed use discount", "Azure savings plan for compute"
# provider, option: title, unit, extent, reach, order, convertible, smallest increment, share upfront
FACTS = [
    ("aws", "commit_1y", REGIONAL, "node", "family", "region", 20, False, 1, "0"),
    ("aws", "zonal_3y", "Standard Reserved Instance, zonal", "node", "node", "zone", 10, False, 1, "0"),
    ("aws", "convertible_3y_all_upfront", CONVERTIBLE, "node", "family", "region", 20, True, 1, "1"),
    ("aws", "instance_savings_1y", "EC2 Instance Savings Plan", "usd", "family", "region", 30, False, 1000, "0"),
    ("aws", "compute_savings_3y", "Compute Savings Plan", "usd", "provider", "global", 40, False, 1000, "0"),
    ("gcp", "commit_3y", "Resource-based committed use discount", "node", "family", "region", 20, False, 1, "0"),
    ("gcp", "flexible_cud_1y", FLEXIBLE, "usd", "provider", "global", 40, False, 10_000, "0"),
    ("azure", "commit_3y", "Azure reservation", "node", "family", "region", 20, False, 1, "0"),
    ("azure", "commit_1y_all_upfront", "Azure reservation", "node", "family", "region", 20, False, 1, "1"),
    ("azure", "savings_plan_3y", SAVINGS, "usd", "provider", "global", 40, False, 10_000, "0"),
    ("runpod", "commit_6m", "Contract", "node", "node", "region", 20, False, 1, "0"),
    ("onprem", "commit_1y_partial_upfront", "Contract", "node", "node", "region", 20, False, 1, "0.5"),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact[0]} {fact[1]}")
def test_what_a_commitment_is(fact: tuple[object, ...]) -> None:
    """As the vendor's documentation says."""
    m = mechanism(str(fact[0]), str(fact[1]))
    made = (m.title, m.unit, m.extent, m.reach, m.order, m.convertible, m.smallest, str(m.upfront_share))
    assert (m.provider, m.option, *made) == fact
    assert m.source
    assert m.valid_from


def test_aws_applies_zonal_regional_instance_plan_compute_plan() -> None:
    """Zonal reservations before regional ones, those before savings plans, those of a family before those of all."""
    order = [
        mechanism("aws", f"{name}_1y").order for name in ("zonal", "commit", "instance_savings", "compute_savings")
    ]
    assert order == sorted(set(order))
    assert mechanism("aws", "convertible_1y").order == mechanism("aws", "commit_1y").order


@pytest.mark.parametrize("provider", ["gcp", "azure"])
def test_reservations_apply_before_plans(provider: str) -> None:
    """Google: resource-based before flexible; Azure: reservations before savings plans."""
    plan = "flexible_cud" if provider == "gcp" else "savings_plan"
    for term in ("1y", "3y"):
        assert mechanism(provider, f"commit_{term}").order < mechanism(provider, f"{plan}_{term}").order


@pytest.mark.parametrize(
    ("provider", "node", "group", "relative"),
    [
        ("aws", "p5.48xlarge", "p5", 384),
        ("aws", "p5.4xlarge", "p5", 32),
        ("aws", "p5en.48xlarge", "p5en", 384),
        ("aws", "p6-b200.48xlarge", "p6-b200", 384),
        ("aws", "g6.xlarge", "g6", 8),
        ("aws", "m7i.2xlarge", "m7i", 16),
        ("aws", "u-p6e-gb200x72", "u-p6e-gb200", 72),
        ("aws", "g5g.metal", "g5g", 128),  # as g5g.16xlarge, which has as many vCPUs
        ("aws", "t2.medium", "t2", 2),
        ("aws", "x1.32xlarge", "x1", 256),
        ("aws", "p5", "p5", None),
        ("gcp", "a2-highgpu-8g", "a2-highgpu", 8),
        ("gcp", "a2-megagpu-16g", "a2-megagpu", 16),
        ("gcp", "n2-standard-16", "n2-standard", 16),
        ("azure", "Standard_NC48ads_A100_v4", "Standard_NCads_A100_v4", 2),
        ("azure", "Standard_D16s_v5", "Standard_Ds_v5", 16),
        ("oci", "BM.GPU.H100.8", "BM.GPU.H100.8", 8),
    ],
)
def test_family_and_size(provider: str, node: str, group: str, relative: int | None) -> None:
    """AWS by its published normalization factors; elsewhere by accelerators, or vCPUs without any."""
    assert family(provider, node) == group
    if relative is not None:
        assert size(provider, node) == relative


def test_size_of_a_shape_of_ones_own(catalog: Catalog) -> None:
    """From the shapes given; an unknown one is told with the nearest."""
    assert size("gcp", "a2-highgpu-4g", catalog.nodes) == 4
    with pytest.raises(DataError, match="a2-highgpu-8g"):
        size("gcp", "a2-highgpu-9g", catalog.nodes)
    with pytest.raises(DataError, match="unknown shape"):
        size("nobody", "a2-highgpu-8g")
    with pytest.raises(DataError, match="unknown shape"):
        size("aws", "t2.nano")  # a quarter: no whole number


def test_aws_families_without_size_flexibility() -> None:
    """The exceptions of AWS's list; what is newer than the list is not counted on."""
    fixed = ("g4dn", "g5", "g5g", "g6", "g6e", "gr6", "p5", "inf1", "inf2", "g7", "g7e", "trn2")
    assert not any(flexible("aws", name) for name in fixed)
    assert all(flexible("aws", name) for name in ("p2", "p3", "g3", "trn1", "m7i", "c7i"))
    assert not flexible("aws", "no such family")


def test_every_aws_family_of_several_sizes_has_a_verdict(catalog: Catalog) -> None:
    """A new one cannot slip in without somebody having looked at the list."""
    for provider in ("aws", "gcp"):
        groups = [family(who, node) for who, node in catalog.nodes if who == provider]
        several = {name for name in groups if groups.count(name) > 1} - {"u-p6e-gb200"}
        judged = {name for who, name in mechanisms.families() if who == provider}
        assert several - judged == set()
        assert judged <= set(groups)


def test_google_families_are_flexible_where_resources_stand_in_one_proportion(catalog: Catalog) -> None:
    """vCPUs, memory and accelerators of each shape are its size times those of a shape of size one, and else not."""
    groups: dict[str, set[tuple[float, ...]]] = {}
    for (who, name), node in catalog.nodes.items():
        if who == "gcp":
            parts = (node.vcpus, node.ram_gib, node.accelerators)
            groups.setdefault(family(who, name), set()).add(tuple(part / size(who, name) for part in parts))
    for name in (group for who, group in mechanisms.families() if who == "gcp"):
        assert flexible("gcp", name) == (len(groups[name]) == 1), name


@pytest.mark.parametrize(
    ("option", "bought", "used", "covered"),
    [
        ("commit_1y", ("aws", "us-east-1", P5), ("aws", "us-east-1", P5), True),
        ("commit_1y", ("aws", "us-east-1", P5), ("aws", "us-east-1", P5_SMALL), False),  # no flexibility of p5
        ("commit_1y", ("aws", "us-east-1", P5), ("aws", "eu-west-1", P5), False),
        ("commit_1y", ("aws", "us-east-1", "p3.16xlarge"), ("aws", "us-east-1", "p3.2xlarge"), True),
        ("convertible_1y", ("aws", "us-east-1", "p3.16xlarge"), ("aws", "us-east-1", "p3.2xlarge"), True),
        ("zonal_1y", ("aws", "us-east-1", "p3.16xlarge"), ("aws", "us-east-1", "p3.2xlarge"), False),
        ("zonal_1y", ("aws", "us-east-1", P5), ("aws", "us-east-1", P5), True),
        ("commit_1y", ("aws", "us-east-1", "p3.16xlarge"), ("aws", "us-east-1", "p3dn.24xlarge"), False),
        ("instance_savings_1y", ("aws", "us-east-1", P5), ("aws", "us-east-1", P5_SMALL), True),
        ("instance_savings_1y", ("aws", "us-east-1", "p5"), ("aws", "us-east-1", P5_SMALL), True),
        ("instance_savings_1y", ("aws", "us-east-1", P5), ("aws", "us-east-1", "p5en.48xlarge"), False),
        ("instance_savings_1y", ("aws", "us-east-1", P5), ("aws", "eu-west-1", P5), False),
        ("compute_savings_1y", ("aws", "*", "*"), ("aws", "eu-west-1", "g6.xlarge"), True),
        ("compute_savings_1y", ("aws", "us-east-1", P5), ("aws", "eu-west-1", "g6.xlarge"), True),
        ("compute_savings_1y", ("aws", "*", "*"), ("gcp", "us-central1", "n2-standard-4"), False),
        ("flexible_cud_1y", ("gcp", "*", "*"), ("gcp", "us-central1", "n2-standard-4"), True),
        ("savings_plan_1y", ("azure", "*", "*"), ("azure", "eastus", "Standard_D4s_v5"), True),
        ("commit_1y", ("gcp", "us-central1", "a3-highgpu-8g"), ("gcp", "us-central1", "a3-highgpu-1g"), True),
        ("commit_1y", ("gcp", "us-central1", "a3-highgpu-8g"), ("gcp", "us-central1", "a3-megagpu-8g"), False),
        ("commit_1y", ("gcp", "us-central1", "g2-standard-4"), ("gcp", "us-central1", "g2-standard-8"), False),
        ("commit_6m", ("runpod", "EU-RO-1", "h100-sxm.8x"), ("runpod", "EU-RO-1", "h100-sxm.1x"), False),
    ],
)
def test_what_covers_what(option: str, bought: Pool, used: Pool, covered: bool) -> None:
    """The same commitment, bought for one pool, on nodes of another."""
    assert mechanism(bought[0], option).covers(bought, used) is covered


def test_a_commitment_covers_nothing_of_another_provider() -> None:
    """Not even from one pool of it to the same."""
    elsewhere = ("gcp", "us-central1", "n2-standard-4")
    assert not mechanism("aws", "compute_savings_1y").covers(elsewhere, elsewhere)


def test_covering_is_an_equivalence(catalog: Catalog) -> None:
    """Every mechanism splits the pools of its provider into classes: itself, both ways, and on."""
    seen = list(dict.fromkeys(zip(*(getattr(catalog.offers, n) for n in ("provider", "region", "node")), strict=True)))
    for (who, option), m in mechanisms.mechanisms().items():
        mine = [pool for pool in seen if pool[0] == who][::97]
        assert all(m.covers(pool, pool) for pool in mine), option
        for a, b in product(mine, mine):
            assert m.covers(a, b) == m.covers(b, a)
            if m.covers(a, b) and m.reach != "global":
                assert a[1] == b[1]
            if m.covers(a, b) and m.extent == "node":
                assert a[2] == b[2]


def test_every_commitment_offered_has_a_mechanism(catalog: Catalog) -> None:
    """And of the same unit and payment as its option says."""
    o = catalog.offers
    pairs = set(zip(o.provider, o.option, o.kind, strict=True))
    assert {(who, option) for who, option, kind in pairs if kind == "commitment"}
    for who, option, kind in pairs:
        if kind == "commitment":
            assert mechanism(who, option).provider == who
            assert option in sold(who)
        else:
            with pytest.raises(DataError):
                mechanism(who, option)


def test_every_row_makes_sense() -> None:
    """Scope and reach agree, whole nodes one by one, dollars by less than one, and what is paid at once fits."""
    scopes = {"zone": "zone", "region": "region", "global": "global"}
    for m in mechanisms.mechanisms().values():
        option = packaged.options()[m.option]
        assert scopes[m.reach] == option.scope
        assert option.kind == "commitment"
        assert (m.step == 1) if m.unit == "node" else (0 < m.step < 1)
        assert m.smallest >= 1
        assert (m.upfront_share == 0) == (option.payment == "no_upfront")
        assert (m.upfront_share == 1) == (option.payment == "all_upfront")
        assert Decimal(0) <= m.upfront_share <= 1


def test_what_a_provider_does_not_sell() -> None:
    """Refused, with the nearest of what it does."""
    with pytest.raises(DataError, match="sells no 'flexible_cud_1y'"):
        mechanism("aws", "flexible_cud_1y")
    with pytest.raises(DataError, match="compute_savings_1y"):
        mechanism("aws", "compute_saving_1y")
    assert "savings_plan_1y" in sold("azure")
    assert "savings_plan_1y" not in sold("aws")
    assert "commit_6m" in sold("vultr")


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("mechanisms", ",usd,family,region,30,", ",dollars,family,region,30,", "row 27, column unit"),
        ("mechanisms", ",usd,family,region,30,", ",usd,families,region,30,", "row 27, column covers"),
        ("mechanisms", ",usd,family,region,30,", ",usd,family,country,30,", "row 27, column reach"),
        ("mechanisms", ",usd,family,region,30,", ",usd,family,region,-1,", "row 27, column order"),
        ("mechanisms", ",region,20,no,1,0.5,", ",region,20,maybe,1,0.5,", "row 4, column convertible"),
        ("mechanisms", ",region,20,no,1,0.5,", ",region,20,no,2,0.5,", "row 4, column step"),
        ("mechanisms", ",region,20,no,1,0.5,", ",region,20,no,1,1,", "row 4, column upfront_share"),
        ("mechanisms", ",region,20,no,1,0.5,", ",region,20,no,1,0,", "row 4, column upfront_share"),
        ("mechanisms", ",region,20,no,1,0,", ",region,20,no,1,nan,", "row 2, column upfront_share"),
        ("mechanisms", "\naws,zonal_1y,", "\naws,on_demand,", "row 9, column option"),
        ("mechanisms", "\naws,zonal_1y,", "\naws,zonal_3y,", "row 12"),
        ("mechanisms", "\naws,zonal_1y,", "\nawz,zonal_1y,", "row 9, column provider"),
        ("mechanisms", '"Standard Reserved Instance, zonal"', "=1+1", "row 9, column title"),
        ("mechanisms", "node,node,zone,10", "node,provider,zone,10", "row 9, column covers"),
        ("mechanisms", ",aws-sp-docs,", ",hearsay,", "row 27, column source"),
        ("mechanisms", ",2025-04-03,aws-sp-docs,", ",2025-04-31,aws-sp-docs,", "row 27, column valid_from"),
        ("mechanisms", "provider,option,title,unit", "provider,option,title,units", "row 1"),
        ("families", "aws,p5,no,", "aws,p5,never,", "row 17, column flexible"),
        ("families", "aws,p5,no,", "aws,g5,no,", "row 17"),
        ("families", "gcp,g2-standard,no,gcp-cud-docs", "gcp,g2-standard,no,hearsay", "row 25, column source"),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named(tables: Path, name: str, old: str, new: str, where: str) -> None:
    """One cell of a copy of the tables that cannot be: file, row and column."""
    tampered(tables / f"{name}.csv", old, new)
    with pytest.raises(DataError) as caught:
        getattr(mechanisms, name)()
    assert caught.value.where == f"{name}.csv, {where}"
    assert caught.value.mend


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("mechanisms", ",usd,family,region,30,", ",usd,family,region,x,", "mechanisms.csv, row 27, column order: 'x'"),
        ("mechanisms", "*,commit_6m,", "vultr,commit_6m,", "runpod sells no commit_6m"),
        ("families", "aws,p5,no,", "aws,p55,no,", "aws: family p55 has no shape"),
        ("options", "zonal_1y,commitment,12,no_upfront,z", "zonal_1y,commitment,12,no_upfront,", "aws/zonal_1y: reach"),
        ("options", "capacity_block,", "c2y,commitment,24,no_upfront,region,x\ncapacity_block,", "c2y: no mech"),
    ],
)  # fmt: skip
def test_an_invariant_notices(tables: Path, name: str, old: str, new: str, said: str) -> None:
    """What does not go together is found by the build and named."""
    tampered(tables / f"{name}.csv", old, new)
    found = invariants.faults()
    assert len(found) == 1
    assert found[0].startswith(said)


def tampered(path: Path, old: str, new: str) -> None:
    """A table with the first of some text replaced."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_commitments_of_several_providers_are_told_apart(catalog: Catalog) -> None:
    """commit_1y is a reservation here, a discount there, and a contract elsewhere."""
    titles = {who: mechanism(who, "commit_1y").title for who in {p for p, _ in catalog.nodes}}
    assert titles.pop("aws") == "Standard Reserved Instance, regional"
    assert titles.pop("gcp") == "Resource-based committed use discount"
    assert titles.pop("azure") == "Azure reservation"
    assert set(titles.values()) == {"Contract"}
    assert costdata.mechanisms.mechanism is mechanism
