#!/usr/bin/python3
"""Draws a Grafana dashboard from what a Prometheus knows, without Grafana.

usage: draw.py DASHBOARD PICTURE URL SECONDS

Panels of the types row, stat and timeseries, each with its own expressions, over the last SECONDS. Rates are taken over
one minute in place of five, because the time that is drawn is short. Debian: python3-matplotlib.
"""

import json
import re
import sys
import time
import urllib.parse
import urllib.request
from datetime import datetime

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.dates import DateFormatter
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

COLUMNS, UNIT, WIDTH, DPI = 24, 0.285, 17.0, 100
COLOURS = ["#3274d9", "#e0752d", "#37872d", "#a352cc", "#c4162a", "#c9a100", "#00a0a8", "#e36bb0", "#767676", "#7a4b2a"]
COLOURS += ["#1b2a6b", "#9ccc3c"]
INK, FAINT, FRAME = "#24292e", "#6a737d", "#d8dde3"
LEGEND = 6


def ask(url, path, **query):
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
        return json.load(answer)["data"]["result"]


def expression(target):
    return target["expr"].replace("$instance", ".*").replace("[5m]", "[1m]")


def name(target, labels):
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), target.get("legendFormat", "")).strip()


def written(value, unit):
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB" if value >= 2**20 else f"{value / 2**10:.0f} KiB"
    if unit == "s" and value < 1:
        return "0" if value == 0 else f"{value * 1000:.3g} ms"
    text = f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"
    return text + {"s": " s", "ops": "/s"}.get(unit, "")


def place(figure, panel, height):
    grid = panel["gridPos"]
    gap = 0.06
    box = figure.add_axes(
        [
            grid["x"] / COLUMNS + gap / WIDTH,
            1 - (grid["y"] + grid["h"]) * UNIT / height + gap / height,
            grid["w"] / COLUMNS - 2 * gap / WIDTH,
            grid["h"] * UNIT / height - 2 * gap / height,
        ]
    )
    box.set_xticks([])
    box.set_yticks([])
    for side in box.spines.values():
        side.set_color(FRAME)
    return box


def inside(figure, box, left, bottom, right, top):
    """Axes with margins in inches inside of a box."""
    frame = box.get_position()
    width, height = figure.get_size_inches()
    return figure.add_axes(
        [
            frame.x0 + left / width,
            frame.y0 + bottom / height,
            frame.width - (left + right) / width,
            frame.height - (bottom + top) / height,
        ]
    )


def row(box, panel):
    box.axis("off")
    box.text(0.002, 0.4, panel["title"], fontsize=12, weight="bold", color=INK, va="center")


def title(box, panel):
    height = box.get_position().height * box.figure.get_size_inches()[1]
    box.text(0.5, 1 - 0.15 / height, panel["title"], fontsize=9.5, weight="bold", color=INK, ha="center", va="center")


def stat(box, panel, url, end):
    title(box, panel)
    unit, values = panel["fieldConfig"]["defaults"].get("unit"), []
    for target in panel["targets"]:
        for series in ask(url, "query", query=expression(target), time=end):
            label = name(target, series["metric"]) if panel["options"].get("textMode") == "value_and_name" else ""
            values.append(f"{label} {written(float(series['value'][1]), unit)}".strip())
    size = 24 if len(values) < 2 else 17
    box.text(0.5, 0.42, "    ".join(values) or "no data", fontsize=size, color=COLOURS[2], ha="center", va="center")


def timeseries(figure, box, panel, url, start, end):
    title(box, panel)
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults.get("unit")
    lines = []
    for target in panel["targets"]:
        for series in ask(url, "query_range", query=expression(target), start=start, end=end, step=5):
            points = [(datetime.fromtimestamp(at), float(value)) for at, value in series["values"] if value != "NaN"]
            if points:
                lines.append((name(target, series["metric"]), points))
    lines.sort(key=lambda line: line[0])
    columns = 2 if max([len(label) for label, _ in lines] or [0]) < 27 else 1
    shown = sorted(lines, key=lambda line: -max(value for _, value in line[1]))[:LEGEND]
    rows = -(-len(shown) // columns)
    axes = inside(figure, box, 0.62, 0.32 + 0.145 * rows, 0.12, 0.32)
    colours = {label: COLOURS[index % len(COLOURS)] for index, (label, _) in enumerate(lines)}
    if defaults.get("custom", {}).get("stacking"):
        times = sorted({at for _, points in lines for at, _ in points})
        values = [[dict(points).get(at, 0) for at in times] for _, points in lines]
        axes.stackplot(times, values, colors=colours.values(), alpha=0.75, linewidth=0)
    else:
        for label, points in lines:
            axes.plot(*zip(*points), color=colours[label], linewidth=1.2)
    axes.set_xlim(datetime.fromtimestamp(start), datetime.fromtimestamp(end))
    top = max([axes.get_ylim()[1]] + [max(value for _, value in points) * 1.08 for _, points in lines])
    axes.set_ylim(0, top if any(value for _, points in lines for _, value in points) else 1)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, unit)))
    axes.tick_params(labelsize=7.5, colors=FAINT, length=0)
    axes.grid(color="#eceff2", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    handles = [plt.Line2D([], [], color=colours[label], linewidth=2.5) for label, _ in shown]
    box.legend(handles, [label for label, _ in shown], loc="lower left", ncol=columns, fontsize=7.5, frameon=False,
               labelcolor=INK, handlelength=1.1, handletextpad=0.5, labelspacing=0.2, columnspacing=1.2,
               borderaxespad=0.25)


def main():
    dashboard, picture, url, seconds = sys.argv[1:]
    with open(dashboard, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    end = time.time()
    start = end - float(seconds)
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * UNIT
    figure = plt.figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    for panel in panels:
        box = place(figure, panel, height)
        if panel["type"] == "row":
            row(box, panel)
        elif panel["type"] == "stat":
            stat(box, panel, url, end)
        else:
            timeseries(figure, box, panel, url, start, end)
    figure.savefig(picture)
    # A palette is a third of the size. One by maximum coverage: others take colours of thin lines for the same.
    Image.open(picture).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(picture, optimize=True)


main()
