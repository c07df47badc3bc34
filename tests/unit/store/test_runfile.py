"""The run file under kills, full disks, other readers and writers, and damage."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.store.examples import assert_same, make_evaluations, make_problem, names_in
from wilks.core.encoding import decode, encode
from wilks.core.errors import CheckpointError
from wilks.store import schema
from wilks.store.log import EvaluationLog

ROOT = Path(__file__).parents[3]
COMMON = "from tests.unit.store.examples import *\nfrom wilks.store.log import EvaluationLog\nimport os, sys, time\n"


def start(script: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """Run a script in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", COMMON + textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.sqlite"


@pytest.fixture
def filled(path):
    """A closed run file with 3000 rows in 30 commits, and a checkpoint after 20."""
    with EvaluationLog(path) as log:
        log.bind(make_problem())
        stage = log.stage("s", "S")
        for number in range(30):
            stage.commit(make_evaluations(100 * number, 100), encode({"n": 2000}) if number == 19 else None)
    return path


@contextlib.contextmanager
def unprivileged():
    """Permissions count within this, also when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_folder():
    """A folder that everybody may enter and read, and only its owner, if root, may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        folder.chmod(0o755)


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


COMMIT_FOR_EVER = """
from wilks.core.encoding import decode, encode
import random
log = EvaluationLog(sys.argv[1])
log.bind(make_problem())
stage = log.stage("s", "S")
state, redo, finished = stage.resume()
known = 0 if state is None else decode(state)["n"]
n = known + (0 if redo is None else len(redo))
assert n == stage.n_evaluations == len(log), (n, stage.n_evaluations)
print(n, known, flush=True)
random.seed(n)
while True:
    size = random.choice([1, 3, 50, 4000])
    checkpoint = random.random() < 0.3
    known = n + size if checkpoint else known
    stage.commit(make_evaluations(n, size, payloads=True), encode({"n": known}) if checkpoint else None)
    n += size
    print(n, known, flush=True)
"""


