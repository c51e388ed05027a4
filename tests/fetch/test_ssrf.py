"""Requests go nowhere but to the hosts named, at public addresses: URLs, redirects, links and names that try."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from costdata.fetch.addresses import is_public, public, target
from costdata.fetch.client import Client
from costdata.fetch.errors import FetchError, RefusedError
from costdata.fetch.wire import Internet

from .conftest import Answer, Player

HOST = "prices.example.com"
HOSTS = frozenset({HOST})
URL = f"https://{HOST}/list"
PAYLOADS = [
    "http://prices.example.com/list",
    "https://evil.example.net/list",
    "https://prices.example.com.evil.example.net/list",
    "https://evilprices.example.com/list",
    "https://prices.example.com@evil.example.net/list",
    "https://prices.example.com:secret@evil.example.net/",
    "https://user:secret@prices.example.com/list",
    "https://evil.example.net#@prices.example.com/",
    "https://evil.example.net\\@prices.example.com/",
    "https://prices.example.com\\.evil.example.net/",
    "https://prices.example.com:8443/list",
    "https://prices.example.com:/list",
    "https://127.0.0.1/list",
    "https://2130706433/list",
    "https://0x7f000001/list",
    "https://[::1]/list",
    "https://[::ffff:169.254.169.254]/latest/meta-data/",
    "https://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "https://localhost/list",
    "https://prices.example.com./list",
    "https://prices。example。com/list",
    "https://prices.example.com\r\nHost: evil.example.net/",
    "https://prices.example.com\t.evil.example.net/",
    "//evil.example.net/list",
    "file:///etc/passwd",
    "gopher://prices.example.com:70/_x",
    "ftp://prices.example.com/list",
    "dict://prices.example.com/",
    "javascript:alert(1)",
    "https:///list",
    "https://%70rices.example.com%2eevil.example.net/",
    "https://[prices.example.com/",
    "",
]

STAYS = {"", "https:///list"}  # beside a URL of the host they mean this host


@pytest.mark.parametrize("payload", PAYLOADS)
def test_urls(player: Player, payload: str) -> None:
    """Asked for, given as the next page: refused before anything is sent, and not repeated in the message."""
    with pytest.raises(RefusedError) as refused:
        player.client(HOSTS).body(payload)
    assert not player.asked
    assert "evil" not in str(refused.value)
    player[HOST, "/list"] = Answer({"next": payload})
    links = player.client(HOSTS).pages(URL, lambda page: page["next"] or "https://")
    with pytest.raises(RefusedError):
        list(links)
    assert len(player.asked) == 1


@pytest.mark.parametrize("payload", [p for p in PAYLOADS if "\r" not in p and p.isascii() and p not in STAYS])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects(player: Player, payload: str, status: int) -> None:
    """Nothing is sent to where they lead."""
    player[HOST, "/list"] = Answer(status=status, headers={"Location": payload})
    with pytest.raises(RefusedError):
        player.client(HOSTS).body(URL)
    assert len(player.asked) == 1


def test_a_path_stays_a_path() -> None:
    """What could end a request line or a host is quoted or refused; the host is one of those named."""
    assert target("https://PRICES.example.com/a/../b?x=1", HOSTS).host == HOST
    assert target("https://prices.example.com/%0d%0aHost:%20evil", HOSTS).path == "/%0d%0aHost:%20evil"
    assert target("https://prices.example.com", HOSTS).path == "/"
    assert target("https://prices.example.com:443/a?b=c&d=%27e%27#f", HOSTS).path == "/a?b=c&d=%27e%27"


ADDRESSES = [
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2001:db8::1", "2001:0:53aa:64c:0:0:f5ff:fffe"),
    *("0.0.0.1", "no address"),
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_names_that_lead_to_no_public_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Alone or among others: no socket is opened."""

    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        assert host == HOST
        return [(2, 1, 6, "", (text, port)) for text in ("13.107.42.14", address)]

    def connected(*_: object, **__: object) -> None:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    assert not is_public(address)
    with pytest.raises(RefusedError, match="not public"):
        Client(HOSTS, Internet(), sleep=lambda _: None).body(URL)


@pytest.mark.parametrize(
    "address", ["13.107.42.14", "8.8.8.8", "2620:1ec:21::14", "2600:1f14::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses(address: str) -> None:
    """Are asked."""
    assert is_public(address)


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leads to later is not asked: the address that was looked at is the one connected to."""
    answers = [["13.107.42.14"], ["127.0.0.1"]]
    asked: list[tuple[str, int]] = []

    def looked_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host == HOST:
            return [(2, 1, 6, "", (text, port)) for text in answers.pop(0)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]  # the address itself

    def connected(_: socket.socket, address: tuple[str, int]) -> None:
        asked.append(address[:2])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    with pytest.raises(FetchError, match=r"cannot be reached .*, 5 times"):
        Client(HOSTS, Internet(), pause_s=0, sleep=lambda _: None).body(URL)
    assert asked == [("13.107.42.14", 443)] * 5
    assert answers == [["127.0.0.1"]]


def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is used unasked."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    with pytest.raises(FetchError, match="its name has no address"):
        Client(HOSTS, Internet()).body(URL)
    with pytest.raises(FetchError, match="no address"):
        public(HOST)
