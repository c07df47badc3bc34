import io

from wilks.cli.terminal import Terminal, counted
from wilks.core.table import Table

TABLE = Table("Best [fit]", ("parameter", "value"), (("a", "1.5"), ("[b]", "2")), "A note.")


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_text_outside_a_terminal():
    stream = io.StringIO()
    terminal = Terminal(stream=stream)
    terminal.heading("[1/2] fit")
    terminal.table(TABLE)
    assert stream.getvalue() == f"\n[1/2] fit\n{TABLE.text()}\n"


def test_a_terminal_gets_the_same_words():
    stream = FakeTerminal()
    terminal = Terminal(stream=stream)
    terminal.heading("[1/2] fit")
    terminal.table(TABLE)
    for word in ("[1/2] fit", "Best [fit]", "parameter", "1.5", "[b]", "A note."):
        assert word in stream.getvalue()


def test_quiet():
    stream = io.StringIO()
    terminal = Terminal(quiet=True, stream=stream)
    terminal.line("x")
    terminal.heading("x")
    terminal.table(TABLE)
    assert not stream.getvalue()


def test_counted():
    assert [counted(n, "stage") for n in (0, 1, 2000)] == ["0 stages", "1 stage", "2,000 stages"]


def test_a_terminal_breaks_lines_between_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = FakeTerminal()
    Terminal(stream=stream).line("twelve cells were optimised again\n\nfrom scratch")
    assert stream.getvalue() == "twelve cells were\noptimised again\n\nfrom scratch\n"
