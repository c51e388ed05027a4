"""A new provider is a new folder, and nothing else."""

from __future__ import annotations

from pathlib import Path

import costdata

FILES = {
    "provider.toml": 'title = "Acme GPUs"\nspot_interruptions_per_month = 0.25\n',
    "nodes.csv": "node,accelerator,accelerators,vcpus,ram_gib,nic_gbit_per_s,scaleup_gb_per_s,scaleup_domain,power_w,"
    "source\n"
    "h100.8x,H100,8,192,2048,3200,450,8,6000,provider-docs\n",
    "regions.csv": "region,location,country,latitude,longitude,zones,g_co2_per_kwh,carbon_source,source\n"
    "oslo-1,Oslo,NO,59.9,10.8,1,28,assumed,city\n",
    "prices.csv": "region,node,option,usd_per_hour,zones,interruptions_per_month,valid_from,source\n"
    "oslo-1,h100.8x,on_demand,18.4,1,0,2026-06-15,provider-docs\n",
    "transfer.csv": "from,to,usd_per_gb,valid_from,source\n"
    "*,internet,0.01,2026-06-15,provider-docs\n*,regions,0,2026-06-15,provider-docs\n",
}


def test_a_folder_is_found(tables: Path) -> None:
    """Its offers, shapes, regions and transfer prices are there."""
    folder = tables / "providers" / "acme"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    catalog = costdata.load()
    assert list(catalog.where(provider="acme").offers.micro_usd_per_hour) == [18_400_000]
    assert catalog.regions["acme", "oslo-1"].jurisdiction == "NO"
    assert catalog.internet_egress_micro_usd_per_gb("paris")["acme", "oslo-1"] == 10_000


def test_a_folder_without_its_toml_is_no_provider(tables: Path) -> None:
    """Half-made folders are passed over."""
    (tables / "providers" / "acme").mkdir()
    assert "acme" not in set(costdata.load().offers.provider)
