"""Asking: retries, waits, pages, redirects, sizes; an account of every row."""

from __future__ import annotations

from decimal import Decimal

import pytest

from costdata.fetch import client as clients
from costdata.fetch.client import Client, Secret
from costdata.fetch.errors import FetchError, RefusedError
from costdata.fetch.rows import Ledger
from costdata.fetch.wire import Internet

from .conftest import Answer, Player

HOST = "prices.example.com"
OTHER = "more.example.com"
HOSTS = frozenset({HOST, OTHER})
URL = f"https://{HOST}/list"
TOKEN = "a-key-of-mine-1234"  # noqa: S105 (no credential)


def test_json_numbers_are_exact(player: Player) -> None:
    """Money never goes through a float; the query arrives as it was given."""
    player[HOST, "/list"] = Answer('{"price": 0.1000000000000000055}', zipped=True)
    read = player.client(HOSTS).json(URL, query={"$filter": "name eq 'A b'"})
    assert read["price"] == Decimal("0.1000000000000000055")
    assert player.asked[0].path == "/list?$filter=name eq 'A b'"


@pytest.mark.parametrize("text", ["{", "[NaN]", '{"a": Infinity}', "", "[" * 100_000])
def test_what_is_no_json(player: Player, text: str) -> None:
    """An error that names the place."""
    player[HOST, "/list"] = Answer(text)
    with pytest.raises(FetchError, match=r"https://prices.example.com/list: not a JSON document"):
        player.client(HOSTS).json(URL)


def test_a_server_that_is_busy_for_a_while_is_asked_again(player: Player) -> None:
    """After what it asks for, at least the pause that doubles, at most a minute."""
    busy = [Answer(status=503), Answer(status=429, headers={"Retry-After": "7"}), Answer(status=502)]
    player[HOST, "/list"] = [*busy, Answer(status=429, headers={"Retry-After": "3600"}), Answer("fine")]
    client = player.client(HOSTS)
    assert client.text(URL) == "fine"
    assert player.waits == [1.0, 7.0, 4.0, 60.0]


def test_a_date_to_try_again_at(player: Player) -> None:
    """Retry-After may be one; one that has passed asks for nothing, and nonsense neither."""
    past = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    player[HOST, "/list"] = [
        Answer(status=503, headers=past),
        Answer(status=503, headers={"Retry-After": "soon"}),
        Answer("x"),
    ]
    assert player.client(HOSTS).text(URL) == "x"
    assert player.waits == [1.0, 2.0]


def test_in_the_end_it_is_given_up(player: Player) -> None:
    """Five times, not more."""
    player[HOST, "/list"] = Answer(status=500)
    with pytest.raises(FetchError, match="it answers 500, 5 times"):
        player.client(HOSTS).text(URL)
    assert len(player.asked) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
def test_what_another_try_would_not_mend(player: Player, status: int) -> None:
    """Once."""
    player[HOST, "/list"] = Answer(status=status)
    with pytest.raises(FetchError, match=f"it answers {status}"):
        player.client(HOSTS).text(URL)
    assert len(player.asked) == 1


def test_nobody_there(player: Player) -> None:
    """A closed port is tried five times."""
    client = player.client(HOSTS)
    client.wire.port = 1  # type: ignore[attr-defined]
    with pytest.raises(FetchError, match=r"cannot be reached \(NewConnectionError\), 5 times"):
        client.text(URL)


def test_an_answer_that_breaks_off(player: Player) -> None:
    """Is none: half a list is no list."""
    player[HOST, "/list"] = Answer("x" * 1000, cut=500)
    with pytest.raises(FetchError, match="its answer broke off"):
        player.client(HOSTS).text(URL)


