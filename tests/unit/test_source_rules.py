"""Rules about the source itself that no linter knows: sizes, duplicates, and what is said where.

A rule takes all source files and returns one line of text per violation. Each rule is run on src/wilks, and on
planted code that it must refuse and planted code that it must accept: a check that cannot fail checks nothing.
"""

import ast
import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "wilks"

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_PARAMETERS = 8
COMMON_KEYWORDS = {"executor", "log", "seed", "stop", "callbacks", "throw"}

# Bodies below both limits, such as a property that returns a field, may be equal by chance.
MIN_DUPLICATE_STATEMENTS = 4
MIN_DUPLICATE_NODES = 60

VAGUE_CLASS_NAMES = re.compile(r"(Manager|Handler|Helper|Wrapper|Engine|Util|Utils)$")
APPLICATION_WORDS = re.compile(r"xpcs|homodyne|photon[ _-]correlation", re.IGNORECASE)
UNFINISHED_OR_HISTORY = [
    re.compile(r"\b(TODO|FIXME|XXX|HACK|WIP)\b"),
    re.compile(r"\bissues? #?\d+|\b(PR|pull request) #?\d+|\bfix(es|ed)? #\d+", re.IGNORECASE),
    re.compile(r"\bv\d+\.\d+\.\d+\b"),  # the history of a line is in git
    re.compile(r"\bsessions?\b", re.IGNORECASE),
    re.compile(r"(?<![\w.])/(home|root|tmp|Users)/"),  # a path of one machine
]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file: its path relative to src/wilks, with forward slashes, and its text."""

    path: str
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text)))

    def functions(self) -> Iterator[Function]:
        for node in self.nodes:
            if isinstance(node, Function):
                yield node

    def within(self, *folders: str) -> bool:
        return self.path.split("/")[0] in folders

    def at(self, node: ast.stmt | ast.expr | ast.excepthandler) -> str:
        return f"{self.path}:{node.lineno}"


def module_length(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        n_lines = len(source.text.splitlines())
        if n_lines > MAX_MODULE_LINES:
            yield f"{source.path}: {n_lines} lines, the limit is {MAX_MODULE_LINES}"


def function_length(sources: list[Source]) -> Iterator[str]:
    """From `def` to the last line, docstring included."""
    for source in sources:
        for function in source.functions():
            n_lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if n_lines > MAX_FUNCTION_LINES:
                yield f"{source.at(function)}: {function.name} has {n_lines} lines, the limit is {MAX_FUNCTION_LINES}"


def parameters(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.within("facades"):  # their signatures are those of another package
            continue
        for function in source.functions():
            arguments = function.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            names = [argument.arg for argument in every if argument is not None]
            counted = [name for name in names if name not in COMMON_KEYWORDS | {"self", "cls"}]
            if len(counted) > MAX_PARAMETERS:
                yield (
                    f"{source.at(function)}: {function.name} has {len(counted)} parameters, the limit is "
                    f"{MAX_PARAMETERS}: {', '.join(counted)}"
                )


def duplicate_bodies(sources: list[Source]) -> Iterator[str]:
    places = defaultdict(list)
    for source in sources:
        for function in source.functions():
            body = function.body
            if ast.get_docstring(function) is not None:
                body = body[1:]
            nodes = [node for statement in body for node in ast.walk(statement)]
            n_statements = sum(isinstance(node, ast.stmt) for node in nodes)
            if n_statements >= MIN_DUPLICATE_STATEMENTS or len(nodes) >= MIN_DUPLICATE_NODES:
                places[tuple(map(ast.dump, body))].append(f"{source.at(function)} {function.name}")
    for where in places.values():
        if len(where) > 1:
            yield f"the same function body in {', '.join(where)}"


def printing(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.within("cli"):
            continue
        for node in source.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"{source.at(node)}: print outside cli"


def exiting(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.within("cli"):
            continue
        for node in source.nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit"):
                yield f"{source.at(node)}: {ast.unparse(node.func)} outside cli"
            if isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc).startswith("SystemExit"):
                yield f"{source.at(node)}: raises SystemExit outside cli"


def broad_except(sources: list[Source]) -> Iterator[str]:
    broad = ("Exception", "BaseException")
    for source in sources:
        if source.within("evaluation"):  # around the user's function, where a failure is data
            continue
        for node in source.nodes:
            caught: list[ast.expr | None] = []
            if isinstance(node, ast.ExceptHandler):
                caught = list(node.type.elts) if isinstance(node.type, ast.Tuple) else [node.type]
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("suppress", "contextlib.suppress"):
                caught = list(node.args)
            if any(each is None or ast.unparse(each) in broad for each in caught):
                yield f"{source.path}:{getattr(node, 'lineno', 0)}: catches every exception, outside evaluation"


def not_implemented(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.Name) and node.id == "NotImplementedError":
                yield f"{source.at(node)}: NotImplementedError; leave out what does not exist"


def class_names(sources: list[Source]) -> Iterator[str]:
    for source in sources:
        if source.within("facades"):  # their names are those of another package
            continue
        for node in source.nodes:
            if isinstance(node, ast.ClassDef) and VAGUE_CLASS_NAMES.search(node.name):
                yield f"{source.at(node)}: class {node.name}; a name should say what the thing is"


def unfinished_or_history(sources: list[Source]) -> Iterator[str]:
    yield from _lines_with(UNFINISHED_OR_HISTORY, sources)


def application_words(sources: list[Source]) -> Iterator[str]:
    """The general parts know nothing of the application; only its own folder, its facade and the entrances do."""
    general = [s for s in sources if not s.within("xpcs", "facades", "cli") and s.path != "__init__.py"]
    yield from _lines_with([APPLICATION_WORDS], general)


def _lines_with(patterns: list[re.Pattern[str]], sources: list[Source]) -> Iterator[str]:
    for source in sources:
        for number, line in enumerate(source.text.splitlines(), start=1):
            found = next(filter(None, (pattern.search(line) for pattern in patterns)), None)
            if found:
                yield f"{source.path}:{number}: {found.group()!r} in: {line.strip()}"


Rule = Callable[[list[Source]], Iterator[str]]
RULES: list[Rule] = [
    module_length,
    function_length,
    parameters,
    duplicate_bodies,
    printing,
    exiting,
    broad_except,
    not_implemented,
    class_names,
    unfinished_or_history,
    application_words,
]


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))]


def test_there_is_something_to_check(sources):
    assert {"__init__.py", "core/errors.py"} <= {source.path for source in sources}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_source_keeps(rule, sources):
    violations = list(rule(sources))
    assert not violations, "\n" + "\n".join(violations)


def _planted(*files: tuple[str, str]) -> list[Source]:
    return [Source(path, textwrap.dedent(text)) for path, text in files]


def _lines(count: int) -> str:
    return "\n".join(f"    x{number} = {number}" for number in range(count))


FOUR_STATEMENTS = "def {name}(a):\n    {doc}\n    b = a + 1\n    c = b * 2\n    d = c - b\n    return d\n"
ONE_LONG_STATEMENT = "def {name}(a):\n    return " + " + ".join(f"a[{i}] * a[{i + 1}]" for i in range(12)) + "\n"

BAD = [
    (module_length, [("core/a.py", "x = 1\n" * 401)]),
    (function_length, [("core/a.py", "def f():\n" + _lines(80))]),
    (function_length, [("core/a.py", "class A:\n  async def f(self):\n" + _lines(80))]),
    (parameters, [("core/a.py", "def f(a, b, /, c, d, *e, f, g, h, **i): ...")]),
    (parameters, [("verbs/a.py", "class A:\n    def f(self, a, b, c, d, e, f, g, h, i, seed): ...")]),
    (
        duplicate_bodies,
        [
            ("core/a.py", FOUR_STATEMENTS.format(name="f", doc='"""One."""')),
            ("loop/b.py", FOUR_STATEMENTS.format(name="g", doc='"""Two."""')),
        ],
    ),
    (duplicate_bodies, [("core/a.py", ONE_LONG_STATEMENT.format(name="f") + ONE_LONG_STATEMENT.format(name="g"))]),
    (printing, [("core/a.py", "def f():\n    print('x')")]),
    (exiting, [("evaluation/mpi.py", "import sys\nsys.exit(1)")]),
    (exiting, [("loop/a.py", "raise SystemExit(1)")]),
    (broad_except, [("loop/a.py", "try:\n    f()\nexcept Exception:\n    raise")]),
    (broad_except, [("loop/a.py", "try:\n    f()\nexcept (ValueError, BaseException) as e:\n    raise")]),
    (broad_except, [("loop/a.py", "try:\n    f()\nexcept:\n    raise")]),
    (broad_except, [("loop/a.py", "with contextlib.suppress(Exception):\n    f()")]),
    (not_implemented, [("core/a.py", "def f():\n    raise NotImplementedError")]),
    (not_implemented, [("core/a.py", "def f():\n    raise NotImplementedError('later')")]),
    (class_names, [("store/a.py", "class RunManager: ...")]),
    (unfinished_or_history, [("core/a.py", "x = 1  # TODO: later")]),
    (unfinished_or_history, [("core/a.py", "# FIXME\nx = 1")]),
    (unfinished_or_history, [("core/a.py", '"""Made for issue #12."""')]),
    (unfinished_or_history, [("core/a.py", '"""Since v2.9.0 this is faster."""')]),
    (unfinished_or_history, [("core/a.py", "# Written in the last session.")]),
    (unfinished_or_history, [("core/a.py", "path = '/home/someone/data'")]),
    (application_words, [("core/a.py", '"""Made for XPCS."""')]),
    (application_words, [("samplers/a.py", "homodyne = 1")]),
]

