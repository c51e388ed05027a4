"""Asking for prices over https: named hosts only, few and slow enough, with no credential in anything that is said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin

from .addresses import Target, target
from .errors import FetchError, RefusedError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from .wire import Wire

ATTEMPTS = 5
AGAIN = frozenset({429, 500, 502, 503, 504})
MOVED = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 3
LONGEST_WAIT_S = 60.0  # whatever Retry-After asks for
LONGEST_ANSWER_S, LONGEST_TEXT_S = 300.0, 3_600.0
MOST_BYTES = 64_000_000
MOST_PAGES = 5_000
CHUNK = 1 << 16
OK = 200


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A credential: sent, never shown."""

    value: str

    def __repr__(self) -> str:
        """Three stars."""
        return "***"

    __str__ = __repr__


Headers = Mapping[str, str | Secret]


@dataclass
class Client:
    """Requests to a source's hosts, one after the other.

    Redirects are followed to these hosts only, and a credential goes to no host but the one it was meant for.
    `wire` is how a host is reached (see `wire`); tests give one that leads to a server of theirs.
    """

    hosts: frozenset[str]
    wire: Wire
    pause_s: float = 0.1
    sleep: Callable[[float], None] = time.sleep
    asked: dict[str, float] = field(default_factory=dict, init=False)  # host: when it may be asked again
    requests: int = field(default=0, init=False)
    secrets: set[str] = field(default_factory=set, init=False, repr=False)  # sent, and never to be told

    def text(self, url: str, *, query: Mapping[str, str] | None = None, headers: Headers | None = None) -> str:
        """A text in UTF-8."""
        try:
            return self.body(url, query=query, headers=headers).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FetchError("not UTF-8", where=self.target(url).shown, mend="try again later") from None

    def json(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Headers | None = None,
        send: object = None,
    ) -> Any:
        """A JSON document, with numbers as Decimal; `send` is posted as JSON."""
        text = self.body(url, query=query, headers=headers, send=send)
        try:
            return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise FetchError("not a JSON document", where=self.target(url).shown, mend="try again later") from None

    def pages(
        self,
        url: str,
        following: Callable[[Any], str | None],
        *,
        query: Mapping[str, str] | None = None,
        headers: Headers | None = None,
    ) -> Iterator[Any]:
        """JSON pages: `following` gives the next one's URL from a page, None at the end; all are on one host.

        Raises:
            RefusedError: the next page is on another host.
            FetchError: a page leads back to one that was read, or there is no end of them.
        """
        first, seen = self.target(url), set[str]()
        link: str | None = self._with(url, query)
        while link:
            at = self.target(link)
            if at.host != first.host:
                raise RefusedError("the next page is on another host", where=first.shown, mend="report this")
            if link in seen or len(seen) >= MOST_PAGES:
                raise FetchError("its pages have no end", where=first.shown, mend="try again later")
            seen.add(link)
            page = self.json(link, headers=headers)
            yield page
            link = following(page)

    def body(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Headers | None = None,
        send: object = None,
        most_bytes: int = MOST_BYTES,
    ) -> bytes:
        """What a URL gives, asked for again where it fails for a while.

        Raises:
            RefusedError: it leads where nothing may be asked.
            FetchError: it cannot be had.
        """
        answer, at = self._answer(url, query, headers, send)
        return b"".join(_parts(answer, at, most_bytes, LONGEST_ANSWER_S))

    def lines(self, url: str, *, most_bytes: int) -> Iterator[str]:
        """Lines of a text in UTF-8 as they come, of one too large to hold; not asked for again if it breaks off."""
        answer, at = self._answer(url, None, None, None)
        rest = b""
        try:
            for part in _parts(answer, at, most_bytes, LONGEST_TEXT_S):
                *whole, rest = (rest + part).split(b"\n")
                yield from (line.decode("utf-8") for line in whole)
            if rest:
                yield rest.decode("utf-8")
        except UnicodeDecodeError:
            raise FetchError("not UTF-8", where=at.shown, mend="try again later") from None

    def _answer(
        self, url: str, query: Mapping[str, str] | None, headers: Headers | None, send: object
    ) -> tuple[BaseHTTPResponse, Target]:
        """The answer where redirects end, its body unread."""
        at = first = self.target(self._with(url, query))
        for _ in range(MOST_REDIRECTS + 1):
            mine = {k: v for k, v in (headers or {}).items() if at.host == first.host or not isinstance(v, Secret)}
            answer = self._persistent(at, mine, send)
            if answer.status not in MOVED:
                return answer, at
            link = answer.headers.get("Location", "")
            answer.close()
            if send is not None:
                raise RefusedError("a redirect of what was sent", where=at.shown, mend="report this")
            at = self.target(_joined(at, link))
        raise FetchError("too many redirects", where=first.shown, mend="try again later")

    def target(self, url: str) -> Target:
        """Where a URL leads, if it may be asked; see `addresses.target`."""
        return target(url, self.hosts)

    @staticmethod
    def _with(url: str, query: Mapping[str, str] | None) -> str:
        return f"{url}{'&' if '?' in url else '?'}{urlencode(query, quote_via=quote)}" if query else url

    def _persistent(self, at: Target, headers: Headers, send: object) -> BaseHTTPResponse:
        self.secrets |= {v.value for v in headers.values() if isinstance(v, Secret)}
        plain = {name: v.value if isinstance(v, Secret) else v for name, v in headers.items()}
        sent = None if send is None else json.dumps(send).encode()
        if sent is not None:
            plain["Content-Type"] = "application/json"
        why = ""
        for attempt in range(1, ATTEMPTS + 1):
            self._wait_for(at.host)
            answer, why = self.wire.ask(at, plain, sent)
            if answer is not None and answer.status not in AGAIN:
                if answer.status == OK or answer.status in MOVED:
                    return answer
                answer.close()
                raise FetchError(f"it answers {answer.status}", where=at.shown, mend=_mend(answer.status))
            wait = 0.5 * 2**attempt
            if answer is not None:
                why = f"it answers {answer.status}"
                wait = max(wait, _retry_after(answer.headers.get("Retry-After", "")))
                answer.close()
            if attempt < ATTEMPTS:
                self.sleep(min(wait, LONGEST_WAIT_S))
        raise FetchError(f"{why}, {ATTEMPTS} times", where=at.shown, mend="try again later")

    def _wait_for(self, host: str) -> None:
        now = time.monotonic()
        at = max(now, self.asked.get(host, now))
        self.asked[host] = at + self.pause_s
        self.requests += 1
        if at > now:
            self.sleep(at - now)


