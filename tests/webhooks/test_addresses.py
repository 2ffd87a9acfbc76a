"""Where a webhook may go, and that a name which answers differently the next time leads nowhere else."""

from __future__ import annotations

import ipaddress
import socket
import ssl

import pytest

from memory.errors import Invalid
from memory.webhooks import addresses, sending
from memory.webhooks.sending import Answer
from tests.webhooks.receiver import CERTIFICATE, receiving

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
PRIVATE = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "168.63.129.16", "::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:5ef5:79fb:0:0:80ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address):
    assert addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_or_stand_for_one_that_is_not(address):
    assert not addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("url", ["https://example.org", "https://example.org:8443/a?b=c", "https://8.8.8.8/x"])
def test_urls_that_can_be_told(url):
    assert addresses.check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None, 7, "", "example.org", "ftp://example.org", "http://example.org", "file:///etc/passwd", "https://",
        "https:///x", "https://user@example.org", "https://user:secret@example.org", "https://example.org/#x",
        "https://exa mple.org", "https://exämple.org", "https://example.org:99999", "https://[::1", "https://[::1]/",
        "https://127.0.0.1/", "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://a\\@b.org",
        "https://example.org/\n", "https://example.org/\x00", "https://e.org/" + "x" * 2_000,
    ],
)  # fmt: skip
def test_urls_that_cannot_be_told(url):
    with pytest.raises(Invalid) as refusal:
        addresses.check_url(url)
    assert refusal.value.where == ("url",)
    assert "secret" not in refusal.value.message


@pytest.mark.parametrize("url", ["http://10.0.0.1:8000/x", "https://localhost", "http://[::1]/"])
def test_a_network_of_ones_own_can_be_told_where_the_site_says_so(settings, url):
    settings.HONCHO = {"WEBHOOK_ALLOW_PRIVATE": True}
    assert addresses.check_url(url) == url


def answering(monkeypatch, *answers):
    """Let names have these addresses, one answer after the other; return what is looked up and connected to."""
    looked_up, connected = [], []
    left = list(answers)

    def getaddrinfo(host, port, *args, **kwargs):
        looked_up.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def create_connection(address, *args, **kwargs):
        connected.append(address[0])
        raise OSError("nobody there")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    return looked_up, connected


def test_a_name_is_looked_up_once_and_the_checked_address_is_the_one_connected_to(monkeypatch):
    looked_up, connected = answering(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    assert sending.post("https://rebind.example/x", {}, b"{}") == Answer(None, "connect")
    assert (looked_up, connected) == (["rebind.example"], ["93.184.216.34"])


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["10.0.0.1", "93.184.216.34"]])
def test_a_name_with_any_address_that_is_not_public_is_not_connected_to(monkeypatch, found):
    _, connected = answering(monkeypatch, found)
    assert sending.post("https://rebind.example/x", {}, b"{}") == Answer(None, "address_refused")
    assert connected == []


def test_the_next_address_is_tried_where_one_does_not_answer(monkeypatch):
    _, connected = answering(monkeypatch, ["93.184.216.34", "8.8.8.8"])
    assert sending.post("https://two.example/x", {}, b"{}").error == "connect"
    assert connected == ["93.184.216.34", "8.8.8.8"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "127.1", "0x7f.0.0.1", "[::ffff:127.0.0.1]"])
def test_however_this_machine_is_spelt_it_is_not_told(host):
    with receiving() as receiver:
        answer = sending.post(f"http://{host}:{receiver.port}/", {}, b"{}")
    assert answer == Answer(None, "address_refused")
    assert receiver.heard == []


@pytest.mark.parametrize("host", ["no-such-name.invalid", "x" * 64 + ".example"])
def test_a_name_that_is_nobodys(host):
    assert sending.post(f"https://{host}/", {}, b"{}") == Answer(None, "connect")


def test_proxies_of_the_environment_are_not_used(settings, monkeypatch):
    settings.HONCHO = {"WEBHOOK_ALLOW_PRIVATE": True}
    with receiving() as receiver, receiving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.setenv("ALL_PROXY", proxy.url())
        assert sending.post(receiver.url("/a?b=c"), {}, b"{}") == Answer(204, "")
    assert (len(receiver.heard), len(proxy.heard)) == (1, 0)
    assert receiver.heard[0].path == "/a?b=c"
    assert receiver.heard[0].headers["host"] == f"127.0.0.1:{receiver.port}"


def test_the_certificate_and_the_server_hear_the_name_not_the_address(settings, monkeypatch):
    settings.HONCHO = {"WEBHOOK_ALLOW_PRIVATE": True}
    trusting = ssl.create_default_context(cafile=str(CERTIFICATE))
    monkeypatch.setattr(sending, "_ssl_context", lambda: trusting)
    real = socket.getaddrinfo

    def here(host, *rest, **more):
        return real(host if host[0].isdigit() else "127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with receiving(tls=True) as receiver:
        assert sending.post(f"https://hooks.example:{receiver.port}/", {}, b"{}") == Answer(204, "")
        assert sending.post(f"https://other.example:{receiver.port}/", {}, b"{}") == Answer(None, "tls")
    assert receiver.names == ["hooks.example", "other.example"]
    assert [heard.headers["host"] for heard in receiver.heard] == [f"hooks.example:{receiver.port}"]
