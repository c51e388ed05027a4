"""The command: sources one after the other, what is printed, exit codes, and the plans made afterwards."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import costdata
from costdata import refreshed
from costdata.fetch import azure, skypilot
from costdata.fetch.refresh import Asked
from costdata.fetch.wire import Internet, Local, Proxy
from solver.doors import refreshing
from solver.doors.guard import guarded
from solver.doors.refreshing import refresh
from tests.doors.command import refused, run

from . import recorded_azure
from .conftest import Answer, Player
from .listed import DAY


@pytest.fixture
def how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, player: Player) -> Asked:
    """A folder of this test; Azure answers without a pause, SkyPilot has no table."""
    monkeypatch.setenv(refreshed.VARIABLE, str(tmp_path / "prices"))
    monkeypatch.setattr(azure, "SOURCE", replace(azure.SOURCE, pause_s=0))
    monkeypatch.setattr(skypilot, "SOURCE", replace(skypilot.SOURCE, pause_s=0))
    recorded_azure.play(player)
    return Asked(folder=tmp_path / "prices", day=DAY, accept_gone=True)


def test_one_fails_and_the_others_go_on(player: Player, how: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    """Exit code 1; the table in force is that of the one that went well."""
    code = refresh(["skypilot", "azure", "azure"], how, "json", limit=0, wire=Local(player.port))
    said = capfd.readouterr()
    first, second = json.loads(said.out)
    assert code == 1
    assert (first["source"], first["generation"], first["error"]["message"]) == ("skypilot", None, "it answers 404")
    assert (second["source"], second["generation"], second["error"]) == ("azure", 1, None)
    assert (second["read"], second["kept"], sum(second["dropped"].values())) == (23, 6, 17)
    assert second["prices"] == sum(second[name] for name in ("same", "changed", "added", "held", "outranked")) == 8
    assert said.err.startswith("error: https://raw.githubusercontent.com/")
    assert "its prices are as they were" in said.err
    spot = costdata.load().where(region="azure/eastus", node=recorded_azure.H100, option="spot").offers
    assert spot.micro_usd_per_hour.tolist() == [33_016_543]
    assert spot.source.tolist() == ["Azure Retail Prices API, 2026-11-26"]


def test_what_is_printed(player: Player, how: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    """Counts, reasons with an example, every change, and what is in force."""
    assert refresh(["azure"], replace(how, dry_run=True), "table", limit=3, wire=Local(player.port)) == 0
    said = capfd.readouterr().out
    assert "unknown region" in said
    assert "moonbase/Standard_ND96isr_H100_v5" in said
    assert "more rows: --limit 0 shows all" in said
    assert "Nothing was written (--dry-run)." in said
    assert not how.folder.exists()
    assert refresh(["azure"], how, "table", limit=3, wire=Local(player.port)) == 0
    assert f"azure: generation 1 is in force, in {how.folder}." in capfd.readouterr().out.replace("\n", " ")


def test_csv_is_the_changes(player: Player, how: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    """A row each, with nothing but numbers where numbers are."""
    assert refresh(["azure"], how, "csv", limit=0, wire=Local(player.port)) == 0
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    new = {(r["region"], r["option"]): r for r in rows if r["node"] == recorded_azure.H100 and r["kind"] == "new"}
    assert new["eastus", "commit_1y"]["usd_per_hour"] == "65.058333"
    assert new["eastus", "commit_1y"]["usd_per_hour_before"] == ""
    assert {r["kind"] for r in rows} <= {"held back", "changed", "new", "gone"}


def test_what_is_held_back_is_told(player: Player, how: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    """With the table to look at."""
    dear = recorded_azure.meter(armSkuName=recorded_azure.T4, skuName="NC4as T4 v3", retailPrice=5.26)
    player[recorded_azure.HOST, recorded_azure.PATH] = lambda asked: Answer(
        {"Items": [dear, recorded_azure.meter()] if recorded_azure.T4 in asked.path else [], "NextPageLink": None}
    )
    assert refresh(["azure"], how, "table", limit=0, wire=Local(player.port)) == 0
    said = "".join(capfd.readouterr().out.split())  # a long path is broken between lines
    assert "morethan×3or÷3" in said
    assert "review/azure.csv;--accept-outliersletsinwhatisstillso." in said


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("prices", "refresh", "azur"), "did you mean azure"),
        (("prices", "refresh", "azure", "--proxy"), "set HTTPS_PROXY"),
    ],
)
def test_bad_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: tuple[str, ...], word: str) -> None:
    """Exit code 2, and nothing is asked."""
    for name in refreshing.PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(refreshed.VARIABLE, str(tmp_path))
    assert word in refused(run(*args))


def test_no_folder(capfd: pytest.CaptureFixture[str]) -> None:
    """An empty variable means packaged prices alone: there is nowhere to write to."""
    assert guarded(lambda: refresh(["azure"], None, "table", limit=0)) == 2
    assert "no folder for refreshed prices" in capfd.readouterr().err


def test_the_proxy_is_used_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only then."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    assert isinstance(refreshing._wire(proxy=False), Internet)
    made: Any = refreshing._wire(proxy=True)
    assert isinstance(made, Proxy)
    assert made.url == "http://proxy.example.com:3128"


def test_listings_say_that_prices_are_refreshed(player: Player, how: Asked) -> None:
    """On stderr, with the day and the folder; the list has the new price."""
    refresh(["azure"], how, "json", limit=0, wire=Local(player.port))
    done = run("prices", "--provider", "azure", "--node", recorded_azure.H100, "--option", "spot", "--format", "json")
    assert json.loads(done.stdout)[0]["usd_per_hour"] == "33.016543"
    assert "refreshed prices are used: azure 2026-11-26" in done.stderr
