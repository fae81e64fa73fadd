# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG, drawn by gnuplot.

Each function takes the cases of one plot, the colours of colours(), and a name that no other plot of the
page has: it begins the SVG's ids. Text and axes are in currentColor, the rest in variables of style sheet
PALETTE, so that a plot goes with a light page and a dark one; on its own, without them, it is a light one.
gnuplot is asked for colours that nothing else has (rgb 2,i,0), which are replaced afterwards.
"""
import math
import re
import subprocess

from . import results, words

FONT = 15
WIDTH, HEIGHT = 560, 350
WIDE, WIDE_BARS = 1140, 28  # more bars than these two columns of a page are needed for
AXIS, GRID = "#010203", "#010204"
AXIS_THIN = "#91010203"  # more than half transparent
POINTS = (7, 5, 9, 13, 11, 4, 6, 8)  # gnuplot's: so that systems differ without any colour
DASHES = ("solid", "(14,5)", "(3,4)", "(14,5,3,5)", "(8,4)", "(2,6)", "(18,4,2,4,2,4)", "(5,8)")
POINTS_OF_CURVE_MAX = 150
TRIALS_LOSS_MIN = 1e-6  # where no loss is drawn, the axis being logarithmic
GOALS = {"ndr": 0, "pdr": 0.005}  # what a search takes for no loss

# (light, dark), in the order of KNOWN: to be told apart with any kind of colour vision (a distance of at least 14
# in CIELAB after Machado's simulation), and by lightness beside a neighbour.
SHADES = (("#1b57a8", "#6aa8f7"), ("#c94f1c", "#ee7b48"), ("#dfa21b", "#f5cb62"), ("#127a5c", "#2fb78c"),
          ("#8c2f6e", "#c84fa5"), ("#8a949e", "#aab4be"), ("#58b4e4", "#a6defc"), ("#5a3312", "#8e653e"))
KNOWN = ("nethv", "ovs-dpdk split", "ovs-dpdk packed", "vhost split", "vhost packed", "memif")
GRID_SHADES = ("#dfe3e8", "#343b44")


class NoGnuplot(Exception):
    pass


def colours(cases):
    """{system: index}: known systems have the same colour in all reports, others what is left, by name."""
    names = results.systems_in(cases)
    index = {name: i for i, name in enumerate(KNOWN)}
    unused = [i for name, i in index.items() if name not in names]
    free = [*range(len(KNOWN), len(SHADES)), *unused, *range(1, len(KNOWN))]
    others = sorted(set(names) - set(KNOWN))
    return {**index, **{name: free[i % len(free)] for i, name in enumerate(others)}}


def palette(dark):
    """The variables for a style sheet."""
    shades = [("--grid", GRID_SHADES)] + [(f"--s{i}", pair) for i, pair in enumerate(SHADES)]
    return "; ".join(f"{name}: {pair[dark]}" for name, pair in shades)


def quote(text):
    """A string of gnuplot's, whatever is in it: between single quotes nothing but these means anything."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    if len(plain) > 60:
        plain = plain[:59] + "…"
    return "'" + plain.replace("'", "''") + "'"


def colour(i, alpha=0):
    return f"'#{alpha:02x}02{i:02x}00'" if alpha else f"'#02{i:02x}00'"


def _gnuplot(*args, **keys):
    try:
        return subprocess.run(["gnuplot", *args], capture_output=True, text=True, encoding="utf-8", timeout=60, **keys)
    except FileNotFoundError:
        raise NoGnuplot("there is no gnuplot: install the Debian package gnuplot-nox (./dev setup does)") from None


def need():
    """Raises NoGnuplot where there is none: better before an hour of measuring than after it."""
    _gnuplot("--version")


def _run(script):
    r = _gnuplot("-d", "-", input=script)
    if r.returncode or "<svg" not in r.stdout:
        raise RuntimeError(f"gnuplot: {r.stderr.strip()[-500:]}")
    return r.stdout


