"""What is done in an undisturbed lock is done as a whole, whenever the signal comes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from orch_nb.execution.undisturbed import UndisturbedLock, put_off_interrupt


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        if not put_off_interrupt():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def test_an_interrupt_comes_when_the_outermost_lock_is_left() -> None:
    done: list[str] = []
    outer, inner = UndisturbedLock(), UndisturbedLock()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with outer:
            with inner:
                interrupt()
                done.append("inner")
            done.append("outer")
        done.append("after")
    assert done == ["inner", "outer"]
    with outer:
        done.append("again")  # it was told once
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_another_thread_s_lock_is_no_reason_to_wait() -> None:
    lock, held, over = UndisturbedLock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("after", [0.0002, 0.001, 0.003])
def test_nothing_is_half_done_whenever_it_comes(after: float) -> None:
    lock = UndisturbedLock()
    begun = ended = 0
    old = signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGUSR1))
    try:
        for _ in range(100):
            with pytest.raises(KeyboardInterrupt):  # noqa: PT012
                signal.setitimer(signal.ITIMER_REAL, after)  # it may come at once
                while True:
                    with lock:
                        begun += 1
                        sum(range(20))
                        ended += 1
            assert begun == ended
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
