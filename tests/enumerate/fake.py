"""A small catalogue of real machines at made-up prices, with the interface of costdata's."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Accelerator:
    """As costdata's, the fields that are read."""

    name: str
    hbm_gib: float
    hbm_gb_per_s: float
    bf16_tflop_per_s: float
    fp8_tflop_per_s: float
    fp4_tflop_per_s: float
    planned: bool = True
    vendor: str = "NVIDIA"
    tdp_w: float = 700.0


@dataclass(frozen=True)
class Node:
    """As costdata's, the fields that are read."""

    provider: str
    name: str
    accelerator: str
    accelerators: int
    nic_gbit_per_s: float
    scaleup_gb_per_s: float
    scaleup_domain: int
    power_w: int = 10_000


@dataclass(frozen=True)
class Region:
    """As costdata's, the fields that are read."""

    provider: str
    name: str
    country: str
    jurisdiction: str
    latitude: float
    longitude: float
    zones: int
    g_co2_per_kwh: float


@dataclass(frozen=True)
class Quota:
    """As costdata's."""

    provider: str
    region: str
    node: str
    kind: str
    max_nodes: int


@dataclass(frozen=True)
class OwnedCommitment:
    """As costdata's."""

    provider: str
    region: str
    node: str
    option: str
    nodes: int
    micro_usd_per_hour: int
    upfront_micro_usd: int
    starts: datetime.date
    ends: datetime.date
    source: str = "contract"


@dataclass(frozen=True)
class Offers:
    """As costdata's, the columns that are read."""

    provider: Array
    region: Array
    node: Array
    option: Array
    kind: Array
    micro_usd_per_hour: Array
    upfront_micro_usd: Array
    term_months: Array
    interruptions_per_month: Array
    valid_from: Array
    source: Array

    def __len__(self) -> int:
        """Number of offers."""
        return len(self.node)

    def take(self, rows: Array) -> Offers:
        """Rows by mask or index."""
        return Offers(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True)
class Catalog:
    """As costdata's, what is read."""

    accelerators: dict[str, Accelerator]
    nodes: dict[tuple[str, str], Node]
    regions: dict[tuple[str, str], Region]
    offers: Offers
    quotas: tuple[Quota, ...] = ()
    commitments: tuple[OwnedCommitment, ...] = ()
    as_of: datetime.date = datetime.date(2026, 8, 3)
    digest: str = "fake"
    overrides: str = ""
    warnings: tuple[str, ...] = ()

    def place(self, name: str) -> str:
        """A place is its name here."""
        return name

    def round_trip_ms(self, place: str) -> dict[tuple[str, str], float]:
        """From the distance on a sphere."""
        latitude, longitude = PLACES[place]
        return {
            key: round(5 + _distance_km(latitude, longitude, r.latitude, r.longitude) / 70, 3)
            for key, r in self.regions.items()
        }

    def internet_egress_micro_usd_per_gb(self, place: str) -> dict[tuple[str, str], int]:
        """A price a provider."""
        assert place in PLACES
        return {key: {"aws": 90_000, "gcp": 80_000}.get(key[0], 0) for key in self.regions}

    def dataset_transfer_micro_usd_per_gb(self, source: str) -> dict[tuple[str, str], int]:
        """Two cents, but nothing within a region."""
        return {key: 0 if source == "/".join(key) else 20_000 for key in self.regions}


def _distance_km(*degrees: float) -> float:
    a, b, c, d = np.radians(degrees)
    return float(6371 * np.arccos(min(1.0, np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b - d))))