def _shade(m):
    a, b, c = (int(n) for n in m.groups())
    if (a, b, c) == (1, 2, 3):
        return "currentColor"
    if (a, b, c) == (1, 2, 4):
        return f"var(--grid, {GRID_SHADES[0]})"
    return f"var(--s{b}, {SHADES[b][0]})" if (a, c) == (2, 0) else m[0]


def _finish(svg, name, label, size):
    """What a page can hold: no prologue, ids of its own, no colours of gnuplot's, and a text for the blind."""
    body = svg[svg.index("<g id=\"gnuplot_canvas\""):]
    body = re.sub(r"<title>.*?</title>|<filter.*?</filter>", "", body, flags=re.S)
    body = re.sub(r"<use [^>]*color='white'/>", "", body)  # gnuplot blanks out what is under a point
    body = re.sub(r' color="(black|gray|white)"', "", body)
    body = re.sub(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)", _shade, body)
    body = re.sub(r"(stroke|fill)=(['\"])black\2", r"\1='currentColor'", body)
    body = body.replace("stroke-width='0.190'", "stroke-width='0.32'")  # of symbols
    body = re.sub(r"\bid=(['\"])", rf"id=\1{name}-", body)
    body = re.sub(r"xlink:href='#", f"href='#{name}-", body)
    body = re.sub(r' font-family="[^"]*"', "", body)
    empty = None
    while empty != body:
        empty, body = body, re.sub(r"<g [^>]*>\s*</g>\s*", "", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    label = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
            f'font-family="system-ui, sans-serif" aria-label="{label}">\n{body}')


def _width(text):
    """About how wide a text is in pixels, in a wide font."""
    return FONT * sum(0.36 if c in "fijlrt.,:;|()' -" else 0.92 if c in "mwMW@%" else 0.62 for c in text)


def _layout(entries, size):
    """Rows of a legend: (x in pixels, row) for each entry."""
    x, row, placed = 12, 0, []
    for text in entries:
        width = 40 + _width(text)
        if x > 12 and x + width > size[0]:
            x, row = 12, row + 1
        placed.append((x, row))
        x += width
    return placed


def _head(systems, index, axis, size, mark, x_label=""):
    """Terminal, margins, the legend, and above the axis what it shows: said along, it is read sooner."""
    at = _layout(systems, size)
    top = 24 * (at[-1][1] + 1 if at else 0)
    w, h = size
    lines = [
        f"set terminal svg size {w},{h} dynamic noenhanced font 'sans-serif,{FONT}'",
        "set encoding utf8",
        "set key off",
        f"set border 1 lc rgb '{AXIS}' lw 1",
        f"set grid y lc rgb '{GRID}' lt 1 lw 1 dt solid",
        "set tics nomirror scale 0.5 out",
        "set ytics scale 0",
        f"set tmargin at screen {1 - (top + 34) / h:.5f}",
        f"set bmargin at screen {(60 if x_label else 38) / h:.5f}",
        "set xtics offset 0,0.4",
        f"set xlabel {quote(x_label)} offset 0,0.9",
        "set style fill solid 1 noborder",
        f"set label {quote(axis)} at screen {4 / w:.5f},{1 - (top + 14) / h:.5f} left",
    ]
    for name, (x, row) in zip(systems, at):
        i = index[name]
        lines.append(f"set label {quote(name)} at screen {x / w:.5f},{1 - (14 + 24 * row) / h:.5f} left point "
                     f"pt {5 if mark == 'square' else POINTS[i]} ps 1 lc rgb {colour(i)} offset 1.3,-0.3")
    return lines


def _block(name, rows):
    """Data within the script; a value that is not there is left out by the caller."""
    return [f"${name} << END", *(" ".join(f"{v:.9g}" for v in row) for row in rows), "END"]


def _tics(at):
    """Labels at places; gnuplot takes a label for a format."""
    return ", ".join(f"{quote(text.replace('%', '%%'))} {x:.9g}" for x, text in at)


def _short(v):
    return f"{v / 1e6:g}M" if v >= 1e6 else f"{v / 1e3:g}k" if v >= 1e4 else f"{v:g}"


