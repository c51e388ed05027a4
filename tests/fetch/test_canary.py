"""Credentials that are given are sent, and stand in nothing that is said, logged or written, whatever goes wrong."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import costdata
from costdata import refreshed
from costdata.fetch import azure, gcp
from costdata.fetch.aws_calls import Calls
from costdata.fetch.client import Client, Secret
from costdata.fetch.redact import Redactor, quiet
from costdata.fetch.refresh import Asked
from costdata.fetch.rows import Known, Ledger, Source
from costdata.fetch.wire import Local, Proxy
from solver.doors import guard
from solver.doors.refreshing import refresh

from . import recorded_azure
from .conftest import Answer, Player
from .listed import DAY

CANARY = "cAnArY/7f3a+91=d0"  # with characters that are quoted in URLs
QUOTED = ("cAnArY%2F7f3a%2B91%3Dd0", "cAnArY/7f3a%2B91%3Dd0", "cAnArY%2F7f3a+91%3Dd0")
ROOT = Path(__file__).parents[2]
NAMES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_API_KEY", "MY_PASSWORD")


def assert_unsaid(*texts: str) -> None:
    """Neither as it is nor as a URL has it."""
    for text in texts:
        assert not [form for form in (CANARY, *QUOTED, CANARY.lower()) if form in text]


def written(folder: Path) -> list[str]:
    """The text and name of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [text for path in files for text in (path.read_bytes().decode("utf-8", "replace"), path.name)]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The canary in the environment; a folder for what is written."""
    for name in NAMES:
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{QUOTED[0]}@127.0.0.1:9")
    monkeypatch.setenv(guard.DEBUG, "1")
    monkeypatch.setenv(refreshed.VARIABLE, str(tmp_path / "prices"))
    return tmp_path / "prices"


ECHOES: list[tuple[str, Callable[[], Answer]]] = [
    ("a meter", lambda: Answer({"Items": [recorded_azure.meter(armRegionName=CANARY)]})),
    ("a reason", lambda: Answer({"Items": [recorded_azure.meter(type=CANARY)]})),
    ("another form", lambda: Answer({CANARY: CANARY})),
    ("broken", lambda: Answer(f'{{"{CANARY}')),
    ("refused", lambda: Answer({"error": {"message": f"API key {CANARY} not valid", "code": 403}}, status=403)),
    ("busy", lambda: Answer(CANARY, status=503, headers={"Retry-After": CANARY, "X-Echo": CANARY})),
    ("redirected", lambda: Answer(status=302, headers={"Location": f"https://evil.example.net/{QUOTED[0]}"})),
    ("redirected here", lambda: Answer(status=302, headers={"Location": f"/{QUOTED[0]}?key={QUOTED[0]}"})),
    ("cut off", lambda: Answer(CANARY * 99, cut=20)),
    ("next page", lambda: Answer({"Items": [], "NextPageLink": f"https://{QUOTED[0]}.example.net/"})),
]


@pytest.mark.parametrize(
    ("style", "answer"),
    [
        *(pytest.param("table", answer, id=name) for name, answer in ECHOES),
        *(
            pytest.param(style, answer, id=f"{name}-{style}")
            for name, answer in ECHOES[:2]
            for style in ("json", "csv")
        ),
    ],
)
def test_a_source_that_says_it_back(
    player: Player, given: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Answer], style: str,
) -> None:  # fmt: skip
    """In a row, an error, a header, a link, a redirect: sent to it, and not told again."""
    key = {"X-Key": Secret(CANARY)}
    monkeypatch.setattr("costdata.fetch.client.ATTEMPTS", 1)
    source = replace(azure.SOURCE, pause_s=0, fetch=lambda c, k, ledger: azure.fetch(_with(c, key), k, ledger))
    monkeypatch.setattr(azure, "SOURCE", source)
    player[azure.HOST, "*"] = answer()
    with caplog.at_level(logging.DEBUG):
        code = refresh(["azure"], Asked(folder=given, day=DAY), style, limit=0, wire=Local(player.port))
    said = capfd.readouterr()
    assert code == 1
    assert player.asked[0].headers["X-Key"] == CANARY
    assert_unsaid(said.out, said.err, caplog.text, *written(given.parent))


def _with(client: Client, headers: dict[str, Secret]) -> Client:
    """The same client, which sends these too."""

    class Sending(Client):
        def body(self, url: str, **options: Any) -> bytes:
            return client.body(url, **{**options, "headers": headers})

    return Sending(client.hosts, client.wire, pause_s=0)


def test_a_refresh_that_goes_well(
    player: Player,
    given: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the prices that are read afterwards."""
    monkeypatch.setattr(azure, "SOURCE", replace(azure.SOURCE, pause_s=0))
    recorded_azure.play(player)
    how = Asked(folder=given, day=DAY, accept_gone=True)
    with caplog.at_level(logging.DEBUG):
        assert refresh(["azure"], how, "table", limit=0, wire=Local(player.port)) == 0
    said = capfd.readouterr()
    assert "generation 1 is in force" in said.out
    catalog = costdata.load()
    assert_unsaid(
        said.out, said.err, caplog.text, repr(catalog.warnings), *catalog.offers.source, *written(given.parent)
    )


