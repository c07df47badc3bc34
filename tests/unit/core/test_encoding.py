"""Records: everything supported comes back, nothing damaged or foreign is let in, files are whole or absent."""

import dataclasses
import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from wilks import Categorical, CheckpointError, Grid, Integer, Normal, Outcome, Real, Space, Status
from wilks.core import encoding
from wilks.core.encoding import decode, encode, load, save
from wilks.core.proposal import Evaluations, Phase, Proposals
from wilks.core.result import Provenance, Step


def same(a, b):
    """Equal values of equal types, all the way down."""
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, dict):
        return (
            type(b) is dict
            and len(a) == len(b)
            and all(map(same, a.keys(), b.keys()))
            and all(map(same, a.values(), b.values()))
        )
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and a == b


SUPPORTED = [
    None,
    True,
    -7,
    10**40,
    1e-300,
    -0.0,
    math.nan,
    -math.inf,
    "text with \x00, ü and \ud800",
    "",
    b"\x00\xff",
    b"",
    [],
    (),
    {},
    [1, [2, (3.5, None)], {"a": [True]}],
    {1: "a", "1": "b", (2, "x"): "c", None: "d", 2.5: "e", False: "f"} | {Phase.MAP: "g"},
    ["l", ["a", 1]],
    np.arange(6.0).reshape(2, 3),
    np.array(3.5),
    np.empty((0, 4)),
    np.array([np.nan, np.inf]),
    np.array(["ab", "ü"]),
    np.array([b"ab", b""]),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.arange(3, dtype=">i2"),
    np.array(["2020-01-01"], dtype="datetime64[D]"),
    np.float32(1.5),
    np.int8(-3),
    np.bool_(True),
    Outcome.CONVERGED,
    Phase.AUDIT,
    Status(Outcome.STALLED, "here"),
    Step("a", "b", 3),
    Provenance({"wilks": "1"}, 1, "p", "f", (Step("a", "b"),), "serial", "now", 1.5),
    Space(a=Real(1, 2, scale="log", prior=Normal(1, 2), unit="m"), b=3.0, c=Categorical(["x", None]), d=Integer(1, 3)),
    Space(g=Grid([1.0, 2.0], prior=[1, 3], initial=2.0)),
    Grid([-1.0, 2.0, 2.5], unit="m"),
    Proposals(np.arange(2), np.ones((2, 3)), np.zeros(2, dtype=np.int8), "gradient"),
    Evaluations(*[np.arange(2.0)] * 7, payloads=[None, np.ones(3)], errors={1: "why"}),
]


@pytest.mark.parametrize("value", SUPPORTED, ids=lambda v: f"{type(v).__name__}-{v!r:.30}")
def test_comes_back(value):
    assert same(decode(encode(value)), value)


def test_arrays_that_are_not_contiguous_come_back():
    value = np.arange(24.0).reshape(4, 6)
    for view in (value[::2, 1::3], value.T, np.asfortranarray(value)):
        np.testing.assert_array_equal(decode(encode(view)), view)


def test_arrays_that_come_back_can_be_written_to():
    again = decode(encode({"x": np.zeros(3)}))
    again["x"][0] = 1.0


def test_scipy_priors_come_back():
    space = Space(x=Real(0, 1, prior=stats.beta(2, b=5)), y=Real(0, 9, prior=stats.gamma(2.0, scale=0.5)))
    again = decode(encode(space))
    assert again == space
    assert again.log_prior([0.3, 1.0]) == space.log_prior([0.3, 1.0])


@pytest.mark.parametrize("seed", [1, [3, 4], np.random.SeedSequence(5, spawn_key=(1, 2))], ids=repr)
def test_a_generator_continues(seed):
    generator = np.random.default_rng(seed)
    generator.standard_normal(7)
    generator.integers(0, 10, 3, dtype=np.int32)  # half of a 64-bit number waits for the next draw
    generator.spawn(2)
    again = decode(encode({"state": [generator]}))["state"][0]
    for each in (lambda g: g.integers(0, 1000, 3, dtype=np.int32), lambda g: g.random(5), lambda g: g.normal(size=4)):
        np.testing.assert_array_equal(each(again), each(generator))
    np.testing.assert_array_equal(*(g.spawn(1)[0].random(3) for g in (again, generator)))


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64])
def test_a_generator_of_another_kind_is_refused(kind):
    with pytest.raises(TypeError, match=rf"with the bit generator {kind.__name__} cannot be saved; make it with numpy"):
        encode(np.random.Generator(kind(1)))


def test_a_long_even_grid_takes_no_room():
    grid = Grid(np.linspace(0, 1, 10**6), label="x", initial=0.0)
    record = encode(Space(g=grid))
    assert len(record) < 1000
    assert decode(record)["g"] == grid