def _from_zero(top, say=_short):
    """The axis of values: from 0 to a little above @top, round figures."""
    top = top or 1
    rough = top / 6
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough)
    tics = [step * k for k in range(int(top * 1.05 / step) + 1)]
    return [f"set yrange [0:{top * 1.05:.9g}]", f"set ytics ({_tics((v, say(v)) for v in tics)})"]


def _measured(case, name):
    s = results.system_of(case, name)
    return s if s and s["starts"] else None


def _bar_rows(cases, systems, name):
    """(middle, median, low, high, width) for each case, and (x, value) for each of its starts."""
    width = 0.8 / len(systems)
    bars, dots = [], []
    for g, case in enumerate(cases):
        s = _measured(case, name)
        if not s:
            continue
        x = g + (systems.index(name) - (len(systems) - 1) / 2) * width
        bars.append((x, s["median"], s["low"], s["high"], width * 0.88))
        n = len(s["starts"])
        for j, value in enumerate(results.values_of(s)):
            dots.append((x + width * 0.5 * ((j + 0.5) / n - 0.5), value))
    return bars, dots


def bars_size(cases):
    """Many bars take the width of the page."""
    bars = len(cases) * len(results.systems_in(cases))
    return (WIDE, HEIGHT) if bars > WIDE_BARS else (WIDTH, HEIGHT)


def bars(cases, labels, index, name):
    """Systems beside each other for each case: the median, its interval, and a dot for each start."""
    systems = results.systems_in(cases)
    size = bars_size(cases)
    out = _head(systems, index, words.unit(cases[0]), size, "square")
    draw, over, top = [], [], 0
    for n, s in enumerate(systems):
        boxes, dots = _bar_rows(cases, systems, s)
        if not boxes:
            continue
        out += _block(f"b{n}", boxes) + _block(f"d{n}", dots)
        draw.append(f"$b{n} using 1:2:5 with boxes lc rgb {colour(index[s])}")
        over.append(f"$d{n} using 1:2 with points pt 7 ps 0.22 lc rgb '{AXIS_THIN}'")
        over.append(f"$b{n} using 1:2:3:4 with yerrorbars pt 0 ps 0 lw 1.3 lc rgb '{AXIS}'")
        top = max(top, max(v for _, v in dots), max(b[3] for b in boxes))
    out += [f"set xrange [-0.55:{len(cases) - 0.45}]", f"set xtics scale 0 ({_tics(enumerate(labels))})",
            *_from_zero(top), "set errorbars small", "plot " + ", ".join(draw + over)]
    return _finish(_run("\n".join(out)), name, f"Bars: {cases[0]['title']}", size)


def _x_of(case):
    return case["x"]["value"] if "x" in case else case["flows"]


def _scale(values, axis):
    """Logarithmic where values are far apart; tics where there are values."""
    far = min(values) > 0 and max(values) / min(values) >= 8
    if far:
        edges = (min(values) / 1.25, max(values) * 1.25)
    else:
        pad = (max(values) - min(values)) * 0.06 or 1
        edges = (min(values) - pad, max(values) + pad)
    tics = _tics((v, words.short(v)) for v in sorted(set(values)))
    return ([f"set logscale {axis}"] if far else []) + [f"set {axis}range [{edges[0]:.9g}:{edges[1]:.9g}]",
                                                        f"set {axis}tics ({tics})"]