@pytest.mark.parametrize("status", [200, 400, 403])
def test_google(
    player: Player, given: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """The key goes in a header, never in the URL."""
    player[gcp.HOST, "*"] = Answer({"skus": [{"description": CANARY, "skuId": CANARY}], "error": CANARY}, status=status)
    with caplog.at_level(logging.DEBUG):
        assert refresh(["gcp"], Asked(folder=given, day=DAY), "json", limit=0, wire=Local(player.port)) == 1
    said = capfd.readouterr()
    assert CANARY in player.asked[0].headers.values()
    assert CANARY not in player.asked[0].path
    assert_unsaid(said.out, said.err, caplog.text, *written(given.parent))


def test_amazon(player: Player, given: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A token is in a header of every request, and botocore logs requests."""
    pytest.importorskip("boto3")
    assert given
    hosts = frozenset({"ec2.us-east-1.amazonaws.com"})
    calls = Calls(Client(hosts, Local(player.port)), endpoint=f"http://127.0.0.1:{player.port}")
    player[f"127.0.0.1:{player.port}", "*"] = Answer(f"<x>{CANARY}</x>", status=400)
    with caplog.at_level(logging.DEBUG), quiet(), pytest.raises(costdata.DataError) as error:
        list(calls.pages("ec2", "describe_regions"))
    assert player.asked[0].headers["X-Amz-Security-Token"] == CANARY
    assert_unsaid(str(error.value), repr(error.value), repr(calls), caplog.text)


def test_debugging_is_logged_again_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    """Only a refresh is quiet."""
    with caplog.at_level(logging.DEBUG):
        with quiet():
            logging.getLogger("botocore.endpoint").debug("a request")
        logging.getLogger("botocore.endpoint").debug("another")
    assert "another" in caplog.text
    assert "a request" not in caplog.text


def test_a_proxy(given: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """That the environment names, with a password, and that is not there."""
    monkeypatch.setattr("costdata.fetch.client.ATTEMPTS", 1)
    code = refresh(["azure"], Asked(folder=given, day=DAY), "table", limit=0, wire=Proxy(os.environ["HTTPS_PROXY"]))
    said = capfd.readouterr()
    assert code == 1
    assert "it cannot be reached (ProxyError), 1 times" in said.err
    assert_unsaid(said.out, said.err, repr(Proxy(os.environ["HTTPS_PROXY"])))


@pytest.mark.usefixtures("given")
def test_the_command(tmp_path: Path) -> None:
    """Whole, through a proxy that is not there, for Google too."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id={CANARY}\naws_secret_access_key={CANARY}\n"
    )
    code = "import costdata.fetch.client as c; c.ATTEMPTS = 1; from solver.cli import main; main()"
    command = [sys.executable, "-c", code, "prices", "refresh", "--proxy", "gcp", "azure"]
    env = {**os.environ, "HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 1
    assert "ProxyError" in done.stderr
    kept = [text for text in written(tmp_path) if "[default]" not in text]
    assert_unsaid(done.stdout, done.stderr, *kept)


def test_the_redactor() -> None:
    """Takes out what it was given in any form, and leaves other words alone."""
    clean = Redactor([CANARY, "no"])
    assert clean(f"a {CANARY} b {QUOTED[0]} c {QUOTED[1]} no") == "a *** b *** c *** no"


def test_an_importer_that_tells_it(
    player: Player, given: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an error of its own, in a reason and in an example: taken out."""

    def fetch(_: Client, __: Known, ledger: Ledger) -> object:
        (raw,) = ledger.rows([1])
        ledger.drop(f"reason {CANARY}", f"what {CANARY}", raw)
        raise costdata.DataError(f"it says {CANARY}", where=f"https://x/{QUOTED[0]}", mend=f"unset {CANARY}")

    made: Source = replace(azure.SOURCE, fetch=fetch)  # type: ignore[arg-type]
    monkeypatch.setattr(azure, "SOURCE", made)
    assert refresh(["azure"], Asked(folder=given, day=DAY), "json", limit=0, wire=Local(player.port)) == 1
    said = capfd.readouterr()
    assert "it says ***" in said.out
    assert_unsaid(said.out, said.err)
