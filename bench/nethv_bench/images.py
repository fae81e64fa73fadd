# SPDX-License-Identifier: BSD-3-Clause
"""The plots of a report as SVG files that need nothing else, for pages that show images: light, on white, without
variables, which many renderers do not know."""
import os
import re

from . import charts, results, words

BYTES_MAX = 200 << 10  # of a file; a plot that is larger has too much in it for a page of text
INK, PAPER = "#1b2026", "#ffffff"


def alone(svg, title):
    """A plot of plot.py as a file of its own."""
    svg = re.sub(r"var\(--\w+, (#\w+)\)", r"\1", svg)
    svg = re.sub(r'viewBox="0 0 (\d+) (\d+)"', rf'width="\1" height="\2" color="{INK}" \g<0>', svg, count=1)
    end = svg.index(">") + 1
    text = title.replace("&", "&amp;").replace("<", "&lt;")
    return f'{svg[:end]}\n<title>{text}</title>\n<rect width="100%" height="100%" fill="{PAPER}"/>{svg[end:]}'


def names(found):
    """A file's name for each chart, by its kind and title."""
    taken, out = set(), []
    for chart in found:
        told = chart.title if chart.title.lower().startswith(chart.kind) else f"{chart.kind} {chart.title}"
        base = re.sub(r"[^a-z0-9]+", "-", told.lower()).strip("-")
        name, n = base, 1
        while name in taken:
            n += 1
            name = f"{base}-{n}"
        taken.add(name)
        out.append(name + ".svg")
    return out


def draw(report):
    """[(file name, title, caption, SVG)] of all plots but those of searches. Raises results.Wrong, also for one that is
    too large."""
    results.check(report)
    found, out = [c for c in charts.charts(report) if not c.is_evidence], []
    for i, (chart, name) in enumerate(zip(found, names(found))):
        title = f"{words.KINDS[chart.kind][0]}: {chart.title}"
        svg = alone(chart.draw(f"p{i}"), title)
        if len(svg.encode()) > BYTES_MAX:
            raise results.Wrong(f"{name}: {len(svg.encode())} bytes, more than {BYTES_MAX}")
        out.append((name, title, chart.caption, svg))
    return out


def write(report, folder):
    """Paths and Markdown of all images."""
    drawn = draw(report)
    os.makedirs(folder, exist_ok=True)
    for name, title, caption, svg in drawn:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(svg)
        yield path, f"![{title}. {caption}]({os.path.basename(os.path.normpath(folder))}/{name})"
