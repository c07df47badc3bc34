import pytest

from wilks.core.table import Table
from wilks.report import elements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$H_0$ [km/s/Mpc]", "H<sub>0</sub> [km/s/Mpc]"),
        (r"$\Omega_{\mathrm{m}}$", "Ω<sub>m</sub>"),
        (r"$\log_{10}\,\tau$", "log<sub>10</sub> τ"),
        (r"$x^{2}$ & <y>", "x<sup>2</sup> &amp; &lt;y&gt;"),
        ("$a<b$", "a&lt;b"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("costs 5 $", "costs 5 $"),
    ],
)
def test_mathematics_becomes_plain_html(text, expected):
    assert elements.mathematics(text) == expected


def test_table_has_heads_for_rows_and_columns_and_escapes_its_cells():
    text = elements.table(Table("A & B", ("name", "<value>"), (("x", "1 < 2"), ("y", "3"))), marked=["y"])
    assert "<caption>A &amp; B</caption>" in text
    assert '<th scope="col">&lt;value&gt;</th>' in text
    assert '<tr><th scope="row">x</th><td>1 &lt; 2</td></tr>' in text
    assert '<tr class="marked"><th scope="row">y <strong>(differs)</strong></th><td>3</td></tr>' in text
