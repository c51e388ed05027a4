"""A server on this machine that plays recorded answers of price sources, and a client that asks it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from costdata.fetch.client import Client
from costdata.fetch.rows import Source
from costdata.fetch.wire import Local


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    host: str
    path: str  # with the query, unquoted
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """One answer: a status, headers, a body; after `cut` bytes of it the connection is closed."""

    body: bytes | str | dict[str, Any] | list[Any] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    zipped: bool = False

    def encoded(self) -> bytes:
        """The body's bytes."""
        raw = self.body if isinstance(self.body, (bytes, str)) else json.dumps(self.body)
        data = raw.encode() if isinstance(raw, str) else raw
        return gzip.compress(data) if self.zipped else data


Answering = Callable[[Asked], Answer]


class Player:
    """Answers by host and path: `player[host, path]` is an answer, several in turn (the last stays), or a function."""

    def __init__(self) -> None:
        """Know nothing yet: what is asked for gets 404."""
        self.answers: dict[tuple[str, str], Answer | list[Answer] | Answering] = {}
        self.asked: list[Asked] = []
        self.port = 0

    def __setitem__(self, at: tuple[str, str], answer: Answer | list[Answer] | Answering) -> None:
        """Answer so; the path is without the query, or "*" for all of a host's."""
        self.answers[at] = answer

    def answer(self, asked: Asked) -> Answer:
        """What this request gets."""
        self.asked.append(asked)
        path = urlsplit(asked.path).path
        found = self.answers.get((asked.host, path)) or self.answers.get((asked.host, "*")) or Answer(status=404)
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, Answer) else found(asked)

    def client(self, source: Source | frozenset[str]) -> Client:
        """A client of a source's hosts that never waits."""
        hosts = source.hosts if isinstance(source, Source) else source
        self.waits: list[float] = []
        return Client(hosts, Local(self.port), pause_s=0, sleep=self.waits.append)


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """They may."""


def _handler(player: Player) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.headers["Host"], unquote(self.path), dict(self.headers), body)
            answer = player.answer(asked)
            data = answer.encoded()
            self.send_response(answer.status)
            for name, value in {**answer.headers, **({"Content-Encoding": "gzip"} if answer.zipped else {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        do_POST = do_GET  # noqa: N815 (the name that http.server looks for)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


@pytest.fixture
def player() -> Iterator[Player]:
    """A running server; `player.client(SOURCE)` asks it whatever the host is called."""
    made = Player()
    server = Quiet(("127.0.0.1", 0), _handler(made))
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