GOOD = [
    (module_length, [("core/a.py", "x = 1\n" * 400)]),
    (function_length, [("core/a.py", "def f():\n" + _lines(79))]),
    (parameters, [("a.py", "def f(a, b, c, d, e, f, g, h, *, executor, log, seed, stop, callbacks, throw): ...")]),
    (parameters, [("facades/a.py", "def f(a, b, c, d, e, f, g, h, i, j): ...")]),
    (duplicate_bodies, [("core/a.py", "def f(a):\n    return a.x\ndef g(a):\n    return a.x\n")]),
    (duplicate_bodies, [("core/a.py", FOUR_STATEMENTS.format(name="f", doc='"""One."""'))]),
    (printing, [("cli/a.py", "print('x')")]),
    (printing, [("core/a.py", "def f(console):\n    console.print('x')\n    blueprint()")]),
    (exiting, [("cli/a.py", "import sys\nsys.exit(1)")]),
    (exiting, [("evaluation/a.py", "try:\n    f()\nexcept SystemExit:\n    pass\nraise")]),
    (broad_except, [("evaluation/a.py", "try:\n    f()\nexcept Exception:\n    raise")]),
    (broad_except, [("loop/a.py", "try:\n    f()\nexcept (ValueError, OSError):\n    raise")]),
    (not_implemented, [("core/a.py", "def __eq__(self, other):\n    return NotImplemented")]),
    (class_names, [("store/a.py", "class RunFile: ...")]),
    (unfinished_or_history, [("core/a.py", "# Obsession with the possession of issues; version 1.2 of the format.")]),
    (application_words, [("xpcs/a.py", '"""XPCS."""'), ("cli/a.py", "xpcs = 1"), ("__init__.py", "xpcs = 1")]),
]


@pytest.mark.parametrize(("rule", "files"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_rule_refuses(rule, files):
    assert list(rule(_planted(*files)))


@pytest.mark.parametrize(("rule", "files"), GOOD, ids=lambda value: getattr(value, "__name__", ""))
def test_rule_accepts(rule, files):
    assert not list(rule(_planted(*files)))


def test_every_rule_is_itself_tested():
    assert {rule for rule, _ in BAD} == {rule for rule, _ in GOOD} == set(RULES)