def test_nothing_acknowledged_is_lost_to_sigkill(path):
    generator = random.Random(1)
    n_before = 0
    for _ in range(8):
        process = start(COMMIT_FOR_EVER, path)
        first = process.stdout.readline()
        assert first, process.stderr.read()
        assert int(first.split()[0]) >= n_before
        time.sleep(generator.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        lines = [first, *process.communicate()[0].splitlines()]
        acknowledged, known = map(int, next(line for line in reversed(lines) if len(line.split()) == 2).split())
        with EvaluationLog(path, read_only=True) as log:
            arrays = log.arrays()
            n_before = len(log)
            assert n_before >= acknowledged
            np.testing.assert_array_equal(arrays["thetas"], make_evaluations(0, n_before).thetas)
            state, redo, _ = log.stage("s", "S").resume()
            covered = 0 if state is None else decode(state)["n"]
            assert covered >= known
            if covered < n_before:
                expected = make_evaluations(covered, n_before - covered, payloads=True)
                assert redo.errors.items() <= expected.errors.items()  # texts are kept of the first 1000 only
                assert_same(redo, replace(expected, errors=redo.errors))
            else:
                assert redo is None
        assert integrity(path) == "ok"
    assert n_before > 1000


def test_the_lock_of_a_killed_writer_does_not_block(path):
    script = """
    log = EvaluationLog(sys.argv[1])
    log.bind(make_problem())
    if not os.fork():
        print("ready", flush=True)
    time.sleep(60)  # the forked child outlives its parent, as the workers of a pool do
    """
    process = start(script, path, start_new_session=True)
    try:
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert path.with_name("run.sqlite.lock").exists()
        with EvaluationLog(path) as log:
            log.bind(make_problem())
        assert names_in(path.parent) == ["run.sqlite"]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_second_writer_is_refused(path):
    script = """
    log = EvaluationLog(sys.argv[1])
    log.bind(make_problem())
    print("ready", flush=True)
    sys.stdin.read()
    """
    process = start(script, path, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    with pytest.raises(CheckpointError, match=rf"run\.sqlite: process {process.pid} is writing this run file; wait"):
        EvaluationLog(path)
    with EvaluationLog(path, read_only=True) as log:
        assert len(log) == 0
    process.communicate("")
    assert process.returncode == 0
    EvaluationLog(path).close()


def test_a_second_writer_in_the_same_process_is_refused(path):
    with EvaluationLog(path), pytest.raises(CheckpointError, match="already open for writing in this process; share"):
        EvaluationLog(path)
    EvaluationLog(path).close()


def test_a_forked_child_leaves_the_log_alone(path):
    script = """
    log = EvaluationLog(sys.argv[1])
    log.bind(make_problem())
    stage = log.stage("s", "S")
    child = os.fork()
    if not child:
        try:
            stage.commit(make_evaluations(0, 1))
        except OSError as error:
            print(error, flush=True)
        log.close()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    stage.commit(make_evaluations(0, 5))
    """
    process = start(script, path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "was opened by process" in out
    with EvaluationLog(path) as log:
        assert len(log) == 5


def test_reading_while_another_process_writes(path):
    process = start(COMMIT_FOR_EVER, path)
    assert process.stdout.readline(), process.stderr.read()
    drain = threading.Thread(target=process.stdout.read)
    drain.start()
    seen = []
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        with EvaluationLog(path, read_only=True) as log:
            n = len(log)
            assert sum(stage.n_evaluations for stage in log.stages()) >= n
            rows = log.arrays()["thetas"]
            assert len(rows) >= n
            np.testing.assert_array_equal(rows, make_evaluations(0, len(rows)).thetas)
            assert log.best() is None or log.best()[1] == 0.0
            seen.append(len(rows))
        time.sleep(0.02)
    process.kill()
    drain.join()
    process.communicate()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_a_reader_does_not_stop_the_writer(filled):
    with EvaluationLog(filled) as writer, EvaluationLog(filled, read_only=True) as reader:
        blocks = reader.iter_batches()
        next(blocks)
        stage = writer.stage("s", "S")
        for number in range(30, 50):
            stage.commit(make_evaluations(100 * number, 100), b"state")
        list(blocks)
        assert len(reader) == len(writer) == 5000


def test_a_reader_writes_nothing(filled):
    before = filled.read_bytes()
    with EvaluationLog(filled, read_only=True) as log:
        stage = log.stage("s", "another title")
        assert stage.n_evaluations == 3000
        assert len(stage.resume().redo) == 1000
        log.bind(make_problem(), seed=1)
        with pytest.raises(CheckpointError, match="opened with read_only=True and cannot be written"):
            stage.commit(make_evaluations(0, 1))
        with pytest.raises(CheckpointError, match="opened with read_only=True and cannot be written"):
            log.stage("new", "New")
    assert filled.read_bytes() == before
    assert names_in(filled.parent) == ["run.sqlite"]


def check_full_disk(log, stage, fill, release):
    """Commit until it fails; everything before is there, and after `release` the same commit succeeds."""
    n = 0
    fill()
    with pytest.raises(CheckpointError) as caught:  # noqa: PT012 - which commit fails is not known
        while n < 2_000_000:
            stage.commit(make_evaluations(n, 1000), encode({"n": n + 1000}))
            n += 1000
    assert len(log) == n
    assert decode(stage.resume().state)["n"] == n
    release()
    stage.commit(make_evaluations(n, 1000), encode({"n": n + 1000}))
    np.testing.assert_array_equal(log.arrays()["thetas"], make_evaluations(0, n + 1000).thetas)
    log.close()
    assert integrity(log.path) == "ok"
    return str(caught.value)


@pytest.fixture
def begun(path):
    with EvaluationLog(path) as log:
        log.bind(make_problem())
        stage = log.stage("s", "S")
        stage.commit(None, encode({"n": 0}))
        yield log, stage


def test_full_disk(begun):
    connection = begun[0]._backend._connection
    message = check_full_disk(
        *begun,
        lambda: connection.execute("PRAGMA max_page_count = 100"),
        lambda: connection.execute("PRAGMA max_page_count = 100000"),
    )
    assert "run.sqlite: the disk is full (" in message
    assert "everything before it is kept: free some space, then resume" in message


def test_file_size_limit(begun):
    """A limit of the system on the size of files, as under a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    message = check_full_disk(
        *begun,
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1])),
        lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before),
    )
    assert "full" in message or "quota" in message


def test_full_file_system(tmp_path):
    """A real file system of one megabyte; only root may mount it, the tests above need no rights."""
    mount = shutil.which("mount")
    small = tmp_path / "small"
    small.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        with EvaluationLog(small / "run.sqlite") as log:
            log.bind(make_problem())
            stage = log.stage("s", "S")
            stage.commit(None, encode({"n": 0}))
            ballast = small / "ballast"
            message = check_full_disk(log, stage, lambda: ballast.write_bytes(bytes(300_000)), ballast.unlink)
        assert "the disk is full (0 MB free)" in message
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        with pytest.raises(CheckpointError, match=r"full|error"):
            EvaluationLog(small / "other.sqlite").bind(make_problem())
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_an_interrupted_commit_leaves_no_trace(begun, monkeypatch):
    log, stage = begun

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("wilks.store.runfile._tally", interrupt)
        with pytest.raises(KeyboardInterrupt):
            stage.commit(make_evaluations(0, 10), b"new")
    assert len(log) == 0
    assert decode(stage.resume().state)["n"] == 0
    stage.commit(make_evaluations(0, 10))
    assert_same(stage.resume().redo, make_evaluations(0, 10))


def test_threads_may_share_a_log(begun):
    log, stage = begun
    threads = [
        threading.Thread(target=lambda: [stage.commit(make_evaluations(0, 10)) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log) == stage.n_evaluations == 800


def test_folder_that_cannot_be_written(locked_folder):
    locked_folder.chmod(0o555)
    with unprivileged():
        with pytest.raises(CheckpointError, match=r"folder .* cannot be written \(Permission denied\); use another"):
            EvaluationLog(locked_folder / "run.sqlite")
        with pytest.raises(CheckpointError, match=r"folder .*sub cannot be made \(Permission denied\)"):
            EvaluationLog(locked_folder / "sub" / "run.sqlite")


def test_reading_in_a_folder_that_cannot_be_written(locked_folder, filled):
    copy = Path(shutil.copy(filled, locked_folder / "run.sqlite"))
    copy.chmod(0o444)
    locked_folder.chmod(0o555)
    with unprivileged(), EvaluationLog(copy, read_only=True) as log:
        assert len(log) == 3000
        assert len(log.arrays()["seconds"]) == 3000


def test_file_that_cannot_be_read_or_written(locked_folder, filled):
    copy = Path(shutil.copy(filled, locked_folder / "run.sqlite"))
    copy.chmod(0o000)
    locked_folder.chmod(0o777)
    with unprivileged():
        for read_only in (True, False):
            with pytest.raises(CheckpointError, match=r"cannot be opened or written; check the permissions"):
                EvaluationLog(copy, read_only=read_only)


def test_a_file_that_cannot_be_written_is_noticed_at_once(locked_folder, filled):
    copy = Path(shutil.copy(filled, locked_folder / "run.sqlite"))
    copy.chmod(0o444)
    locked_folder.chmod(0o777)
    with unprivileged(), pytest.raises(CheckpointError, match=r"cannot be opened or written; check the permissions"):
        EvaluationLog(copy)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.sqlite: there is no such run file; check the path"):
        EvaluationLog(tmp_path / "none.sqlite", read_only=True)
    with pytest.raises(CheckpointError, match="expected a run file, found a folder"):
        EvaluationLog(tmp_path, read_only=True)
    with pytest.raises(CheckpointError, match="expected a run file, found a folder"):
        EvaluationLog(tmp_path)


@pytest.mark.parametrize("content", [b"a text file\n", b"x" * 100_000, b"SQLite format 3\x00" + b"?" * 5000])
def test_foreign_file(path, content):
    path.write_bytes(content)
    for read_only in (True, False):
        with pytest.raises(CheckpointError, match=r"run\.sqlite: (not a run file|damaged or truncated)"):
            EvaluationLog(path, read_only=read_only)
    assert path.read_bytes() == content
    assert names_in(path.parent) == ["run.sqlite"]


def test_database_of_another_program(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(CheckpointError, match="an SQLite database of another program"):
            EvaluationLog(path, read_only=read_only)
    assert path.read_bytes() == before


def test_empty_file_is_begun(path):
    path.touch()
    with pytest.raises(CheckpointError, match="the file is empty; no run was started in it yet"):
        EvaluationLog(path, read_only=True)
    with EvaluationLog(path) as log:
        log.bind(make_problem())


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_truncated_file(filled, part):
    os.truncate(filled, int(filled.stat().st_size * part))
    for read_only in (True, False):
        with pytest.raises(CheckpointError, match=r"run\.sqlite: (damaged or truncated|not a run file)"):
            EvaluationLog(filled, read_only=read_only)


def test_damaged_file_is_never_read_as_if_it_were_sound(filled):
    sound = filled.read_bytes()
    messages = []
    for page in range(len(sound) // 4096):
        changed = bytearray(sound)
        changed[4096 * page + 1000 : 4096 * page + 3000] = b"\xa5" * 2000
        filled.write_bytes(changed)
        try:
            with EvaluationLog(filled) as log:
                arrays = log.arrays()
                state, redo, _ = log.stage("s", "S").resume()
                log.failures(100)
        except CheckpointError as error:
            messages.append(str(error))
        else:  # the damage fell on bytes that nobody reads
            np.testing.assert_array_equal(arrays["thetas"], make_evaluations(0, 3000).thetas)
            assert decode(state) == {"n": 2000}
            np.testing.assert_array_equal(redo.thetas, make_evaluations(2000, 1000).thetas)
    assert len(messages) > 20
    assert all("run.sqlite: damaged or truncated" in message for message in messages), messages


def test_newer_format(filled):
    with contextlib.closing(sqlite3.connect(filled)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    for read_only in (True, False):
        with pytest.raises(CheckpointError, match=r"by a newer wilks \(run file format 2, .* knows 1\); update"):
            EvaluationLog(filled, read_only=read_only)


def test_a_program_that_holds_the_file(filled, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.1)
    with EvaluationLog(filled) as log, contextlib.closing(sqlite3.connect(filled, isolation_level=None)) as other:
        stage = log.stage("s", "S")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CheckpointError, match="locked by another program"):
            stage.commit(make_evaluations(0, 1))
        other.execute("COMMIT")
        stage.commit(make_evaluations(0, 1))


def test_the_file_says_what_it_is(filled):
    file = shutil.which("file")
    if file is not None:
        said = subprocess.run([file, "-b", filled], capture_output=True, text=True, check=True).stdout
        assert "SQLite 3.x database" in said
    assert filled.read_bytes()[68:72] == b"WLKS"
