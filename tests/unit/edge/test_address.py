import pytest

from edge.net.address import Address
from edge.net.errors import AddressError

WEB = ("http", "https")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a", Address(False, "a", 80, "/", "a")),
        ("https://a.b:8443/x/y", Address(True, "a.b", 8443, "/x/y", "a.b:8443")),
        ("https://[::1]:443/", Address(True, "::1", 443, "/", "[::1]")),
    ],
)
def test_a_url_comes_apart(url, expected):
    assert Address.parse(url, WEB) == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("cloud:8080", "is not a URL like https"),
        ("http://user@host/", "is not a URL"),
        ("http://host/a?b=1", "is not a URL"),
        ("http://host/a b", "is not a URL"),
        ("http://host/\r\nX: y", "is not a URL"),
        ("http://host:0/", "port 0"),
        ("http://host:70000/", "port 70000"),
        ("ws://host/", "scheme ws, expected http or https"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url, words):
    with pytest.raises(AddressError, match=words):
        Address.parse(url, WEB)
