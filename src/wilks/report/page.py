"""The frame of the page: head, style and script. It fetches nothing, and its own policy forbids that it could."""

from __future__ import annotations

import json

from wilks.report.elements import escape

_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c2126",
    "soft": "#59636e",
    "rule": "#d5dae0",
    "panel": "#f4f6f8",
    "link": "#1f5a99",
    "good": "#1a7f4b",
    "bad": "#a4450c",
    "mark": "#fdf0d9",
}
_DARK = {
    "paper": "#16191d",
    "ink": "#e3e6ea",
    "soft": "#a2abb5",
    "rule": "#3a424b",
    "panel": "#20252b",
    "link": "#8fbdf0",
    "good": "#5fce95",
    "bad": "#f2a36b",
    "mark": "#4a3512",
}

_STYLE = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 3rem 0 .75rem; padding-top: .75rem;
  border-top: 1px solid var(--rule); overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
p, ul { max-width: 46rem; margin: .5rem 0 .75rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; max-width: none; }
.soft, .note, caption, figcaption { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); } .good, .bad { font-weight: 600; }
.notice { border-left: .25rem solid var(--bad); background: var(--mark); padding: .5rem .75rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .35rem; white-space: nowrap; }
th, td { padding: .3rem .9rem .3rem .4rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
thead th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; }
tbody th { font-weight: 600; }
tr.marked { background: var(--mark); }
.figures { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
figure { margin: .75rem 0; min-width: 0; }
figcaption { font-size: .9rem; padding-top: .3rem; }
.plot { width: 100%; height: 26rem; }
.plot.flat { height: 21rem; }
.plot.large { max-width: 50rem; height: 36rem; }
figure img { display: block; background: #fff; border-radius: .3rem; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--link); }
pre { overflow-x: auto; background: var(--panel); padding: .6rem .8rem; font-size: .82rem; line-height: 1.4; }
footer { margin-top: 3rem; color: var(--soft); font-size: .9rem; }
@media (max-width: 40rem) { h1 { font-size: 1.5rem; } caption { white-space: normal; }
  .plot, .plot.large { height: 23rem; } .plot.flat { height: 18rem; } th, td { padding-right: .6rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  section, figure, tr { break-inside: avoid; } section { break-inside: auto; } h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; } figure img { width: auto; max-height: 23cm; }
  details::details-content { content-visibility: visible; }
  .plot, .plot.large { width: 16cm; height: 11cm; } .plot.flat { height: 8.5cm; } }
"""

# Draws the figures in the colours of the page, again when these change, and in the light ones on paper.
_SCRIPT = """
(function () {
  var palettes = PALETTES, dark = window.matchMedia("(prefers-color-scheme: dark)");
  var coarse = window.matchMedia("(pointer: coarse)").matches, plots = [];
  function themed(layout, palette) {
    var change = { "font.color": palette.ink, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: palette.panel,
      "modebar.color": palette.soft, "modebar.activecolor": palette.link };
    Object.keys(layout).forEach(function (key) {
      if (!/^[xy]axis/.test(key)) { return; }
      change[key + ".gridcolor"] = palette.rule;
      change[key + ".linecolor"] = palette.soft;
    });
    return change;
  }
  function colour(palette) {
    plots.forEach(function (plot) { Plotly.relayout(plot, themed(plot.layout, palette)); });
  }
  function current() { return dark.matches ? palettes.dark : palettes.light; }
  document.querySelectorAll("script.plot-data").forEach(function (source) {
    var plot = document.getElementById(source.dataset.plot), spec = JSON.parse(source.textContent);
    if (coarse) { spec.layout.dragmode = false; }
    Plotly.newPlot(plot, spec.data, spec.layout, spec.config);
    plots.push(plot);
  });
  colour(current());
  dark.addEventListener("change", function () { colour(current()); });
  var opened = [];
  window.addEventListener("beforeprint", function () {
    colour(palettes.light);
    document.querySelectorAll("details:not([open])").forEach(function (each) { each.open = true; opened.push(each); });
  });
  window.addEventListener("afterprint", function () {
    colour(current());
    opened.forEach(function (each) { each.open = false; });
    opened = [];
  });
})();
"""


def document(title: str, content: str, plotly: str | None) -> str:
    """Return the whole page.

    Parameters
    ----------
    title
        Plain text.
    content
        HTML of the body.
    plotly
        Source of plotly.js; None for a page without interactive figures.
    """
    palettes = (
        f":root {{ color-scheme: light dark; {_variables(_LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_variables(_DARK)} }} }}\n"
    )
    library = f"<script>{plotly}</script>\n" if plotly else ""
    drawing = f"<script>{_SCRIPT.replace('PALETTES', _palettes())}</script>\n" if plotly else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{palettes}{_STYLE}</style>\n</head>\n<body>\n"
        f"{content}\n{library}{drawing}</body>\n</html>\n"
    )


def _variables(palette: dict[str, str]) -> str:
    return " ".join(f"--{name}: {value};" for name, value in palette.items())


def _palettes() -> str:
    return json.dumps({"light": _LIGHT, "dark": _DARK})
