"""Node shapes: AWS's as EC2 describes them, the rest by hand in shapes.csv; link and power by stated rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from . import facts

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
NAMES = [
    *("provider", "node", "accelerator", "accelerators", "vcpus", "ram_gib", "nic_gbit_per_s"),
    *("scaleup_gb_per_s", "scaleup_domain", "power_w", "source"),
]
AWS_ACCELERATORS = {
    "RTX PRO Server 6000": "RTX-PRO-6000",
    "RTX PRO 4500": "RTX-PRO-4500",
    "Qualcomm AI100": "AI100",
    "Qualcomm AI 100": "AI100",
    "NVIDIA K80": "K80",
    "NVIDIA M60": "M60",
    "NVIDIA GRID K520": "K520",
    "AMD Radeon Pro V520": "V520",
    "NVIDIA V100": "V100",
}
AWS_BY_SHAPE = {"p4d.24xlarge": "A100-40", "p4de.24xlarge": "A100-80", "p3dn.24xlarge": "V100-32"}
AWS_CPU = ("m7i.xlarge", "m7i.2xlarge", "m7i.4xlarge", "m7i.8xlarge", "c7i.4xlarge", "c7i.8xlarge")
# Modelled draw of a node in use: accelerators at four fifths of their board power, and its share of the host.
ACCELERATOR_SHARE, WATT_PER_VCPU, WATT_PER_GIB = 0.8, 4.0, 0.3


def shapes(folder: Path) -> dict[tuple[str, str], facts.Row]:
    """Every shape we can establish, by provider and name, with link, domain and power filled in."""
    found = {(row["provider"], row["node"]): row for row in facts.table(HERE / "shapes.csv")}
    for row in (*_aws_retired(folder), *_aws(folder)):
        found.setdefault(("aws", row["node"]), row)
    accelerators = {row["name"]: row for row in facts.table(HERE.parent / "accelerators.csv")}
    return {key: _filled(row, accelerators) for key, row in found.items()}


def _aws(folder: Path) -> list[facts.Row]:
    made = []
    for row in facts.table(folder / "aws_moto" / "aws_instance_types.csv"):
        count = int(float(row["accel_count"] or 0))
        if count or row["instance_type"] in AWS_CPU:
            made.append(
                _aws_row(
                    row["instance_type"], row["accel_name"], count, row["vcpu"], row["mem_gib"], _nic(row), "aws-shapes"
                )
            )
    return made


def _aws_retired(folder: Path) -> list[facts.Row]:
    """Shapes EC2 no longer describes but still lists a price for in a local or government zone."""
    known = {row["instance_type"] for row in facts.table(folder / "aws_moto" / "aws_instance_types.csv")}
    made = {}
    for row in facts.table(folder / "aws_vantage_gpu_via_tsaol" / "aws_gpu_od_ri1y_noupfront.csv"):
        name, count = row["instance_type"], int(float(row["gpu_count"] or 0))
        if name not in known and count:
            ram = row["memory"].removesuffix(" GB")
            made[name] = _aws_row(
                name, row["gpu"], count, row["vcpu"], ram, gigabits(row["network"]), "aws-list-2026-01"
            )
    return list(made.values())


def _aws_row(node: str, accelerator: str, count: int, vcpus: str, ram: str, nic: float, source: str) -> facts.Row:
    name = AWS_BY_SHAPE.get(node) or AWS_ACCELERATORS.get(accelerator, accelerator)
    values = ("aws", node, name, str(count), vcpus, ram, str(nic), "", "", "", source)
    return dict(zip(NAMES, values, strict=True))


def _nic(row: facts.Row) -> float:
    """What is always there: the base rate of a burstable interface, the sum over several cards."""
    if row["network_performance"].startswith("Up to") or "Gigabit" not in row["network_performance"]:
        return float(row["net_baseline_gbps"] or 0)
    return gigabits(row["network_performance"])


def gigabits(text: str) -> float:
    """`8x 100 Gigabit` is 800; words ("High") are unknown."""
    match = re.fullmatch(r"(?:(\d+)x )?(\d+(?:\.\d+)?) Gigabit", text)
    return int(match[1] or 1) * float(match[2]) if match else 0.0


def _filled(row: facts.Row, accelerators: Mapping[str, facts.Row]) -> facts.Row:
    count, chip = int(row["accelerators"]), accelerators.get(row["accelerator"])
    row = dict(row)
    if chip:
        row["scaleup_gb_per_s"] = row["scaleup_gb_per_s"] or chip["scaleup_gb_per_s" if count > 1 else "pcie_gb_per_s"]
    row["scaleup_gb_per_s"] = row["scaleup_gb_per_s"] or "0"
    row["scaleup_domain"] = row["scaleup_domain"] or str(count)
    host = WATT_PER_VCPU * float(row["vcpus"]) + WATT_PER_GIB * float(row["ram_gib"])
    row["power_w"] = str(round(host + ACCELERATOR_SHARE * count * float(chip["tdp_w"] if chip else 0)))
    for name in ("vcpus", "ram_gib", "nic_gbit_per_s", "scaleup_gb_per_s"):
        row[name] = facts.plain(float(row[name]))
    return row
