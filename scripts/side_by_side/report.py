"""What scripts/peers found, as a table in Markdown and as a picture."""
import json
import statistics

import fidelity
from quartiles import milliseconds, quartiles, spread

OURS = "Espalier"
COLOURS = {OURS: "#1b6e53", "onnxruntime": "#c98a2b", "OpenVINO": "#3f6fb5",
           "PyTorch eager": "#b7a6cf", "PyTorch compiled": "#7d5fa8",
           "PyTorch eager f32": "#dcb9c4", "PyTorch compiled f32": "#ab6179"}

REACH = 4.0  # of a bar in the picture, in multiples of our time

NOTES = """Milliseconds a batch: median and quartiles of {rounds} rounds or more, in which the engines
take turns; a ratio is the median over rounds. On one thread a time is the process's processor time,
on more the time that passed. Every output agreed with ours, within a bound, before it was timed; in
int8 each was held against the fp32 logits.
Each peer takes the batch whole or in pieces, whichever is faster; a compiled model as its eager form."""


def best_peer(line):
    peers = [name for name in line["seconds"] if name != OURS]
    return min(peers, key=lambda name: statistics.median(line["seconds"][name]))


def ratios(line):
    """Our seconds over the best peer's, round by round."""
    return [ours / theirs for ours, theirs
            in zip(line["seconds"][OURS], line["seconds"][best_peer(line)])]


def markdown(lines, facts):
    engines = [name for name in COLOURS if any(name in line["seconds"] for line in lines)]
    rows = [["", *engines, "best peer", "ours / best peer"],
            ["---", *["---:"] * len(engines), "---", "---:"]]
    for line in lines:
        cells = [milliseconds(line["seconds"][name]) if name in line["seconds"] else "–"
                 for name in engines]
        low, median, high = quartiles(ratios(line))
        rows.append([line["title"], *cells, best_peer(line), f"**{median:.2f}** ({low:.2f}–{high:.2f})"])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{table}\n\n{NOTES.format(rounds=min(line['rounds'] for line in lines))} {facts}\n"


def save(lines, found, facts, folder):
    table = markdown(lines, facts)
    if found:
        table = f"{table}\n{fidelity.markdown(found)}"
    (folder / "peers.md").write_text(table)
    (folder / "peers.json").write_text(
        json.dumps({"facts": facts, "lines": lines, "int8": found}, indent=1))


def draw_line(axes, line, place):
    """Bars from `place` on, named when they are the first of their engine; where the next line may
    begin. A bar that would dwarf the others ends at REACH, with its length in words."""
    ours = statistics.median(line["seconds"][OURS])
    axes.annotate(f"{line['title']}: {statistics.median(ratios(line)):.2f} of {best_peer(line)}'s time",
                  (0, place), (0, 9), textcoords="offset points", fontsize=9, fontweight="bold",
                  annotation_clip=False, va="bottom",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    named = axes.get_legend_handles_labels()[1]
    for name in (name for name in COLOURS if name in line["seconds"]):
        low, median, high = (value / ours for value in quartiles(line["seconds"][name]))
        text, fits = f"{1e3 * median * ours:.4g} ms", high <= REACH
        axes.barh(place, median if fits else REACH, 0.84, color=COLOURS[name],
                  label=None if name in named else name,
                  xerr=[[median - low], [high - median]] if fits else None,
                  error_kw={"elinewidth": 0.9, "capsize": 1.5, "ecolor": "#333333"})
        axes.annotate(text if fits else f"{text}, {median:.1f} times", (min(high, REACH), place),
                      (4, 0), va="center", textcoords="offset points", fontsize=8)
        place += 1
    return place + 1.5


def draw(lines, facts, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plot
    plot.rcParams.update({"font.family": "DejaVu Sans", "font.size": 9})
    bars = sum(len(line["seconds"]) for line in lines)
    figure, axes = plot.subplots(figsize=(8, 1.5 + 0.27 * bars + 0.3 * len(lines)))
    place = 0.0
    for line in lines:
        place = draw_line(axes, line, place)
    axes.axvline(1, color=COLOURS[OURS], linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    axes.set(ylim=(place - 1.9, -1.8), xlim=(0, axes.get_xlim()[1] * 1.12), yticks=[],
             xlabel="time for a batch, as a multiple of Espalier's (shorter is faster)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="upper center", ncols=min(4, len(names)), frameon=False,
                  fontsize=9)
    rows = (len(names) + 3) // 4
    figure.text(0.01, 0.005, facts, fontsize=6.5, color="#555555")
    figure.tight_layout(rect=(0, 0.02, 1, 1 - (0.15 + 0.2 * rows) / figure.get_figheight()))
    figure.savefig(path, dpi=200)
