"""gpuhunt's catalogue on a recording: its archive, its version, its names."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from costdata.fetch import gpuhunt
from costdata.fetch.errors import FetchError
from costdata.fetch.gpuhunt import HOST, SOURCE
from costdata.fetch.rows import Known, Ledger

from .conftest import Answer, Player

HEAD = "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,gpu_vendor,flags\n"
TODAY = f"{datetime.now(tz=UTC):%Y%m%d}-123"
TABLES = {
    "gcp": HEAD
    + "a2-highgpu-1g,us-central1-a,3.673385,12,85.0,1,A100,40.0,False,,nvidia,\n"
    + "a2-highgpu-1g,us-central1-b,3.673385,12,85.0,1,A100,40.0,False,,nvidia,\n"
    + "a2-highgpu-1g,us-central1-a,1.5,12,85.0,1,A100,40.0,True,,nvidia,\n"
    + "a2-highgpu-1g,us-central1-b,1.7,12,85.0,1,A100,40.0,True,,nvidia,\n"
    + "a2-highgpu-1g,us-central1-a,2.2,12,85.0,1,A100,40.0,False,,nvidia,gcp-dws-calendar-mode\n",
    "lambdalabs": HEAD
    + "gpu_1x_gh200,us-east-1,2.29,64,432.0,1,GH200,96.0,False,4096.0,nvidia,lambda-arm\n"
    + "gpu_1x_gh200,us-east-1,,64,432.0,1,GH200,96.0,False,4096.0,nvidia,lambda-arm\n",
    "runpod": HEAD
    + "NVIDIA A100 80GB PCIe,EU-RO-1,1.64,8,117.0,1,A100,80.0,False,,nvidia,\n"
    + "NVIDIA H100 80GB HBM3,US-KS-2,23.92,128,1000.0,8,H100,80.0,False,,nvidia,\n"
    + "NVIDIA H100 80GB HBM3,US-KS-2,25.0,128,1000.0,8,H100,80.0,False,,nvidia,runpod-cluster\n"
    + "NVIDIA H100 80GB HBM3,CZ,23.92,128,1000.0,8,H100,80.0,False,,nvidia,\n"
    + "NVIDIA GeForce RTX 4090,EU-RO-1,0.69,8,40.0,1,RTX4090,24.0,False,,nvidia,\n",
    "datacrunch": HEAD + "1A100.22V,FIN-01,1.29,22,120.0,1,A100,80.0,False,,nvidia,\n,FIN-01,1,1,1,1,,,maybe,,,\n",
}


def archive(tables: dict[str, str], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of tables."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as made:
        for name, text in tables.items():
            made.writestr(f"{name}.csv", text)
    return out.getvalue()


def read(
    player: Player, data: bytes, version: str = TODAY
) -> tuple[dict[tuple[str, ...], tuple[Decimal, int | None]], Ledger]:
    """Prices and zones by key, and the account."""
    player[HOST, "/v2/version"] = Answer(f"{version}\n")
    player[HOST, f"/v2/{version}/catalog.zip"] = Answer(data)
    ledger = Ledger()
    made = list(SOURCE.fetch(player.client(SOURCE), Known.of(SOURCE.providers), ledger))
    ledger.balanced()
    assert len({p.key for p in made}) == len(made)
    return {p.key: (p.usd_per_hour, p.zones) for p in made}, ledger


def test_prices_by_hand(player: Player) -> None:
    """Zones become their region, RunPod's names of cards our shapes, DataCrunch Verda."""
    found, ledger = read(player, archive(TABLES))
    assert found == {
        ("gcp", "us-central1", "a2-highgpu-1g", "on_demand"): (Decimal("3.673385"), None),
        ("gcp", "us-central1", "a2-highgpu-1g", "spot"): (Decimal("1.6"), 2),
        ("lambda", "us-east-1", "gpu_1x_gh200", "on_demand"): (Decimal("2.29"), None),
        ("runpod", "EU-RO-1", "a100-pcie.1x", "on_demand"): (Decimal("1.64"), None),
        ("runpod", "US-KS-2", "h100-sxm.8x", "on_demand"): (Decimal("23.92"), None),
        ("verda", "FIN-01", "1A100.22V", "on_demand"): (Decimal("1.29"), None),
    }
    assert (ledger.read, ledger.kept) == (14, 8)
    assert dict(ledger.dropped) == {
        "not an ordinary offer": 2, "no price": 1, "unknown region": 1, "unknown node": 1, "not an offer": 1,
    }  # fmt: skip
    assert dict(ledger.unpriced) == {"no table": 4}
    assert {who for who, _ in ledger.covered} == {"gcp", "lambda", "runpod", "verda"}


@pytest.mark.parametrize(
    "version", ["", "latest", "20261399", "../../etc", "19991231", f"{datetime.now(tz=UTC) - timedelta(31):%Y%m%d}"]
)
def test_versions_that_are_none_or_old(player: Player, version: str) -> None:
    """Nothing is asked for by their name."""
    with pytest.raises(FetchError, match=r"its version is no day|its newest catalogue is of"):
        read(player, archive(TABLES), version)
    assert len(player.asked) == 1


def test_archives_that_are_none(player: Player) -> None:
    """Cut off, another thing, with a damaged table."""
    whole = archive({"gcp": TABLES["gcp"] * 50})
    damaged = whole[:100] + bytes(40) + whole[140:]
    for data in (b"", b"<html>", whole[: len(whole) // 2], damaged):
        with pytest.raises(FetchError, match="not an archive that can be read"):
            read(player, data)


def test_a_table_that_unpacks_to_far_more(player: Player) -> None:
    """A hundred times what was packed is refused, whatever its header says."""
    with pytest.raises(FetchError, match=r"gcp.csv unpacks to more than \d"):
        read(player, archive({"gcp": HEAD + "0" * 20_000_000}))


def test_what_is_not_text(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a table larger than any is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("aws.csv", b"\xff\xfe\x00")
    with pytest.raises(FetchError, match="not UTF-8"):
        read(player, out.getvalue())
    monkeypatch.setattr(gpuhunt, "MOST_BYTES", 100)
    with pytest.raises(FetchError, match="more than 100 bytes"):
        read(player, archive(TABLES, zipfile.ZIP_STORED))
