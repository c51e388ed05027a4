"""A small catalogue of real machines for tests of workloads."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.enumerate.fake import Accelerator, Node


@dataclass(frozen=True)
class Catalog:
    """As costdata's, the fields that are read."""

    accelerators: dict[str, Accelerator]
    nodes: dict[tuple[str, str], Node]


ACCELERATORS = (
    Accelerator("T4", 16, 320, 65, 0, 0),
    Accelerator("L4", 24, 300, 121, 242, 0),
    Accelerator("A100-40", 40, 1555, 312, 0, 0),
    Accelerator("A100-80", 80, 2039, 312, 0, 0),
    Accelerator("L40S", 48, 864, 362, 733, 0),
    Accelerator("H100", 80, 3350, 989, 1979, 0),
    Accelerator("H200", 141, 4800, 989, 1979, 0),
    Accelerator("B200", 180, 7700, 2250, 4500, 9000),
    Accelerator("MI300X", 192, 5300, 1307, 2614, 0, vendor="AMD"),
    Accelerator("TPU-v6e", 32, 1640, 918, 0, 0, planned=False),
)
NODES = (
    Node("aws", "g4dn.xlarge", "T4", 1, 25, 16, 1),
    Node("aws", "g6.48xlarge", "L4", 8, 100, 32, 8),
    Node("aws", "g6.xlarge", "L4", 1, 10, 32, 1),
    Node("aws", "p4d.24xlarge", "A100-40", 8, 400, 300, 8),
    Node("aws", "p4de.24xlarge", "A100-80", 8, 400, 300, 8),
    Node("aws", "g6e.12xlarge", "L40S", 4, 100, 32, 4),
    Node("aws", "p5.48xlarge", "H100", 8, 3200, 450, 8),
    Node("aws", "p5.4xlarge", "H100", 1, 100, 64, 1),
    Node("aws", "p5en.48xlarge", "H200", 8, 3200, 450, 8),
    Node("aws", "p6-b200.48xlarge", "B200", 8, 3200, 900, 8),
    Node("gcp", "a3-highgpu-8g", "H100", 8, 1600, 450, 8),
    Node("azure", "ND96isr_MI300X_v5", "MI300X", 8, 3200, 448, 8),
    Node("gcp", "ct6e-standard-8t", "TPU-v6e", 8, 400, 200, 8),
    Node("aws", "m7i.xlarge", "", 0, 12, 0, 0),
)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """Fourteen node shapes of three clouds."""
    return Catalog({a.name: a for a in ACCELERATORS}, {(n.provider, n.name): n for n in NODES})
