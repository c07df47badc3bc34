from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wilks
from wilks.store.document import dump, parse, shorten, value_of

PATH = Path("config.yaml")


def parsed(text):
    return parse(text, PATH)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-8", 1e-8),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("3.", 3.0),
        (".inf", float("inf")),
        ("-.inf", -float("inf")),
        ("7", 7),
        ("-7", -7),
        ("1_000", 1000),
        ("010", 10),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("2020-01-01", "2020-01-01"),
        ("12:30", "12:30"),
        ("1e", "1e"),
        ("e5", "e5"),
        ('"1e-8"', "1e-8"),
        ("~", None),
        ("", None),
        ("null", None),
    ],
)
def test_scalars(text, value):
    found = parsed(f"a: {text}\n").data["a"]
    assert found == value
    assert type(found) is type(value)
    assert value_of(text, "--set a") == value


def test_lines_of_keys_and_entries():
    document = parsed("a: 1\n\nb:\n  - x\n  -\n    c: 2\n")
    assert document.data == {"a": 1, "b": ["x", {"c": 2}]}
    assert document.lines == {(): 1, ("a",): 1, ("b",): 3, ("b", 0): 4, ("b", 1): 6, ("b", 1, "c"): 6}
    assert document.where(("b", 1, "c", "deeper", 3)) == "config.yaml:6"


def test_an_empty_file_is_an_empty_mapping():
    assert parsed("# nothing\n").data == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\na: 2\nb: {c: 1, c: 2}\n",
            (
                "config.yaml:2: a: this key is there twice, the first time in line 1\n"
                "config.yaml:3: b.c: this key is there twice, the first time in line 3"
            ),
        ),
        ("a: 1\nb: c: d\n", "config.yaml:2: not valid YAML: mapping values are not allowed here"),
        (
            "a:\n\t- b\n",
            (
                "config.yaml:2: not valid YAML: while scanning for the next token, found character '\\t' that "
                "cannot start any token"
            ),
        ),
        ("- a\n", "config.yaml:1: expected a mapping (key: value), got a list of length 1"),
        ("1: a\n", "config.yaml:1: expected text as a key, got 1; put it in quotes"),
        ("a: &x [*x]\n", "config.yaml:1: a.0: refers to itself"),
        ("a: !!int foo\n", "config.yaml:1: a: not valid YAML: 'foo' is no int"),
        ("a: !thing {b: 1}\n", "config.yaml:1: a: the tag '!thing' is not accepted here"),
        (
            "a: 1\n---\nb: 1\n",
            ("config.yaml:2: not valid YAML: expected a single document in the stream, but found another document"),
        ),
    ],
)
def test_refused(text, message):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        parsed(text)
    assert str(error.value) == message


def test_no_code_is_run():
    with pytest.raises(wilks.InvalidConfigurationError, match="could not determine a constructor"):
        parsed("a: !!python/object/apply:os.getcwd []\nb: !!python/name:os.getcwd\n")


TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


@given(st.dictionaries(TEXT, VALUES))
def test_dump_is_read_back(data):
    assert parsed(dump(data)).data == data


@given(
    st.sampled_from(["1e-8", "yes", "no", "null", "~", "010", "1_0", ".inf", "true", "2020-01-01", "1:30", "=", "<<"])
)
def test_dump_quotes_what_would_be_read_as_something_else(text):
    assert parsed(dump({"a": text, "b": [text]})).data == {"a": text, "b": [text]}


def test_put():
    document = parsed("a: {b: 1}\nc: [1, 2]\n")
    document.put(("a", "b"), 2, "--set a.b=2")
    document.put(("new", "deep"), 3, "--set new.deep=3")
    document.put(("c", 2), 9, "--set c.2=9")
    assert document.data == {"a": {"b": 2}, "c": [1, 2, 9], "new": {"deep": 3}}
    assert document.where(("a", "b")) == "--set a.b=2"
    assert document.where(("a",)) == "config.yaml:1"


def test_put_below_a_key_without_content():
    document = parsed("a:\n  start: null\n")
    document.put(("a", "start", "x"), 1, "--start x=1")
    assert document.data == {"a": {"start": {"x": 1}}}
    assert document.where(("a", "start", "x")) == "--start x=1"


def test_put_begins_a_list():
    document = parsed("a:\n  b: null\n")
    document.put(("a", "b", 0), 1, "--set")
    document.put(("new", 0), {"over": ["x"]}, "--set")
    assert document.data == {"a": {"b": [1]}, "new": [{"over": ["x"]}]}
    assert document.where(("new", 0, "over")) == document.where(("new",)) == "--set"
    with pytest.raises(wilks.InvalidConfigurationError, match="other has 0 entries, counted from 0; got 1"):
        document.put(("other", 1), 1, "--set")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("c", 5), "--set: c has 2 entries, counted from 0; got 5"),
        (("c", 5, "x"), "--set: c has 2 entries, counted from 0; got 5"),
        (("c", "x"), "--set: c is a list, expected a number, got 'x'"),
        (("a", "b", "x"), "--set: a.b is 1, which has no entries, got 'x'"),
    ],
)
def test_put_where_there_is_no_place(place, message):
    with pytest.raises(wilks.InvalidConfigurationError) as error:
        parsed("a: {b: 1}\nc: [1, 2]\n").put(place, 0, "--set")
    assert str(error.value) == message


def test_shorten():
    assert shorten("x" * 100).endswith("...")
    assert len(shorten("x" * 100)) == 60
    assert shorten(True) == "true"
    assert shorten(None) == "nothing"
