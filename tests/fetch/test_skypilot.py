"""SkyPilot's catalogues on recordings: medians of zones by hand, every row accounted for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from costdata.fetch.errors import FetchError
from costdata.fetch.rows import Known, Ledger, Price
from costdata.fetch.skypilot import HOST, PROVIDERS, SOURCE

from .conftest import Answer, Player

AWS = """\
InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone,Arch
p5.48xlarge,H100,8,192,2048,"{'Gpus': [{'Name': 'H100', 'Count': 8.0}]}",55.04,21.5,us-east-1,use1-az1,x86_64
p5.48xlarge,H100,8,192,2048,"{'Gpus': []}",55.04,24.25,us-east-1,use1-az2,x86_64
p5.48xlarge,H100,8,192,2048,"{'Gpus': []}",55.04,55.04,us-east-1,use1-az3,x86_64
p5.48xlarge,H100,8,192,2048,"{'Gpus': []}",55.04,,us-east-1,use1-az4,x86_64
p5.48xlarge,H100,8,192,2048,"{'Gpus': []}",60.1,60.1,us-west-2,usw2-az1,x86_64
p4d.24xlarge,A100,8,96,1152,,21.96,,us-east-1,use1-az1,x86_64
p4d.24xlarge,A100,8,96,1152,,22.5,,us-east-1,use1-az2,x86_64
p4d.24xlarge,A100,8,96,1152,,,,us-west-2,usw2-az1,x86_64
p4d.24xlarge,A100,8,96,1152,,nan,-1,us-west-2,usw2-az2,x86_64
m1.small,,,1,1.7,,0.044,,us-east-1,use1-az1,x86_64
p5.48xlarge,H100,8,192,2048,,55.04,20,moon-base-1,moon-az1,x86_64
,TPU,1,,,,1.2,,us-east-1,,x86_64
"""
VERDA = """\
InstanceType,UpstreamCloudId,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,Price,SpotPrice
1H100.80S.32V,1H100.80S.32V,32.0,185.0,H100,1.0,,FIN-02,2.29,0.8015
2B200.60V,2B200.60V,60.0,368.0,B200,2.0,,FIN-03,,3.423
"""
EMPTY = "InstanceType,Region,Price,SpotPrice\n"


def read(player: Player, **texts: str) -> tuple[dict[tuple[str, ...], list[Price]], Ledger]:
    """Prices by key, and the account."""
    for provider in PROVIDERS:
        path = f"/skypilot-org/skypilot-catalog/master/catalogs/v8/{provider}/vms.csv"
        player[HOST, path] = Answer(texts.get(provider, EMPTY))
    ledger, found = Ledger(), dict[tuple[str, ...], list[Price]]()
    for price in SOURCE.fetch(player.client(SOURCE), Known.of(PROVIDERS), ledger):
        found.setdefault(price.key, []).append(price)
    ledger.balanced()
    return found, ledger


def test_prices_by_hand(player: Player) -> None:
    """Spot is the median of the zones with a market; what differs from zone to zone is for the refresh."""
    found, ledger = read(player, aws=AWS, verda=VERDA)
    assert {key: [(p.usd_per_hour, p.zones) for p in prices] for key, prices in found.items()} == {
        ("aws", "us-east-1", "p5.48xlarge", "on_demand"): [(Decimal("55.04"), None)],
        ("aws", "us-east-1", "p5.48xlarge", "spot"): [(Decimal("22.875"), 2)],
        ("aws", "us-west-2", "p5.48xlarge", "on_demand"): [(Decimal("60.1"), None)],
        ("aws", "us-east-1", "p4d.24xlarge", "on_demand"): [(Decimal("21.96"), None), (Decimal("22.5"), None)],
        ("verda", "FIN-02", "1H100.80S.32V", "on_demand"): [(Decimal("2.29"), None)],
        ("verda", "FIN-02", "1H100.80S.32V", "spot"): [(Decimal("0.8015"), None)],
        ("verda", "FIN-03", "2B200.60V", "spot"): [(Decimal("3.423"), None)],
    }
    assert (ledger.read, ledger.kept) == (14, 9)
    assert dict(ledger.dropped) == {"no price": 2, "unknown node": 1, "unknown region": 1, "no shape": 1}
    assert dict(ledger.unpriced) == {"no market": 1}
    assert ledger.covered == {(who, option) for who in PROVIDERS for option in ("on_demand", "spot")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "InstanceType,Region,Price\np5.48xlarge,us-east-1,55.04\n",
        '<html>404: Not "Found"</html>',
        EMPTY + '"a"b,"\n',
    ],
)
def test_tables_of_another_form(player: Player, text: str) -> None:
    """Are errors, not empty tables."""
    with pytest.raises(FetchError, match=r"no column|not a CSV table"):
        read(player, aws=text)