def lines(cases, index, name):
    """A cost against a number of something: a line with intervals for each system that makes one."""
    systems = [s for s in results.systems_in(cases) if sum(bool(_measured(c, s)) for c in cases) > 1]
    size = (WIDTH, HEIGHT)
    x_label = cases[0]["x"]["of"] if "x" in cases[0] else "flows"
    out = _head(systems, index, words.unit(cases[0]), size, "point", x_label)
    draw, top = [], 0
    for n, s in enumerate(systems):
        rows = [(_x_of(c), m["median"], m["low"], m["high"]) for c in cases if (m := _measured(c, s))]
        i = index[s]
        out += _block(f"l{n}", sorted(rows))
        draw.append(f"$l{n} using 1:2 with linespoints lw 2 dt {DASHES[i]} pt {POINTS[i]} ps 0.7 lc rgb {colour(i)}")
        draw.append(f"$l{n} using 1:2:3:4 with yerrorbars pt 0 ps 0 lw 1.3 lc rgb {colour(i)}")
        top = max(top, max(r[3] for r in rows))
    out += _scale([_x_of(c) for c in cases], "x")
    out += [*_from_zero(top), "set errorbars small", "plot " + ", ".join(draw)]
    return _finish(_run("\n".join(out)), name, f"Lines: {cases[0]['title']}", size)


def _add_up(starts):
    """The histogram of all starts together: [(upper_ns, count)] upwards."""
    total = {}
    for start in starts:
        for upper, count in start.get("histogram", []):
            total[upper] = total.get(upper, 0) + count
    return sorted(total.items())


def _curve_of(histogram, divisor):
    """[(1 / (1 - q), value)]: as many points as can be told apart."""
    total = sum(count for _, count in histogram)
    points, below = [], 0
    for upper, count in histogram:
        if not count:
            continue
        x = total / (total - below)  # this bucket begins at the quantile below / total
        below += count
        end = total / max(1, total - below)
        points += [(x, upper / divisor), (end, upper / divisor)]
    step = max(0.01, math.log10(points[-1][0]) / POINTS_OF_CURVE_MAX)
    kept = [points[0]]
    for p in points[1:-1]:
        if math.log10(p[0] / kept[-1][0]) >= step or p[1] > kept[-1][1] * 1.04:
            kept.append(p)
    return [*kept, points[-1]]


def _curve_points(starts, unit):
    """Of the histograms; where there are none, of medians of quantiles."""
    histogram = _add_up(starts)
    if histogram:
        return _curve_of(histogram, results.NS[unit])
    found = results.quantiles_of({"starts": starts})
    return [(1 / (1 - results.QUANTILES[q]), value) for q, value in found.items() if q != "max"]


