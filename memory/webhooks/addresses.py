"""Where a webhook may go: to public addresses, by https.

A name is looked up when the connection is made, every address that it has is checked, and the connection is made to
one of those: a name that answers differently the next time leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from memory import validation
from memory.conf import MemorySettings
from memory.errors import Invalid
from memory.models.webhooks import URL_LENGTH

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_EMBEDDING = {ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96")}
"""IPv6 addresses whose last 32 bits are an IPv4 address (NAT64, and an old form of it)."""

_NEVER = tuple(
    map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "5f00::/16"))
)
"""Not of the public internet, whatever this Python knows of them; the first is a machine's own cloud."""


class Refused(Exception):
    """A webhook may not go to this address."""


def check_url(url: object) -> str:
    """Return a URL that a webhook may have. Raises :class:`Invalid`. Nothing is looked up."""
    text = validation.text(url, ("url",), most=URL_LENGTH, least=1)
    private = MemorySettings.load().webhook_allow_private
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _wrong("This is not a URL.") from None
    if parts.scheme not in (("https", "http") if private else ("https",)):
        raise _wrong("Give a URL that begins with https://.")
    if not host or not text.isascii() or any(character <= " " or character == "\\" for character in text):
        raise _wrong("Give a URL with a host, in ASCII and without spaces.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _wrong("Give a URL without a user, a password or a fragment.")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return text
    if not private and not is_public(literal):
        raise _wrong("This address is not public.")
    return text


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises :class:`Refused` where any is not public, and :class:`OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    if not MemorySettings.load().webhook_allow_private:
        for address in addresses:
            if not is_public(ipaddress.ip_address(address)):
                raise Refused
    return addresses


def is_public(address: Address) -> bool:
    """Say whether an address is one of the public internet, and so is any that it stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        within = _embedded(address)
        if within is not None:
            return is_public(within)
        if address.is_site_local:
            return False
    if any(address in network for network in _NEVER):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1]) or None


def _wrong(message: str) -> Invalid:
    return Invalid(message, ("url",), "url")
