"""Signals act where they may, and are kept where they must not."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from wilks.loop.interrupts import InterruptGate


def send(number=signal.SIGINT):
    os.kill(os.getpid(), number)


def test_closed_gate_keeps_and_open_gate_lets_through():
    reached = []
    with InterruptGate() as gate:
        send()
        reached.append("after the signal")
        with pytest.raises(KeyboardInterrupt), gate.open():
            reached.append("never")
        gate.check()
        with pytest.raises(KeyboardInterrupt), gate.open():
            send()
        with gate.open():
            reached.append("open again")
        send()
        with pytest.raises(KeyboardInterrupt):
            gate.check()
    assert reached == ["after the signal", "open again"]


def test_a_signal_that_is_kept_to_the_end_acts_at_the_end():
    with pytest.raises(KeyboardInterrupt), InterruptGate():
        send()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_the_program_are_called():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with InterruptGate() as gate:
            send(signal.SIGTERM)
            assert seen == []
            with gate.open():
                assert seen == [signal.SIGTERM]
                send(signal.SIGTERM)
            assert seen == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with InterruptGate() as gate, gate.open():
            send()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_gates_within_each_other():
    with InterruptGate() as outer, outer.open():
        with InterruptGate() as inner:
            send()
            with pytest.raises(KeyboardInterrupt), inner.open():
                pass
        with pytest.raises(KeyboardInterrupt):
            send()


def test_other_threads_leave_the_handlers_alone():
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def body():
        with InterruptGate() as gate, gate.open():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("part", ["open", "closed"])
def test_sigterm_ends_the_run_in_good_order_and_then_the_process(part):
    code = f"""
import os, signal
from wilks.loop.interrupts import InterruptGate
with InterruptGate() as gate:
    try:
        if {part == "open"}:
            with gate.open():
                os.kill(os.getpid(), signal.SIGTERM)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        pass
    print("saved", flush=True)
print("never")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "saved\n", "")