def _joined(at: Target, link: str) -> str:
    """Where a redirect leads."""
    try:
        return urljoin(f"https://{at.host}{at.path}", link)
    except ValueError:
        raise RefusedError("a redirect to no URL", where=at.shown, mend="report this") from None


def _parts(answer: BaseHTTPResponse, at: Target, most: int, longest_s: float) -> Iterator[bytes]:
    """The body, unpacked, as far as it is neither too large nor too slow."""
    until, size, whole = time.monotonic() + longest_s, 0, False
    try:
        for part in answer.stream(CHUNK, decode_content=True):
            size += len(part)
            if size > most:
                raise FetchError(f"more than {most:,} bytes", where=at.shown, mend="report this")
            if time.monotonic() > until:
                raise FetchError(f"not read in {longest_s:.0f} s", where=at.shown, mend="try again later")
            yield part
        whole = True
    except FetchError:
        raise
    except Exception as error:  # noqa: BLE001 (of urllib3 and below it; its text may hold the query)
        text = f"its answer broke off ({type(error).__name__})"
        raise FetchError(text, where=at.shown, mend="try again later") from None
    finally:  # all of it is read: the connection serves again
        answer.release_conn() if whole else answer.close()


def _retry_after(text: str) -> float:
    """Seconds that a server asks to wait: a number, or a date; 0 for neither."""
    if text.strip().isdigit():
        return float(text[:6])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _mend(status: int) -> str:
    forbidden = {401, 403}
    return "look at the credentials and what they may do" if status in forbidden else "try again later, or report this"


def _no_number(text: str) -> None:
    raise ValueError(text)
