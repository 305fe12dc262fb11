"""What `skerry app repl` decides before and between two lines: inputs, grants, the manifest, markers."""

import ast
from collections.abc import Iterator
from importlib.resources import files

import pytest

import skerry
from cloud.client.errors import InputError
from cloud.client.prompt import SOURCE_LIMIT, Prompt, judge
from cloud.client.repl import split_marker
from cloud.client.replapp import LOG_RATE, for_repl, granted
from cloud.kinds.app import REPL
from edge.wire.manifest import (
    AppManifest,
    Grant,
    GrantKind,
    Limits,
    Runtime,
    TwinProperty,
    TwinType,
)

ROOM = AppManifest(
    name="room",
    version="1.2.3",
    runtime=Runtime.PYTHON,
    grants={"probe": Grant(kind=GrantKind.I2C)},
    twin={"interval": TwinProperty(type=TwinType.NUMBER, default=5.0)},
)


def typed(*lines: str | type[BaseException]) -> tuple[list[str], list[str], list[str]]:
    """What is sent, what is shown and the prompts, of these lines and a Ctrl-D."""
    rest: Iterator[str | type[BaseException]] = iter(lines)
    shown: list[str] = []
    prompts: list[str] = []

    def read_line(prompt: str) -> str:
        prompts.append(prompt)
        line = next(rest, EOFError)
        if isinstance(line, str):
            return line
        raise line

    prompt, sent = Prompt(read_line, shown.append), list[str]()
    while True:
        try:
            sent.append(prompt.read())
        except EOFError:
            return sent, shown, prompts


def test_a_line_is_an_input_and_an_empty_one_is_none():
    assert typed("x = 1", "", "   ", "x")[0] == ["x = 1", "x"]


def test_a_block_is_collected_until_its_empty_line():
    sent, _, prompts = typed("def f():", "    return 1", "", "f()")
    assert sent == ["def f():\n    return 1\n", "f()"]
    assert prompts == [">>> ", "... ", "... ", ">>> ", ">>> "]


def test_a_pipe_that_ends_ends_its_block():
    assert typed("if True:", "    x = 1")[0] == ["if True:\n    x = 1\n"]


def test_what_is_not_python_is_shown_and_not_sent():
    sent, shown, _ = typed("1 +* 2", "3")
    assert sent == ["3"]
    assert shown[0].endswith("SyntaxError: invalid syntax")


def test_ctrl_c_forgets_the_block():
    sent, shown, prompts = typed("def f():", KeyboardInterrupt, "2")
    assert sent == ["2"]
    assert shown == ["\nKeyboardInterrupt"]
    assert prompts[:3] == [">>> ", "... ", ">>> "]


@pytest.mark.parametrize("word", ["exit()", "quit()", "exit", " quit() "])
def test_a_word_leaves(word):
    assert typed("1", word, "2")[0] == ["1"]


def test_an_input_is_bounded():
    assert judge("x = 1" + " " * (SOURCE_LIMIT - 5)) == (True, "")
    sent, shown, _ = typed("x" * (SOURCE_LIMIT + 1), "if True:", "y" * SOURCE_LIMIT)
    assert sent == []
    assert [f"at most {SOURCE_LIMIT} can be sent" in text for text in shown] == [True, True]


@pytest.mark.parametrize(
    ("option", "grant"),
    [
        ("a=i2c-1:0x48", Grant(kind=GrantKind.I2C)),
        ("a=pico.i2c-0:0x48", Grant(kind=GrantKind.I2C)),
        ("a=GPIO17,out", Grant(kind=GrantKind.GPIO, direction="out")),
        (
            "a=GPIO4,in,pull=up,edge=both,low",
            Grant(kind=GrantKind.GPIO, pull="up", edge="both", active_low=True),
        ),
        ("a=gps,serial,baud=4800", Grant(kind=GrantKind.SERIAL, baudrate=4800)),
        ("a=secret:weather/key", Grant(kind=GrantKind.SECRET)),
    ],
)
def test_a_grant_says_what_it_is(option, grant):
    bare = AppManifest(name="repl", version="1.0.0", runtime=Runtime.PYTHON)
    assert granted(bare, [option]) == ({"a": grant}, [option.partition(",")[0]])


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("a=GPIO17", "a=GPIO17,in or a=GPIO17,out for a line, a=GPIO17,serial for a port"),
        ("a=i2c-1", "a=i2c-1:0x48 for a device of a bus"),
        ("a=GPIO17,outt", "'outt' is not known; there are in, out"),
        ("a=GPIO17,in,pull=left", "--grant a=GPIO17,in,pull=left: "),
        ("a", "is not NAME=VALUE"),
        ("probe=i2c-1:0x48,in", "app.toml says what probe is; leave 'in' out"),
    ],
)
def test_a_grant_that_does_not_is_told_how(option, remedy):
    with pytest.raises(InputError, match=r"--grant") as told:
        granted(ROOM, [option])
    assert remedy in str(told.value)


def test_a_project_keeps_its_grants_and_gets_more():
    found, plain = granted(ROOM, ["probe=i2c-1:0x48", "lamp=GPIO17,out"])
    assert list(found) == ["probe", "lamp"]
    assert plain == ["probe=i2c-1:0x48", "lamp=GPIO17"]


def test_the_app_of_a_project_is_never_taken_for_the_project():
    made = for_repl(ROOM, ROOM.grants)
    assert made.name == "room-repl"
    assert made.version == "1.2.3"
    assert set(made.twin) == {"interval", REPL}
    assert made.limits.log_rate == LOG_RATE
    longest = AppManifest(name="a" * 63, version="1.0.0")
    assert len(for_repl(longest, {}).name) == 63
    loud = AppManifest(name="a", version="1.0.0", limits=Limits(log_rate=5000))
    assert for_repl(loud, {}).limits.log_rate == 5000


def test_a_project_with_the_repls_own_property_is_refused():
    other = AppManifest(name="a", version="1.0.0", twin={REPL: TwinProperty(type=TwinType.STRING)})
    with pytest.raises(InputError, match=r"twin: 'skerry\.dev/repl' is the REPL's own"):
        for_repl(other, {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("21.5", ("21.5", None)),
        ("[repl 0123abcd.7 done]", ("", ("0123abcd.7", "done"))),
        ("no end[repl 0123abcd.7 done]", ("no end", ("0123abcd.7", "done"))),
        ("[repl 0123abcd.0 ready]", ("", ("0123abcd.0", "ready"))),
        ("[repl 0123abcd.7 done] he said", ("[repl 0123abcd.7 done] he said", None)),
        ("[repl ffffffff.7 done]", ("[repl ffffffff.7 done]", None)),
    ],
)
def test_only_a_marker_of_this_session_ends_an_output(text, told):
    assert split_marker(text, "0123abcd") == told


def test_desk_and_guest_mean_the_same_property():
    guest = (files("wasm_apps") / "repl" / "src" / "main.py").read_text()
    values = [
        node.value
        for node in ast.walk(ast.parse(guest))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PROPERTY"
    ]
    assert [ast.literal_eval(value) for value in values] == [REPL]


def test_a_repl_is_signed_for_a_day_and_an_app_for_good():
    parser = skerry.parser()
    assert parser.parse_args(["app", "repl", "--on", "barn"]).sign_days == 1
    assert parser.parse_args(["app", "run", "--on", "barn"]).sign_days is None
