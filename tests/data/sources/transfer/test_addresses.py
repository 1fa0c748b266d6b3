import pytest
import requests

from headrace.data.sources.transfer.addresses import (
    PrivateAddressError,
    check_host,
    is_private,
    is_private_host,
    open_session,
)
from tests.data.sources.server import CONTENT, Server


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_inside_are_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_not(address: str) -> None:
    assert not is_private(address)


@pytest.mark.parametrize("host", ["localhost", "10.1.2.3", "::1", "nas", "db.internal", "printer.local."])
def test_hosts_inside_are_known_by_their_names(host: str) -> None:
    assert is_private_host(host)
    assert not is_private_host("example.org")


def test_a_host_is_checked_by_its_addresses() -> None:
    with pytest.raises(PrivateAddressError, match=r"^localhost \(.*\) is an address of this machine or its network"):
        check_host("localhost")
    check_host("no-such-host.invalid")


def test_only_the_trusted_host_is_reached(server: Server) -> None:
    with open_session("127.0.0.1") as session:
        assert session.get(f"{server.address}/a.bin", timeout=9).content == CONTENT
        with pytest.raises(PrivateAddressError, match="localhost"):
            session.get(f"{server.address}/a.bin".replace("127.0.0.1", "localhost"), timeout=9)
    with open_session() as session, pytest.raises(PrivateAddressError):
        session.get(f"{server.address}/a.bin", timeout=9)
    with open_session(allow_private=True) as session:
        assert session.get(f"{server.address}/a.bin", timeout=9).ok


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_address_that_is_connected_to_counts(server: Server, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """A name may have another address when it is looked up once more."""
    monkeypatch.setattr("headrace.data.sources.transfer.addresses.check_host", lambda *_: None)
    url = f"{server.address}/a.bin".replace("127.0.0.1", "localhost").replace("http:", f"{scheme}:")
    with open_session() as session, pytest.raises(PrivateAddressError, match=r"localhost \(127\.0\.0\.1\)"):
        session.get(url, timeout=9)
    assert not server.requests


def test_an_unknown_host_is_a_connection_error() -> None:
    with open_session() as session, pytest.raises(requests.ConnectionError):
        session.get("http://no-such-host.invalid/", timeout=9)