def test_an_answer_without_end(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted as it is unpacked: 40 kB that unpack to 40 MB are refused at 1 MB."""
    monkeypatch.setattr(clients, "MOST_BYTES", 1_000_000)
    player[HOST, "/list"] = Answer(b"0" * 40_000_000, zipped=True)
    with pytest.raises(FetchError, match="more than 1,000,000 bytes"):
        player.client(HOSTS).body(URL, most_bytes=clients.MOST_BYTES)


def test_requests_to_a_host_keep_their_distance(player: Player) -> None:
    """Each host has its own."""
    player[HOST, "/list"] = player[OTHER, "/list"] = Answer("x")
    client = player.client(HOSTS)
    client.pause_s = 10.0
    for url in (URL, URL, f"https://{OTHER}/list"):
        client.text(url)
    assert [round(w) for w in player.waits] == [10]


def test_pages_follow_their_links(player: Player) -> None:
    """Until there is none; the query of the first page is not repeated."""
    player[HOST, "/list"] = lambda asked: Answer(
        {"rows": [1], "next": f"https://{HOST}/list?skip=1"} if "top" in asked.path else {"rows": [2], "next": None}
    )
    pages = player.client(HOSTS).pages(URL, lambda page: page["next"], query={"top": "1"})
    assert [page["rows"] for page in pages] == [[1], [2]]


@pytest.mark.parametrize(
    "link", [f"https://{OTHER}/list", "https://evil.example.net/list", f"http://{HOST}/list", "//evil.example.net/"]
)
def test_pages_stay_on_their_host(player: Player, link: str) -> None:
    """Also off one that redirects may lead to."""
    player[HOST, "/list"] = Answer({"next": link})
    with pytest.raises(RefusedError):
        list(player.client(HOSTS).pages(URL, lambda page: str(page["next"])))
    assert len(player.asked) == 1


def test_pages_in_a_circle(player: Player) -> None:
    """End."""
    player[HOST, "/list"] = Answer({"next": URL})
    with pytest.raises(FetchError, match="no end"):
        list(player.client(HOSTS).pages(URL, lambda page: str(page["next"])))


def test_redirects_within_the_hosts(player: Player) -> None:
    """Are followed, and a credential stays behind when the host changes."""
    player[HOST, "/list"] = Answer(status=302, headers={"Location": "/there"})
    player[HOST, "/there"] = Answer(status=307, headers={"Location": f"https://{OTHER}/list"})
    player[OTHER, "/list"] = Answer("arrived")
    headers: dict[str, str | Secret] = {"X-Key": Secret(TOKEN), "Accept": "text/csv"}
    assert player.client(HOSTS).text(URL, headers=headers) == "arrived"
    assert [a.headers.get("X-Key") for a in player.asked] == [TOKEN, TOKEN, None]
    assert [a.headers.get("Accept") for a in player.asked] == ["text/csv"] * 3


def test_redirects_in_a_circle(player: Player) -> None:
    """End after three."""
    player[HOST, "/list"] = Answer(status=302, headers={"Location": URL})
    with pytest.raises(FetchError, match="too many redirects"):
        player.client(HOSTS).text(URL)
    assert len(player.asked) == 4


def test_what_is_sent_is_not_sent_elsewhere(player: Player) -> None:
    """A redirect of a POST is refused."""
    player[HOST, "/list"] = Answer(status=307, headers={"Location": f"https://{OTHER}/list"})
    with pytest.raises(RefusedError, match="redirect of what was sent"):
        player.client(HOSTS).json(URL, send={"a": 1})
    assert player.asked[0].body == b'{"a": 1}'
    assert len(player.asked) == 1


def test_a_secret_is_not_shown() -> None:
    """In no form that is printed by accident."""
    secret = Secret(TOKEN)
    assert TOKEN not in f"{secret} {secret!r} {[secret]} {vars(Client(HOSTS, Internet()))}"
    assert secret.value == TOKEN


def test_every_row_ends_once() -> None:
    """Kept or dropped; neither and both are errors."""
    ledger = Ledger()
    a, b, c = ledger.rows("abc")
    ledger.keep(a)
    ledger.drop("unknown node", "b", b)
    with pytest.raises(FetchError, match="row 3 of 3 is neither"):
        ledger.balanced()
    with pytest.raises(FetchError, match="row 1 is accounted for twice"):
        ledger.drop("unknown node", "a", a)
    ledger.drop("unknown node", "c", c)
    ledger.balanced()
    assert (ledger.read, ledger.kept, dict(ledger.dropped)) == (3, 1, {"unknown node": 2})
    assert ledger.examples == {"unknown node": ["b", "c"]}
