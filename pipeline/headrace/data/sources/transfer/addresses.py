"""Web requests that do not reach loopback, link-local and private addresses, by the address that is connected to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that end in the IPv4 address they are translated to: RFC 6052."""
SETTING = "ingest.allow_private_addresses: true"


class PrivateAddressError(Exception):
    """A request to an address of this machine or its network, which would be sent from inside of it."""


def is_private(address: str) -> bool:
    """Whether an IP address is not one of the public internet: loopback, link-local, private, shared, multicast."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else ip.ipv4_mapped or ip.sixtofour
        ip = inner or ip
    return not ip.is_global or ip.is_multicast


def is_private_host(host: str) -> bool:
    """Whether a host is by its name, without a look-up, one of this machine or its network."""
    try:
        return is_private(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa"))


def check_host(host: str, port: int | None = None) -> None:
    """Raises PrivateAddressError if one of a host's addresses is private; does nothing if it has none."""
    with contextlib.suppress(OSError, UnicodeError):
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            _check(host, str(address[0]))


def open_session(trusted_host: str | None = None, *, allow_private: bool = False) -> requests.Session:
    """Returns a session whose requests, redirects included, raise PrivateAddressError for private addresses.

    Each connection is checked, so that a name cannot resolve to another address in between. Behind a proxy, which
    connects by itself, only addresses in the URL are. `trusted_host`: one that the user named; it is not checked.
    """
    import requests

    session = requests.Session()
    if not allow_private:
        adapter = _make_adapter(trusted_host)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
    return session


def _make_adapter(trusted_host: str | None) -> requests.adapters.HTTPAdapter:
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    class CheckedConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            if self.host == trusted_host:
                return super()._new_conn()
            check_host(self.host, self.port)  # spares a private address even the handshake
            connected = super()._new_conn()
            try:
                _check(self.host, connected.getpeername()[0])
            except PrivateAddressError:
                connected.close()
                raise
            return connected

    class CheckedTlsConnection(CheckedConnection, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = CheckedConnection

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = CheckedTlsConnection

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}

        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            host = urlsplit(str(request.url)).hostname or ""
            with contextlib.suppress(ValueError):  # a name, which is checked when it is connected to
                if host != trusted_host:
                    _check(host, host)
            return super().send(request, *args, **options)

    return Adapter()


def _check(host: str, address: str) -> None:
    if is_private(address):
        shown = host if host == address else f"{host} ({address})"
        raise PrivateAddressError(f"{shown} is an address of this machine or its network; {SETTING} allows it")
