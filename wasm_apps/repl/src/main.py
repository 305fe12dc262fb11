"""The guest of `skerry app repl`: executes the lines that come as a twin value, and says when it has.

A value is `ID:SOURCE`. The value that is there at the start was for whoever ran before. What is
printed goes to the log as of any app; `[repl ID ready]` at the start and `[repl ID done]` after a
line are for the desk, which also hears of the latter as the value in force: a log may lose lines.
"""

import io
import sys

import skerry

PROPERTY = "skerry.dev/repl"


def _asked() -> tuple[str, str]:
    name, _, source = skerry.twin[PROPERTY].partition(":")
    return name, source


def _show(fault: BaseException) -> None:
    """A traceback without the lines that are ours."""
    text = io.StringIO()
    sys.print_exception(fault, text)  # type: ignore[attr-defined]  # MicroPython's alone
    for line in text.getvalue().rstrip().split("\n"):
        if 'File "/app/main.py"' not in line:
            print(line)


def _execute(source: str, names: dict[str, object]) -> None:
    try:
        exec(compile(source + "\n", "<stdin>", "single"), names)
    except SystemExit:
        raise
    except BaseException as fault:  # noqa: BLE001 - whatever it is, the next line can be typed
        _show(fault)


def _serve() -> None:
    names: dict[str, object] = {"__name__": "__main__", "skerry": skerry}
    done, _ = _asked()
    print(f"[repl {done} ready]")
    while True:
        event = skerry.wait()
        if event.type == skerry.STOP:
            return
        name, source = _asked()
        if name != done:
            done = name
            _execute(source, names)
            # On the line that a print(end="") left unfinished, which would else not be told.
            print(f"[repl {name} done]")
            skerry.twin.report(PROPERTY, name)


_serve()
