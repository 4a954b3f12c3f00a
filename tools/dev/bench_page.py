# SPDX-License-Identifier: Apache-2.0
"""The benchmark suite's page: one HTML file with its plots inside, light and dark, that fetches nothing."""
import html
import math
import re

STYLE = """
:root { --paper: #fff; --ink: #1b1f24; --faint: #d5dae0; --us: #0b62c4; --raw: #6b7280; --peer: #c2410c; --bad: #b00020; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --ink: #e4e7eb; --faint: #3a414a; --us: #6cb0ff; --raw: #9aa4b2; --peer: #ff9a5c; --bad: #ff6b81; }
}
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
td, th { padding: .2rem .7rem; border-bottom: 1px solid var(--faint); text-align: right; white-space: nowrap; }
td:first-child, th:first-child, .text { text-align: left; }
.text { white-space: normal; }
.bad { color: var(--bad); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--faint); } .line { fill: none; stroke-width: 2; }
.us { stroke: var(--us); fill: var(--us); } .raw { stroke: var(--raw); fill: var(--raw); }
.peer { stroke: var(--peer); fill: var(--peer); } .before { stroke: var(--us); fill: var(--us); stroke-dasharray: 5 4; opacity: .6; }
svg .line { fill: none; } svg text.us, svg text.raw, svg text.peer, svg text.before { stroke: none; }
"""
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 480, 250, 62, 10, 34, 160


def time_text(nanoseconds):
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "us"), (1e9, 1e6, "ms")):
        if abs(nanoseconds) < limit:
            return f"{nanoseconds / divisor:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"


def size_text(kind, value):
    if kind != "bytes":
        return f"{value:g}"
    for limit, divisor, unit in ((1 << 20, 1 << 10, "KiB"), (1 << 30, 1 << 20, "MiB")):
        if value < limit:
            return f"{value / divisor:.3g} {unit}"
    return f"{value / (1 << 30):.3g} GiB"


def families(results):
    """(name, kind) of rows that differ in a size or count only, to {value: row}; kind is None for a row alone."""
    found = {}
    for row in results.rows.values():
        match = re.search(r"/(bytes|n):(\d+)$", row.name)
        name, kind, value = (row.name[:match.start()], match[1], int(match[2])) if match else (row.name, None, 1)
        found.setdefault((name, kind), {})[value] = row
    return found


def lines_of(points):
    """label to (class, {value: nanoseconds}): ours, the best raw side at each size, each peer."""
    lines = {}
    for value, row in sorted(points.items()):
        best = row.best_raw()
        for side in row.sides:
            kind = side.split(":")[0]
            if kind == "raw" and side != best:
                continue
            label = "raw" if kind == "raw" else side.removeprefix("peer:")
            lines.setdefault(label, (kind, {}))[1][value] = row.figure(side)
    return lines


def decades(values):
    low = math.floor(math.log10(max(min(values), 1e-3)))
    high = math.ceil(math.log10(max(max(values), 1e-3)))
    return low, max(high, low + 1)


def plot(kind, lines):
    """Both axes are logarithmic; a row without sizes has its points in one column."""
    sizes = sorted({value for _, points in lines.values() for value in points})
    times = [time for _, points in lines.values() for time in points.values()]
    low, high = decades(times)
    first, last = math.log(sizes[0]), math.log(sizes[-1])

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * ((math.log(value) - first) / (last - first) if last > first else 0.5)

    def y(time):
        part = (math.log10(max(time, 1e-3)) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    shapes = []
    for decade in range(low, high + 1):
        at = y(10.0 ** decade)
        shapes.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
                      f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{time_text(10.0 ** decade)}</text>')
    for value in sizes if kind else []:
        shapes.append(f'<text x="{x(value):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{size_text(kind, value)}</text>')
    labels = []
    for label, (style, points) in lines.items():
        path = " ".join(f"{x(value):.1f},{y(time):.1f}" for value, time in sorted(points.items()))
        shapes.append(f'<polyline class="line {style}" points="{path}"/>')
        for value, time in points.items():
            shapes.append(f'<circle class="{style}" cx="{x(value):.1f}" cy="{y(time):.1f}" r="3">'
                          f"<title>{html.escape(label)}: {time_text(time)}</title></circle>")
        labels.append((y(points[max(points)]), style, label))
    # The labels, from the top; each below the one before it.
    free = 0.0
    for at, style, label in sorted(labels):
        free = max(at + 4, free + 12)
        shapes.append(f'<text class="{style}" x="{WIDTH - RIGHT + 8}" y="{free:.1f}">{html.escape(label)}</text>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(shapes)}</svg>'


def figure(name, kind, lines):
    axis = {"bytes": ", by size", "n": ", by count"}.get(kind, "")
    return f"<figure><figcaption>{html.escape(name)}{axis}</figcaption>{plot(kind, lines)}</figure>"


def table(heads, lines):
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    body = ""
    for cells, note in lines:
        bad = ' class="bad"' if cells[-1].startswith(("NOT MET", "undecided", "failed", "slower")) else ""
        inner = "".join(f"<td{bad if i == len(cells) - 1 else ''}>{html.escape(cell)}</td>" for i, cell in enumerate(cells))
        body += f'<tr>{inner}<td class="text">{html.escape(note)}</td></tr>'
    return f'<div class="wide"><table><tr>{head}<th></th></tr>{body}</table></div>'


def context_table(*results):
    keys = [key for key in results[0].context
            if not key.startswith("skipped ") and not isinstance(results[0].context[key], (list, dict))]
    return "<div class=\"wide\"><table>" + "".join(
        f"<tr><td>{html.escape(key)}</td>"
        + "".join(f'<td class="text">{html.escape(str(each.context.get(key, "")))}</td>' for each in results)
        + "</tr>" for key in keys) + "</table></div>"


def page(title, *parts):
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>\n")


def report_page(results, heads, lines):
    skipped = "".join(f"<li>{html.escape(row)}: {html.escape(reason)}</li>" for row, reason in results.skipped.items())
    plots = "".join(figure(name, kind, lines_of(points)) for (name, kind), points in families(results).items()
                    if any(row.sides for row in points.values()))
    return page("Causeway: benchmarks", "<p>Times are medians of the repetitions (means where "
                "threads hand work over), for one operation. raw: the best way by "
                "hand. Both axes of the plots are logarithmic.</p>", table(heads, lines),
                f"<h2>Skipped</h2><ul>{skipped}</ul>" if skipped else "", "<h2>Plots</h2>",
                f'<div class="plots">{plots}</div>', "<h2>Where</h2>", context_table(results))


def comparison_page(before, after, heads, lines):
    older = families(before)
    plots = ""
    for key, points in families(after).items():
        shown = {label: line for label, line in lines_of(points).items() if line[0] in ("us", "raw")}
        earlier = {value: row.figure("us") for value, row in older.get(key, {}).items()
                   if "us" in row.sides}
        if earlier:
            shown["us, before"] = ("before", earlier)
        if shown:
            plots += figure(*key, shown)
    return page("Causeway: benchmarks, before and after", table(heads, [(line, "") for line in lines]), "<h2>Plots</h2>",
                f'<div class="plots">{plots}</div>', "<h2>Where</h2>", context_table(before, after))