def test_a_grid_that_kept_its_values_in_a_tuple_comes_back():
    fields = {"prior": ["t", [0.25, 0.75]], "unit": "m", "label": "", "initial": 2.5, "values": ["t", [1.0, 2.5]]}
    again = decode(forged(["o", "wilks.core.parameter", "Grid", fields]))
    assert again == Grid([1.0, 2.5], prior=[1, 3], unit="m", initial=2.5)
    assert again.encode(2.5) == 2.5


class Foreign:
    """Something that is not of wilks."""


@dataclasses.dataclass
class ForeignData:
    x: int = 1


@pytest.mark.parametrize(
    "value",
    [
        Foreign(),
        ForeignData(),
        {1, 2},
        len,
        np.array([object()]),
        np.zeros(2, dtype=[("a", float)]),
        np.array(["long text"], dtype=np.dtypes.StringDType()),
        np.ma.masked_array([1.0, 2.0], [True, False]),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_cannot_be_saved_is_refused(value):
    with pytest.raises(TypeError, match="cannot be saved"):
        encode({"deep": [value]})


def test_damage_of_any_byte_is_detected():
    record = encode({"x": np.arange(3.0), "y": "text"})
    for position in range(len(record)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(record)
            damaged[position] ^= flip
            with pytest.raises(CheckpointError):
                decode(bytes(damaged))


def test_cutting_off_is_detected():
    record = encode({"x": np.arange(3.0)})
    for length in range(len(record)):
        with pytest.raises(CheckpointError):
            decode(record[:length])


def forged(tree):
    header = json.dumps(tree).encode()
    length = struct.pack("<Q", len(header))
    return b"WILKS\x01\r\n" + struct.pack("<I", zlib.crc32(length + header)) + length + header


def test_the_forgery_of_these_tests_is_accepted_when_it_is_harmless():
    assert decode(forged(["l", [1, 2]])) == [1, 2]


@pytest.mark.parametrize(
    "tree",
    [
        ["o", "subprocess", "Popen", {}],
        ["o", "tests.unit.core.test_encoding", "ForeignData", {}],
        ["o", "wilks_of_another", "Thing", {}],
        ["o", "wilks.core.encoding", "Path", {}],
        ["o", "wilks.core.encoding", "dataclasses.field", {}],
        ["o", "wilks.core.space", "Space", {}],
        ["o", "wilks.core.result", "NoSuchThing", {}],
        ["o", "wilks.no_such_module", "Thing", {}],
        ["e", "wilks.core.encoding", "Path", "home"],
        ["e", "wilks.core.encoding", "Enum", "x"],
        ["e", "wilks.core.status", "Outcome", "NO_SUCH_OUTCOME"],
        ["e", "wilks.core.status", "Outcome", "__class__"],
        ["e", "http", "HTTPStatus", "OK"],
        ["no such kind", 1, 2, 3],
    ],
    ids=repr,
)
def test_foreign_classes_are_refused(tree):
    with pytest.raises(CheckpointError, match="the record"):
        decode(forged(tree))


def test_a_record_of_an_older_version_gets_the_defaults_of_new_fields():
    made = decode(
        forged(["o", "wilks.core.status", "Status", {"outcome": ["e", "wilks.core.status", "Outcome", "STALLED"]}])
    )
    assert made == Status(Outcome.STALLED)


def test_save_and_load(tmp_path):
    path = tmp_path / "new" / "folder" / "value.wilks"
    save({"x": 1}, path)
    assert load(str(path)) == {"x": 1}
    save({"x": 2}, path)
    assert load(path) == {"x": 2}
    assert [p.name for p in path.parent.iterdir()] == ["value.wilks"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "value.wilks"
    save({"x": 1}, path)

    def full_disk(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(CheckpointError, match=r"value.wilks: cannot be written: No space left on device"):
        save({"x": 2}, path)
    assert load(path) == {"x": 1}
    with pytest.raises(TypeError):
        save({"x": len}, path)
    assert load(path) == {"x": 1}


def test_errors_name_the_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"absent: cannot be read: No such file"):
        load(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "other").write_text("something else")
    with pytest.raises(CheckpointError, match=r"other: not a wilks record: the first bytes are wrong"):
        load(tmp_path / "other")
    (tmp_path / "empty").touch()
    with pytest.raises(CheckpointError, match=r"empty: not a wilks record"):
        load(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        save(1, tmp_path / "file" / "below")


def test_magic_is_not_text():
    assert encoding._MAGIC.endswith(b"\r\n"), "a transfer that translates line ends must break the record at once"
