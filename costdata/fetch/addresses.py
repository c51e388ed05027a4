"""Where requests may go: https, hosts named beforehand, addresses that are public."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from .errors import FetchError, RefusedError

HTTPS = 443
IN_A_PATH = "/%:@!$&'()*+,;=-._~"
IN_A_QUERY = IN_A_PATH + "?"
NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
MEND = "report this if the source has really moved"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """A request's host, one of those allowed, and what is asked there."""

    host: str
    path: str  # with the query

    @property
    def shown(self) -> str:
        """For messages: without the query, which may hold what is nobody's business."""
        return f"https://{self.host}{self.path.partition('?')[0]}"


def target(url: str, hosts: frozenset[str]) -> Target:
    """What a URL asks for, if it may be asked.

    Raises:
        RefusedError: no https, another host or port, a name and password in it, characters that no URL has.
    """
    if not url.isascii() or any(c <= " " or c in '\\"<>^`{|}\x7f' for c in url):
        raise RefusedError("a URL with characters that no URL has", where="fetch", mend=MEND)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedError("not a URL", where="fetch", mend=MEND) from None
    if parts.scheme != "https":
        raise RefusedError("not an https URL", where="fetch", mend=MEND)
    if "@" in parts.netloc:
        raise RefusedError("a URL with a user in it", where="fetch", mend=MEND)
    if port not in {None, HTTPS} or parts.netloc.endswith(":"):
        raise RefusedError("a URL with a port", where="fetch", mend=MEND)
    name = (parts.hostname or "").lower()
    if name not in hosts:
        raise RefusedError("a URL of a host that is not one of the source's", where="fetch", mend=MEND)
    path = quote(parts.path or "/", safe=IN_A_PATH)
    return Target(name, path + (f"?{quote(parts.query, safe=IN_A_QUERY)}" if parts.query else ""))


def public(host: str) -> list[str]:
    """A host's addresses, all of them public.

    Raises:
        RefusedError: one is of this machine, a private network or none that anybody can be reached at.
        FetchError: the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, HTTPS, type=socket.SOCK_STREAM)
    except OSError:
        raise FetchError("its name has no address", where=host, mend="look at the network, and try again") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in addresses:
        if not is_public(text):
            raise RefusedError("its name leads to an address that is not public", where=host, mend=MEND)
    return addresses


def is_public(text: str) -> bool:
    """Whether an address is one on the internet, whatever it is wrapped in."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(a.is_global and not a.is_multicast and not a.is_reserved for a in _inner(address))


def _inner(address: Address) -> list[Address]:
    """The address and the IPv4 addresses that an IPv6 one stands for; a wrapped one counts by what is in it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if any(address in network for network in NAT64):
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    held: list[Address | None] = [address.sixtofour, *(address.teredo or ())]
    return [address, *(a for a in held if a is not None)]
