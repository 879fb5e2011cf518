"""Whose request it is, with and without reverse proxies."""

# mypy: allow-untyped-defs, allow-untyped-calls

import pytest

from hogline.sources.addresses import TrustedProxies, subscriber

PROXIES = TrustedProxies.parse("127.0.0.1, 10.0.0.0/8, fd00::/8")

CASES = {
    "no proxy": ("203.0.113.9", "", "203.0.113.9"),
    "no proxy, and a header that lies": ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
    "a proxy names its client": ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
    "two proxies of ours": ("127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),
    "the client wrote more before it": ("127.0.0.1", "127.0.0.1, 9.9.9.9, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
    "the proxy itself asks": ("127.0.0.1", "", "127.0.0.1"),
    "a request from within": ("127.0.0.1", "10.9.9.9", "10.9.9.9"),
    "nonsense before a proxy of ours": ("127.0.0.1", "198.51.100.1, unknown, 10.1.2.3", "10.1.2.3"),
    "nothing but nonsense": ("127.0.0.1", "unknown", "127.0.0.1"),
    "with a port": ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
    "IPv6": ("fd00::1", "2001:db8::0:7", "2001:db8::7"),
    "IPv6 with a port": ("fd00::1", "[2001:db8::7]:443", "2001:db8::7"),
    "IPv4 on an IPv6 socket": ("::ffff:127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
    "a socket without an address": ("", "198.51.100.1", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_client_is_the_first_address_from_our_side_that_is_no_proxy_of_ours(case):
    peer, forwarded_for, client = CASES[case]
    assert PROXIES.client(peer, forwarded_for) == client


def test_without_trusted_proxies_the_header_says_nothing():
    assert TrustedProxies().client("127.0.0.1", "198.51.100.1") == "127.0.0.1"
    assert TrustedProxies.parse("").client("127.0.0.1", "198.51.100.1") == "127.0.0.1"
    assert TrustedProxies().client("::ffff:198.51.100.1", "") == "198.51.100.1"


def test_a_header_without_end_costs_nothing():
    assert PROXIES.client("127.0.0.1", "10.0.0.1," * 100_000 + "10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize("wrong", ["proxy", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1;10.0.0.1"])
def test_what_is_no_network_is_refused(wrong):
    with pytest.raises(ValueError):
        TrustedProxies.parse(wrong)


def test_an_ipv6_subscriber_has_a_network():
    assert subscriber("2001:db8::1") == subscriber("2001:db8::ffff") == "2001:db8::/64"
    assert subscriber("198.51.100.1") == "198.51.100.1"
    assert subscriber("somewhere") == "somewhere"
