"""The progress line: silent where nobody looks, one line in a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import wilks
from wilks.loop.stopping import RunInfo


def test_silent_without_a_terminal(capsys):
    progress = wilks.Progress()
    progress(RunInfo("fit", 10, 0, -1.0, 100.0))
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_one_line_in_a_terminal():
    code = """
import sys, time
import wilks
from wilks.loop.stopping import RunInfo
progress = wilks.Progress()
progress(RunInfo("quick", 1, 0, -1.0, 0.5))
for n in range(3):
    progress(RunInfo("fit of hill", 1000 + n, 2, -12.5 + n, 2.0, "ascents", n / 3))
    time.sleep(0.3)
progress(RunInfo("fit of hill", 2000, 0, float("-inf"), 2.0, n_violated=7))
progress.close()
progress.close()
"""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(Path(wilks.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=follower, env=environment, check=True
    )
    os.close(follower)
    shown = b""
    try:
        while chunk := os.read(leader, 65536):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    text = shown.decode()
    assert done.stdout == b""
    assert "fit of hill: ascents" in text
    assert "1002 evaluations, 2 failed, best -10.5" in text
    assert "2000 evaluations, 7 outside the constraints, no finite value yet" in text
    assert "quick" not in text
