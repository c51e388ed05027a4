"""Prices, shapes and figures as their publishers state them, checked by hand."""

from __future__ import annotations

import pytest

from costdata import Catalog

# provider, region, node, option, dollars an hour of the node as published
PUBLISHED = [
    ("aws", "us-east-1", "p5.48xlarge", "on_demand", "55.04"),
    ("aws", "us-east-1", "p5.48xlarge", "commit_3y", "23.7773"),
    ("aws", "us-east-1", "p5.48xlarge", "capacity_block", "41.528"),
    ("aws", "eu-north-1", "p5.48xlarge", "capacity_block", "37.76"),
    ("aws", "ap-south-1", "p5.48xlarge", "on_demand", "66.048"),
    ("aws", "us-east-1", "p4d.24xlarge", "on_demand", "21.957642"),
    ("aws", "us-east-1", "p4d.24xlarge", "commit_1y", "13.9211"),
    ("aws", "us-east-1", "p6-b200.48xlarge", "on_demand", "113.9328"),
    ("aws", "us-east-1", "g6.xlarge", "on_demand", "0.8048"),
    ("aws", "us-east-1", "g5.xlarge", "on_demand", "1.006"),
    ("aws", "us-east-1", "g4dn.xlarge", "on_demand", "0.526"),
    ("aws", "us-east-1", "g6e.xlarge", "commit_3y", "0.804"),
    ("aws", "us-east-1-dfw-2", "u-p6e-gb200x72", "capacity_block", "761.904"),
    ("aws", "us-east-1", "m7i.xlarge", "on_demand", "0.2016"),
    ("gcp", "us-central1", "a3-highgpu-8g", "on_demand", "88.49"),
    ("gcp", "us-central1", "a2-highgpu-1g", "on_demand", "3.673385"),
    ("gcp", "us-central1", "g2-standard-4", "on_demand", "0.706832"),
    ("gcp", "us-central1", "g2-standard-4", "commit_1y", "0.445304"),
    ("gcp", "us-central1", "a2-highgpu-8g", "commit_1y", "18.513656"),
    ("gcp", "us-central1", "a2-highgpu-8g", "commit_3y", "10.285667"),
    ("gcp", "us-central1", "g4-standard-48", "commit_1y", "3.105"),
    ("gcp", "us-central1", "g4-standard-48", "commit_3y", "1.97945"),
    ("gcp", "us-central1", "n2-standard-4", "commit_1y", "0.122364"),
    ("gcp", "us-central1", "ct6e-standard-8t", "on_demand", "21.6"),
    ("azure", "eastus", "Standard_ND96isr_H100_v5", "on_demand", "98.32"),
    ("azure", "eastus", "Standard_NC24ads_A100_v4", "on_demand", "3.673"),
    ("azure", "eastus", "Standard_NC24ads_A100_v4", "commit_1y", "3.0574"),
    ("azure", "eastus", "Standard_NC24ads_A100_v4", "commit_3y", "2.2659"),
    ("azure", "eastus2", "Standard_ND96isr_H200_v5", "on_demand", "84.8"),
    ("azure", "eastus", "Standard_NC4as_T4_v3", "on_demand", "0.526"),
    ("oci", "us-ashburn-1", "BM.GPU.H100.8", "on_demand", "80"),
    ("nebius", "eu-north1", "gpu-h100-sxm_8gpu-128vcpu-1600gb", "on_demand", "23.6"),
    ("nebius", "eu-north1", "gpu-h100-sxm_8gpu-128vcpu-1600gb", "spot", "10"),
    ("verda", "FIN-03", "1B200.30V", "on_demand", "4.89"),
    ("lambda", "us-west-1", "gpu_8x_h100_sxm5", "on_demand", "31.92"),
    ("crusoe", "us-east1", "h100-80gb-sxm-ib.8x", "on_demand", "31.2"),  # 8 × 3.90
    ("runpod", "EU-RO-1", "h100-sxm.8x", "on_demand", "26.32"),  # 8 × 3.29
    ("runpod", "EU-RO-1", "h100-sxm.1x", "commit_6m", "2.86"),
    ("vultr", "ord", "vcg-l40s-16c-180g-48vram", "on_demand", "1.5596"),
]


