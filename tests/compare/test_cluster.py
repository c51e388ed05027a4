"""Clusters from files: strict, with the place and the mend of every fault; and what their machines cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costdata import Catalog
from solver.compare import read_cluster
from solver.compare.machines import hourly_micro_usd, of_catalogue, of_cluster
from solver.errors import InputError

YAML = """
name: ours
nodes:
  - {provider: aws, node: p5.48xlarge, count: 2, region: us-east-1}
  - {provider: aws, node: p5.48xlarge, count: 1, usd_per_hour: 30.5}
accelerators:
  - {accelerator: h100_sxm, count: 16, usd_per_hour: 2.15}
  - {accelerator: H200, count: 8}
"""
TOML = """
name = "ours"
[[accelerators]]
accelerator = "H100"
count = 8
"""


def test_a_yaml_file(tmp_path: Path, catalog: Catalog) -> None:
    """Counts, prices of the catalogue and of one's own, each exact."""
    path = tmp_path / "cluster.yaml"
    path.write_text(YAML)
    machines = of_cluster(read_cluster(path), catalog)
    assert [(m.accelerator.name, m.node.accelerators, m.count) for m in machines] == [
        ("H100", 8, 2), ("H100", 8, 1), ("H100", 8, 2), ("H200", 8, 1),
    ]  # fmt: skip
    o = catalog.offers
    mine = (o.provider == "aws") & (o.node == "p5.48xlarge") & (o.region == "us-east-1") & (o.option == "on_demand")
    assert machines[0].micro_usd_per_hour == o.micro_usd_per_hour[mine][0]
    assert machines[1].micro_usd_per_hour == 30_500_000
    assert machines[2].micro_usd_per_hour == 8 * 2_150_000
    h200 = [
        o.micro_usd_per_hour[i] / catalog.nodes[o.provider[i], o.node[i]].accelerators
        for i in np.flatnonzero(o.option == "on_demand")
        if catalog.nodes[o.provider[i], o.node[i]].accelerator == "H200"
    ]
    assert machines[3].micro_usd_per_hour == pytest.approx(8 * min(h200), abs=1)


def test_a_toml_file(tmp_path: Path) -> None:
    """Told by its suffix."""
    path = tmp_path / "cluster.toml"
    path.write_text(TOML)
    assert read_cluster(path).accelerators[0].count == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "nodes:\n  - {provider: aws, node: p5.48xlarge, regio: x}",
            r":2: nodes\[0\].regio: there is no such field .*region",
        ),
        ("nodes:\n  - {provider: aws, count: 2}", r"nodes\[0\].node: is missing"),
        ("nodes:\n  - {provider: aws, node: x, count: two}", r"nodes\[0\].count: must be a whole number"),
        ("accelerators:\n  - {accelerator: H100, count: 8, usd_per_hour: -1}", "usd_per_hour must be from 0"),
        ("accelerators:\n  - {accelerator: H100, count: 12}", "does not fill whole nodes"),
        ("name: x", "holds neither nodes nor accelerators"),
        ("nodes: !!python/object:os.system {}", "is not read"),
        ("", "holds no fields"),
        ("nodes: [&a [*a]]", "stands for nothing"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    """As in a spec: file, line, field, mend."""
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_cluster(path)
    assert "cluster" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"nodes": [{"provider": "asw", "node": "p5.48xlarge"}]}, "unknown provider 'asw'.*did you mean aws"),
        ({"nodes": [{"provider": "aws", "node": "p5.48xlarg"}]}, "unknown node.*p5.48xlarge"),
        ({"nodes": [{"provider": "aws", "node": "p5.48xlarge", "region": "us-eest-1"}]}, "unknown region.*us-east-1"),
        ({"nodes": [{"provider": "aws", "node": "p5.48xlarge", "option": "spto"}]}, "unknown option.*spot"),
        ({"accelerators": [{"accelerator": "H10O", "count": 8}]}, r"accelerators\[0\].accelerator: unknown"),
        ({"accelerators": [{"accelerator": "RTX-4090", "count": 8}]}, "RTX-4090 is not on sale.*give usd_per_hour"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(catalog: Catalog, fields: dict[str, Any], message: str) -> None:
    """Each look-up."""
    with pytest.raises(InputError, match=message):
        of_cluster(read_cluster(fields), catalog)


def test_the_catalogue_gives_each_node_at_its_cheapest(catalog: Catalog) -> None:
    """Every machine of the sample is on sale there at that price, and nowhere for less."""
    machines = of_catalogue(catalog, "on_demand")
    assert len(machines) > 100
    o = catalog.offers
    for m in machines[::15]:
        mine = (o.provider == m.node.provider) & (o.node == m.node.name) & (o.option == "on_demand")
        assert m.micro_usd_per_hour == o.micro_usd_per_hour[mine].min()
        assert m.micro_usd_per_hour in o.micro_usd_per_hour[mine & (o.region == m.region)]


def test_an_upfront_payment_is_spread_over_its_term() -> None:
    """$8,760 over a year is a dollar an hour."""
    assert hourly_micro_usd(2_000_000, 8_760_000_000, 12) == 3_000_000
