"""Taking credentials out of whatever is said: the ones that were sent, and all that the environment holds."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

NAMED = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|SIGNATURE", re.IGNORECASE)
PROXIES = re.compile(r".*_proxy", re.IGNORECASE)
SHORTEST = 6  # characters; shorter ones would take words out of every text
STARS = "***"


class Redactor:
    """Text without the credentials it knows of, in any of the ways they may be written in a URL."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Of these, and of the environment's."""
        found = {*secrets, *(v for k, v in os.environ.items() if NAMED.search(k)), *_of_proxies()}
        long = {s.strip() for s in found if len(s.strip()) >= SHORTEST}
        self._known = sorted({*long, *map(quote, long), *(quote(s, safe="") for s in long)}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text with stars in their place."""
        for secret in self._known:
            text = text.replace(secret, STARS)
        return text


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from writing requests, headers and all, into a log of debugging."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.DEBUG))
    try:
        yield
    finally:
        logging.disable(before)


def _of_proxies() -> Iterable[str]:
    """Passwords and users in the URLs of proxies."""
    for name, value in os.environ.items():
        if PROXIES.fullmatch(name):
            try:
                parts = urlsplit(value)
            except ValueError:
                continue
            yield from (part for p in (parts.username, parts.password) if p for part in (p, unquote(p)))
