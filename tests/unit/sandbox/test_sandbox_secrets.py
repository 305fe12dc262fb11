"""A guest and the secrets it was granted, and those it was not."""

from tests.support.guests import Node, Script

NOENT, OVERFLOW = -44, -61


def test_an_app_reads_what_it_was_granted_by_the_name_of_the_grant(node: Node):
    script = Script()
    buffer = script.buffer(16)
    script.call("skerry_secret.get", *script.data(b"api-key"), buffer, 16)
    script.show(buffer, 5)
    script.call("skerry_secret.get", *script.data(b"api-key"), buffer, 4)
    script.call("skerry_secret.get", *script.data(b"another"), buffer, 16)
    secrets = {"api-key": lambda: b"12345"}
    assert node.play(script, secrets=secrets) == [5, b"12345", OVERFLOW, NOENT]


def test_without_a_grant_there_is_none(node: Node):
    script = Script()
    script.call("skerry_secret.get", *script.data(b"api-key"), script.buffer(16), 16)
    script.call("skerry_secret.get", *script.data(b"api-key/"), script.buffer(16), 16)
    assert node.play(script, secrets={"password": lambda: b"12345"}) == [NOENT, NOENT]


def test_what_does_not_open_ends_the_app_and_gives_it_nothing(node: Node):
    def broken() -> bytes:
        raise ValueError("sealed with another key")

    script = Script()
    script.call("skerry_secret.get", *script.data(b"api-key"), script.buffer(16), 16)
    end = node.run(script.module(), secrets={"api-key": broken})
    assert end.code != 0