PLACES = {"paris": (48.9, 2.35), "new york": (40.7, -74.0), "tokyo": (35.7, 139.7)}
ACCELERATORS = (
    Accelerator("T4", 16, 320, 65, 0, 0),
    Accelerator("L4", 24, 300, 121, 242, 0),
    Accelerator("A100-80", 80, 2039, 312, 0, 0),
    Accelerator("H100", 80, 3350, 989, 1979, 0),
    Accelerator("H200", 141, 4800, 989, 1979, 0),
    Accelerator("TPU-v6e", 32, 1640, 918, 0, 0, planned=False),
)
NODES = (
    Node("aws", "g4dn.xlarge", "T4", 1, 25, 16, 1, 300),
    Node("aws", "g6.48xlarge", "L4", 8, 100, 32, 8, 1500),
    Node("aws", "g6.xlarge", "L4", 1, 10, 32, 1, 250),
    Node("aws", "p4de.24xlarge", "A100-80", 8, 400, 300, 8, 6000),
    Node("aws", "p5.48xlarge", "H100", 8, 3200, 450, 8),
    Node("aws", "p5en.48xlarge", "H200", 8, 3200, 450, 8),
    Node("gcp", "a3-highgpu-8g", "H100", 8, 1600, 450, 8),
    Node("gcp", "ct6e-standard-8t", "TPU-v6e", 8, 400, 200, 8),
    Node("aws", "m7i.xlarge", "", 0, 12, 0, 0, 200),
)
REGIONS = (
    Region("aws", "us-east-1", "US", "US", 38.9, -77.4, 6, 350),
    Region("aws", "eu-west-3", "FR", "EU", 48.9, 2.35, 3, 50),
    Region("aws", "ap-northeast-1", "JP", "JP", 35.7, 139.7, 3, 450),
    Region("gcp", "us-central1", "US", "US", 41.3, -95.9, 4, 400),
    Region("gcp", "europe-west4", "NL", "EU", 53.4, 6.8, 3, 300),
)
USD_PER_HOUR = {  # on demand, by node
    "g4dn.xlarge": 0.526,
    "g6.48xlarge": 13.35,
    "g6.xlarge": 0.805,
    "p4de.24xlarge": 27.45,
    "p5.48xlarge": 55.04,
    "p5en.48xlarge": 63.3,
    "a3-highgpu-8g": 70.0,
    "ct6e-standard-8t": 21.6,
    "m7i.xlarge": 0.2,
}
FACTOR = {"us-east-1": 1.0, "us-central1": 1.0, "eu-west-3": 1.1, "europe-west4": 1.05, "ap-northeast-1": 1.25}


def rows() -> list[tuple[Any, ...]]:
    """Every node on demand, on spot and committed, in every region of its provider (H200 only in the US)."""
    made = []
    for node in NODES:
        for region in REGIONS:
            if node.provider == region.provider and (node.accelerator != "H200" or region.country == "US"):
                micro = round(USD_PER_HOUR[node.name] * FACTOR[region.name] * 1e6)
                place = (node.provider, region.name, node.name)
                since = ("2026-01-01", "list")
                made.append((*place, "on_demand", "on_demand", micro, 0, 0, 0.0, *since))
                made.append((*place, "spot", "spot", micro * 45 // 100, 0, 0, 1.5, *since))
                made.append((*place, "commit_1y", "commitment", micro * 65 // 100, 0, 12, 0.0, *since))
                made.append((*place, "commit_1y_all_upfront", "commitment", 0, micro * 8760 * 6 // 10, 12, 0.0, *since))
                made.append((*place, "commit_3y", "commitment", micro * 45 // 100, 0, 36, 0.0, *since))
    return made


def offers(rows: list[tuple[Any, ...]]) -> Offers:
    """Columns of rows."""
    types = [object] * 5 + [np.int64] * 3 + [np.float64] + [object] * 2
    columns = list(zip(*rows, strict=True))
    names = [f.name for f in fields(Offers)]
    return Offers(**{n: np.array(c, dtype=t) for n, c, t in zip(names, columns, types, strict=True)})


def catalog(**changes: Any) -> Any:
    """Nine shapes of two clouds in five regions."""
    parts: dict[str, Any] = {
        "accelerators": {a.name: a for a in ACCELERATORS},
        "nodes": {(n.provider, n.name): n for n in NODES},
        "regions": {(r.provider, r.name): r for r in REGIONS},
        "offers": offers(rows()),
    }
    return Catalog(**(parts | changes))
