"""A tiny test framework: a test program is a file with functions test_*, and says how each ended.

    from tests.lib import testing
    from tests.lib.testing import check, check_equal, test, wait_for

    def test_a_lost_message_only_costs_time(env): ...

    @test(serial=True, timeout=300)
    def test_the_api_server_restarts_in_the_middle(env): ...

    if __name__ == "__main__":
        testing.main(environment, threads=4)    # environment(): context manager; its value goes to every test

A test's name says the behaviour. It prints one line a test: `ok NAME (S s)`, `not ok NAME: reason` or
`skip NAME: reason`; indented lines below tell more. Tests run in the order of the file, several at a time
where `threads` allows; one marked serial has the environment to itself. A program takes `-k PATTERN`, `--list`
and `-j THREADS`, and exits 0 only if something passed or was skipped and nothing failed.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class Failed(AssertionError):
    """A test failed: what was expected, and what was there instead."""


class Skipped(Exception):
    """A test can't run here."""


def fail(text: str) -> NoReturn:
    raise Failed(text)


def skip(reason: str) -> NoReturn:
    raise Skipped(reason)


def check(condition: Any, text: str) -> None:
    if not condition:
        fail(text)


def check_equal(actual: Any, expected: Any, what: str) -> None:
    if actual != expected:
        fail(f"{what}: {show(actual)} instead of {show(expected)}")


def show(value: Any, limit: int = 2000) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr, sort_keys=True)
    return text if len(text) <= limit else text[:limit] + " …"


def wait_for(condition: Callable[[], T], what: str, deadline_s: float = 30, every_s: float = 0.1,
             explain: Callable[[], Any] | None = None) -> T:
    """Until condition() returns something true, which is returned. `what` reads after "waiting for".

    A Failed inside means "not yet", and is the reason if it never comes true. explain() adds what was there instead.
    """
    end = time.monotonic() + deadline_s
    why = ""
    while True:
        try:
            value = condition()
            if value:
                return value
            why = ""
        except Failed as e:
            why = f": {e}"
        if time.monotonic() >= end:
            break
        time.sleep(every_s)
    if explain:
        why += f"; there was {show(explain())}"
    fail(f"waited {deadline_s:g} s for {what}{why}")


