"""How a host is reached: over TLS at a public address, or through a proxy that the user names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from .addresses import HTTPS, Target, public
from .errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse, HTTPConnectionPool
    from urllib3.util import Timeout

CONNECT_S, READ_S = 10.0, 60.0
AGENT = "autoparallel-planner"
Answered = tuple["BaseHTTPResponse | None", str]


class Wire(Protocol):
    """Asks once."""

    def ask(self, at: Target, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """The answer, its body unread; or None, and in a few words why there is none and another try may help.

        Raises:
            FetchError: another try would not help.
        """


@dataclass
class Internet:
    """TLS to an address that was looked at: the name is looked up once, so it cannot change its mind afterwards."""

    pools: dict[str, HTTPConnectionPool] = field(default_factory=dict, init=False, repr=False)

    def ask(self, at: Target, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """See `Wire`."""
        if at.host not in self.pools:
            self.pools[at.host] = self._pool(at.host)
        return _asked(self.pools[at.host], at.path, {**headers, "Host": at.host}, body, at)

    @staticmethod
    def _pool(host: str) -> HTTPConnectionPool:
        import urllib3

        (address, *_) = sorted(public(host), key=lambda a: ":" in a)  # IPv4 first: not every network has the other
        return urllib3.HTTPSConnectionPool(
            address, HTTPS, server_hostname=host, assert_hostname=host, timeout=_timeout(), cert_reqs="CERT_REQUIRED"
        )


@dataclass(repr=False)
class Proxy:
    """Through a proxy that the user trusts: it looks names up, so only names are checked here."""

    url: str
    pools: dict[str, HTTPConnectionPool] = field(default_factory=dict, init=False)

    def ask(self, at: Target, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """See `Wire`."""
        if at.host not in self.pools:
            self.pools[at.host] = self._pool(at.host)
        return _asked(self.pools[at.host], at.path, dict(headers), body, at)

    def _pool(self, host: str) -> HTTPConnectionPool:
        import urllib3

        wrong = FetchError("not the URL of a proxy", where="proxy", mend="write http://HOST:PORT")
        try:
            parts = urlsplit(self.url)
            where, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in {"http", "https"} or not where:
            raise wrong
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        bare = f"{parts.scheme}://{f'[{where}]' if ':' in where else where}{f':{port}' if port else ''}"
        manager = urllib3.ProxyManager(
            bare, proxy_headers=urllib3.make_headers(proxy_basic_auth=user), timeout=_timeout()
        )
        return manager.connection_from_host(host, HTTPS, scheme="https")


@dataclass
class Local:
    """A plain-HTTP server on this machine, whatever the host is called: for tests, and only from Python."""

    port: int
    pools: dict[str, HTTPConnectionPool] = field(default_factory=dict, init=False, repr=False)

    def ask(self, at: Target, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """See `Wire`."""
        import urllib3

        if "" not in self.pools:
            self.pools[""] = urllib3.HTTPConnectionPool("127.0.0.1", self.port, timeout=_timeout())
        return _asked(self.pools[""], at.path, {**headers, "Host": at.host}, body, at)


def _asked(pool: HTTPConnectionPool, path: str, headers: Mapping[str, str], body: bytes | None, at: Target) -> Answered:
    from urllib3 import exceptions

    said = {"User-Agent": AGENT, "Accept-Encoding": "gzip", **headers}
    try:
        answer = pool.urlopen(
            "GET" if body is None else "POST",
            path,
            body=body,
            headers=said,
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
    except exceptions.SSLError:  # urllib3's texts may hold the path and the query
        text = "its certificate cannot be trusted"
        raise FetchError(text, where=at.shown, mend="look at the clock, and at what stands between") from None
    except exceptions.HTTPError as error:
        return None, f"it cannot be reached ({type(error).__name__})"
    return answer, ""


def _timeout() -> Timeout:
    from urllib3.util import Timeout

    return Timeout(connect=CONNECT_S, read=READ_S)