@pytest.mark.parametrize(("provider", "region", "node", "option", "usd"), PUBLISHED)
def test_published_price(catalog: Catalog, provider: str, region: str, node: str, option: str, usd: str) -> None:
    """The one offer of this key costs what the provider publishes, to the micro-dollar."""
    offers = catalog.where(provider=provider, region=region, node=node, option=option).offers
    assert [f"{int(m) / 1e6:f}".rstrip("0").rstrip(".") for m in offers.micro_usd_per_hour] == [usd]


# provider, node, accelerator, their number, vCPUs, Gbit/s of the network, GB/s of the link, accelerators it joins
SHAPES = [
    ("aws", "p5.48xlarge", "H100", 8, 192, 3200, 450, 8),
    ("aws", "p5en.48xlarge", "H200", 8, 192, 3200, 450, 8),
    ("aws", "p6-b200.48xlarge", "B200", 8, 192, 3200, 900, 8),
    ("aws", "p4d.24xlarge", "A100-40", 8, 96, 400, 300, 8),
    ("aws", "p4de.24xlarge", "A100-80", 8, 96, 400, 300, 8),
    ("aws", "p5.4xlarge", "H100", 1, 16, 100, 64, 1),
    ("aws", "g6.48xlarge", "L4", 8, 192, 100, 32, 8),
    ("aws", "u-p6e-gb200x72", "GB200", 72, 2592, 28800, 900, 72),
    ("gcp", "a3-megagpu-8g", "H100", 8, 208, 1800, 450, 8),
    ("gcp", "a2-ultragpu-8g", "A100-80", 8, 96, 100, 300, 8),
    ("azure", "Standard_ND96isr_MI300X_v5", "MI300X", 8, 96, 3200, 448, 8),
    ("azure", "Standard_ND128isr_NDR_GB200_v6", "GB200", 4, 128, 1600, 900, 72),
    ("azure", "Standard_NC48ads_A100_v4", "A100-80-PCIe", 2, 48, 40, 300, 2),
    ("aws", "m7i.xlarge", "", 0, 4, 1.562, 0, 0),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_published_shape(catalog: Catalog, shape: tuple[object, ...]) -> None:
    """A shape is what its provider's documentation says."""
    n = catalog.nodes[str(shape[0]), str(shape[1])]
    made = (n.accelerator, n.accelerators, n.vcpus, n.nic_gbit_per_s, n.scaleup_gb_per_s, n.scaleup_domain)
    assert (n.provider, n.name, *made) == shape


def test_accelerators_the_physics_is_calibrated_on(catalog: Catalog) -> None:
    """Names and dense data-sheet figures of H100, H200 and B200."""
    a = catalog.accelerators
    assert (a["H100"].hbm_gb_per_s, a["H100"].bf16_tflop_per_s, a["H100"].fp8_tflop_per_s) == (3350, 989, 1979)
    assert (a["H200"].hbm_gib, a["H200"].hbm_gb_per_s) == (141, 4800)
    assert (a["B200"].hbm_gib, a["B200"].fp4_tflop_per_s, a["B200"].scaleup_gb_per_s) == (180, 9000, 900)


def test_what_has_no_performance_model_is_listed_and_priced(catalog: Catalog) -> None:
    """Trainium, Inferentia, TPU and old GPUs have offers, and say that nothing is planned on them."""
    for name in ("Trainium", "Trainium2", "Inferentia", "Inferentia2", "TPU-v6e", "K80", "M60", "V710"):
        assert not catalog.accelerators[name].planned
        assert len(catalog.where(accelerator=name).offers)
    assert all(catalog.accelerators[n].planned for n in ("T4", "A10G", "L4", "L40S", "A100-40", "H100", "MI300X"))


def test_every_asked_for_accelerator_is_priced(catalog: Catalog) -> None:
    """Each family of the market has at least one offer."""
    asked = (
        "V100 T4 A10 A10G L4 L40S A40 A6000 A100-40 A100-80 H100 H100-PCIe H200 B200 B300 GB200 GB300 GH200"
        " MI300X MI355X RTX-PRO-6000 T4g"
    )
    for name in asked.split():
        assert len(catalog.where(accelerator=name).offers), name


def test_every_big_cloud_has_cpu_shapes_for_routers(catalog: Catalog) -> None:
    """Six each."""
    cpu = [n.provider for n in catalog.nodes.values() if not n.accelerators]
    assert {who: cpu.count(who) for who in ("aws", "azure", "gcp")} == {"aws": 6, "azure": 6, "gcp": 6}