def hold(condition: Callable[[], Any], what: str, for_s: float, every_s: float = 0.1) -> None:
    """condition() stays true all the time: for what must not happen."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        check(condition(), f"{what}: no longer so after {for_s - (end - time.monotonic()):.1f} s")
        time.sleep(every_s)


# ---- tests ----------------------------------------------------------------------------------------


@dataclass
class Test:
    name: str
    function: Callable[..., None]
    serial: bool = False
    timeout_s: float = 180

    @property
    def takes_environment(self) -> bool:
        return self.function.__code__.co_argcount > 0


def test(function: Callable[..., None] | None = None, *, serial: bool = False, timeout: float = 180) -> Any:
    """Decorator, needed only to say more about a test than its name."""
    def mark(f: Callable[..., None]) -> Callable[..., None]:
        f.about = {"serial": serial, "timeout_s": timeout}  # type: ignore[attr-defined]
        return f
    return mark(function) if function else mark


def add_case(namespace: dict[str, Any], name: str, function: Callable[..., None], **about: Any) -> None:
    """One more test in `namespace` (a program's globals()), made in a loop."""
    function = test(**about)(function)
    function.order = len(namespace)  # type: ignore[attr-defined]
    namespace["test_" + name] = function


def tests_of(namespace: dict[str, Any]) -> list[Test]:
    found = [(k, v) for k, v in namespace.items() if k.startswith("test_") and callable(v)]
    found.sort(key=lambda kv: (kv[1].__code__.co_firstlineno, getattr(kv[1], "order", 0)))
    return [Test(k.removeprefix("test_"), v, **getattr(v, "about", {})) for k, v in found]


def matches(name: str, pattern: str) -> bool:
    """A part of the name, or a pattern with * and ?."""
    return pattern in name or fnmatch.fnmatchcase(name, pattern)


# ---- running them ---------------------------------------------------------------------------------

_print_lock = threading.Lock()


def say(line: str, more: Iterable[str] = ()) -> None:
    with _print_lock:
        print(line, *(f"  | {m}" for m in more), sep="\n", flush=True)


def one_line(text: str, limit: int = 600) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[:limit] + " …"


def reason_of(e: BaseException) -> tuple[str, list[str]]:
    """In one line, and the whole of it where one line isn't enough."""
    text = str(e) if isinstance(e, Failed) and str(e) else f"{type(e).__name__}: {e}"
    frames = [f for f in traceback.extract_tb(e.__traceback__) if f.filename != __file__]
    where = [f"at {os.path.relpath(f.filename, ROOT)}:{f.lineno} in {f.name}" for f in frames[-4:]]
    more = text.splitlines() if "\n" in text or len(text) > 600 else []
    return one_line(text), more + where


class Run:
    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.counts = {"ok": 0, "not ok": 0, "skip": 0}
        self.hung = False

    def end(self, kind: str, name: str, rest: str, more: Iterable[str] = ()) -> None:
        with _print_lock:
            self.counts[kind] += 1
        say(f"{kind} {name}{rest}", more)

    def body(self, t: Test, result: list[BaseException | None]) -> None:
        try:
            t.function(*([self.environment] if t.takes_environment else []))
            result.append(None)
        except BaseException as e:  # a test may raise anything, SystemExit included
            result.append(e)

    def one(self, t: Test) -> None:
        """In a thread of its own, so that a hanging test doesn't stop the others."""
        result: list[BaseException | None] = []
        began = time.monotonic()
        thread = threading.Thread(target=self.body, args=(t, result), name=t.name, daemon=True)
        thread.start()
        thread.join(t.timeout_s)
        if thread.is_alive():
            self.hung = True
            stack = traceback.format_stack(sys._current_frames()[thread.ident or 0])
            self.end("not ok", t.name, f": hangs, no result in {t.timeout_s:g} s",
                     "".join(stack[-4:]).splitlines())
        elif result[0] is None:
            self.end("ok", t.name, f" ({time.monotonic() - began:.1f} s)")
        elif isinstance(result[0], Skipped):
            self.end("skip", t.name, f": {one_line(str(result[0]))}")
        else:
            reason, more = reason_of(result[0])
            self.end("not ok", t.name, f": {reason}", more)

    def all(self, tests: list[Test], threads: int) -> None:
        """Runs of tests that may be together, with the serial ones between them."""
        together: list[Test] = []
        for t in tests + [Test("", lambda: None, serial=True)]:
            if not t.serial and threads > 1:
                together.append(t)
                continue
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(self.one, together))
            together = []
            if t.name:
                self.one(t)


def on_signal(number: int, frame: Any) -> None:
    """Context managers tidy up on the way out; a second signal must not disturb them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(128 + number)


def tidy_on_signals() -> None:
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def arguments(threads: int) -> argparse.Namespace:
    p = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-k", metavar="PATTERN", default="", help="only tests with this in their name (* and ? allowed)")
    p.add_argument("-j", metavar="N", type=int, default=threads, help=f"at most N at a time ({threads})")
    p.add_argument("--list", action="store_true", help="only list the tests")
    return p.parse_args()


def main(environment: Callable[[], contextlib.AbstractContextManager[Any]] | None = None,
         threads: int = 1, namespace: dict[str, Any] | None = None) -> NoReturn:
    args = arguments(threads)
    tests = tests_of(namespace if namespace is not None else vars(sys.modules["__main__"]))
    tests = [t for t in tests if matches(t.name, args.k)]
    if args.list:
        print("\n".join(t.name for t in tests))
        sys.exit(0)
    tidy_on_signals()
    run = Run(None)
    try:
        with environment() if environment and tests else contextlib.nullcontext() as run.environment:
            run.all(tests, args.j)
    except Exception as e:  # starting or stopping what the tests share
        reason, more = reason_of(e)
        run.end("not ok", "environment", f": {reason}", more)
    except SystemExit:
        run.end("not ok", "all", ": stopped by a signal")
    sys.stdout.flush()
    # A thread that hangs must not keep the program from ending.
    os._exit(1 if run.counts["not ok"] or not sum(run.counts.values()) else 0)