def _curve_axes(all_points):
    right = min(1e7, max(20, max(x for x, _ in all_points)))
    values = [y for _, y in all_points if y > 0]
    tics = [(2, "50 %"), (10, "90 %"), (100, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"),
            (1e5, "99.999 %"), (1e6, "99.9999 %")]
    out = ["set logscale x", f"set xrange [1:{right:.9g}]",
           f"set xtics ({_tics(t for t in tics if t[0] <= right)})", f"set grid x lc rgb '{GRID}' lt 1 lw 1 dt solid"]
    if values and max(values) / min(values) > 30:
        low, high = min(values) / 1.15, max(values) * 1.2
        steps = (1, 2, 5) if high / low < 1000 else (1,)
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        tics = [(m * 10.0 ** e, f"{m * 10.0 ** e:g}") for e in tens for m in steps]
        return out + ["set logscale y", f"set yrange [{low:.9g}:{high:.9g}]", f"set ytics ({_tics(tics)})"]
    return out + _from_zero(max(values, default=1))


def _marks(points):
    """Where a curve has its symbol: at some quantiles and at its end."""
    within = [x for x in (10, 100, 1000) if x < points[-1][0] / 2]
    return [points[-1], *(min(points, key=lambda p: abs(math.log(p[0] / x))) for x in within)]


def _thin_curves(starts, unit):
    return [_curve_of(_add_up([start]), results.NS[unit]) for start in starts if start.get("histogram")]


def curve(case, index, name):
    """Latency by percentile, the slow end stretched (1 / (1 - q)): all starts together, thinly each alone."""
    measured = {s["system"]: _curve_points(s["starts"], case["unit"]) for s in case["systems"]}
    systems = [s for s in results.systems_in([case]) if measured[s]]
    size = (WIDTH, HEIGHT)
    out = _head(systems, index, words.unit(case), size, "point")
    single, together, seen = [], [], []
    for n, s in enumerate(systems):
        i, points = index[s], measured[s]
        out += _block(f"c{n}", points) + _block(f"m{n}", _marks(points))
        together.append(f"$c{n} using 1:2 with lines lw 2.5 dt {DASHES[i]} lc rgb {colour(i)}")
        together.append(f"$m{n} using 1:2 with points pt {POINTS[i]} ps 0.7 lc rgb {colour(i)}")
        seen += points
        for j, thin in enumerate(_thin_curves(results.system_of(case, s)["starts"], case["unit"])):
            out += _block(f"s{n}x{j}", thin)
            single.append(f"$s{n}x{j} using 1:2 with lines lw 1 lc rgb {colour(i, 0xb8)}")
            seen += thin
    out += _curve_axes(seen) + ["plot " + ", ".join(single + together)]
    return _finish(_run("\n".join(out)), name, f"Percentiles: {case['title']}", size)


def has_curve(case):
    return any(_curve_points(s["starts"], case["unit"]) for s in case["systems"] if s["starts"])


def middle_search(system):
    """The trials of the start whose value is nearest to the median."""
    if not system["starts"]:
        return []
    return min(system["starts"], key=lambda start: abs(start["value"] - system["median"])).get("trials", [])


def has_trials(case):
    return any(middle_search(s) for s in case["systems"])


def _search_rows(trials, goal):
    """(order, load in Mpps, loss) of all trials, of those that lost more than @goal, and of the others."""
    rows = [(k + 1, t["load"] / 1e6, max(t["loss"], TRIALS_LOSS_MIN)) for k, t in enumerate(trials)]
    bad = [t["loss"] > goal for t in trials]
    return rows, [r for r, b in zip(rows, bad) if b], [r for r, b in zip(rows, bad) if not b]


def _panels(top):
    """The frames of both panels, which share the axis of loads: the first lines of each."""
    losses = [(TRIALS_LOSS_MIN, "0"), (1e-4, "0.01 %"), (1e-2, "1 %"), (1, "100 %")]
    left = [*_from_zero(top), "set lmargin at screen 0.11", "set rmargin at screen 0.6"]
    right = ["unset label", *_from_zero(top, lambda v: ""), "set lmargin at screen 0.66",
             "set rmargin at screen 0.96", "set xlabel 'lost' offset 0,0.9", "set logscale x",
             f"set xrange [{TRIALS_LOSS_MIN / 2:.9g}:2]", f"set xtics ({_tics(losses)})"]
    return left, right


def trials(case, index, name):
    """A search by MLRsearch, of each system the start nearest to its median: loads in the order of trials,
    and beside them what was lost. A cross lost more than the search's goal."""
    found = {s["system"]: middle_search(s) for s in case["systems"]}
    systems = [s for s in results.systems_in([case]) if found[s]]
    size = (WIDTH, HEIGHT)
    out = _head(systems, index, "Mpps sent", size, "square", "trial, in order")
    first, second = [], []
    for n, s in enumerate(systems):
        rows, bad, good = _search_rows(found[s], GOALS[case["kind"]])
        out += _block(f"r{n}", rows)
        first.append(f"$r{n} using 1:2 with lines lw 1 lc rgb {colour(index[s], 0x90)}")
        for kind, part, shape in (("g", good, "pt 7 ps 0.5"), ("b", bad, "pt 2 ps 0.6")):
            if part:
                out += _block(f"{kind}{n}", part)
                first.append(f"${kind}{n} using 1:2 with points {shape} lc rgb {colour(index[s])}")
                second.append(f"${kind}{n} using 3:2 with points {shape} lc rgb {colour(index[s])}")
    left, right = _panels(max(t["load"] for s in systems for t in found[s]) / 1e6)
    last = max(len(found[s]) for s in systems)
    out += ["set multiplot", *left, f"set xrange [0:{last + 1}]", "plot " + ", ".join(first)]
    out += [*right, "plot " + ", ".join(second), "unset multiplot"]
    return _finish(_run("\n".join(out)), name, f"Trials: {case['title']}", size)
