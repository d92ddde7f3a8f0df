"""What scripts/peers found, as a table in Markdown and as a picture."""
import statistics

OURS = "Espalier"
COLOURS = {OURS: "#1b6e53", "onnxruntime": "#c98a2b", "OpenVINO": "#3f6fb5",
           "PyTorch eager": "#b7a6cf", "PyTorch compiled": "#7d5fa8"}

NOTES = """Milliseconds a batch: median and quartiles of {rounds} rounds or more, in which the engines
take turns; a ratio is the median over rounds. On one thread a time is the process's processor time,
on more the time that passed. Every output agreed with ours, within a bound, before it was timed; in
int8 each was held against the fp32 logits.
Each peer takes the batch whole or in pieces, whichever is faster."""


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")


def spread(values):
    """Half the distance between the quartiles, relative to the median."""
    low, median, high = quartiles(values)
    return (high - low) / 2 / median


def best_peer(line):
    peers = [name for name in line["seconds"] if name != OURS]
    return min(peers, key=lambda name: statistics.median(line["seconds"][name]))


def ratios(line):
    """Our seconds over the best peer's, round by round."""
    return [ours / theirs for ours, theirs
            in zip(line["seconds"][OURS], line["seconds"][best_peer(line)])]


def title(line):
    plural = "s" if line["threads"] > 1 else ""
    return (f"{line['what']}, {line['dtype']}, batch {line['batch']}, "
            f"{line['threads']} thread{plural}")


def milliseconds(values):
    low, median, high = quartiles(values)
    return f"{1e3 * median:.4g} ({1e3 * low:.4g}–{1e3 * high:.4g})"


def markdown(lines, facts):
    engines = [name for name in COLOURS if any(name in line["seconds"] for line in lines)]
    rows = [["", *engines, "best peer", "ours / best peer"],
            ["---", *["---:"] * len(engines), "---", "---:"]]
    for line in lines:
        cells = [milliseconds(line["seconds"][name]) if name in line["seconds"] else "–"
                 for name in engines]
        low, median, high = quartiles(ratios(line))
        rows.append([title(line), *cells, best_peer(line), f"**{median:.2f}** ({low:.2f}–{high:.2f})"])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{table}\n\n{NOTES.format(rounds=min(line['rounds'] for line in lines))} {facts}\n"


def draw(lines, facts, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plot
    plot.rcParams.update({"font.family": "DejaVu Sans", "font.size": 9})
    bars = sum(len(line["seconds"]) for line in lines)
    figure, axes = plot.subplots(figsize=(8, 1.3 + 0.27 * bars + 0.3 * len(lines)))
    place, named, most = 0.0, set(), 1.0
    for line in lines:
        ours = statistics.median(line["seconds"][OURS])
        top = place
        for name in (name for name in COLOURS if name in line["seconds"]):
            low, median, high = (value / ours for value in quartiles(line["seconds"][name]))
            axes.barh(place, median, 0.84, color=COLOURS[name], label=None if name in named else name,
                      xerr=[[median - low], [high - median]],
                      error_kw={"elinewidth": 0.9, "capsize": 1.5, "ecolor": "#333333"})
            axes.annotate(f"{1e3 * median * ours:.4g} ms", (high, place), (4, 0), va="center",
                          textcoords="offset points", fontsize=8)
            named.add(name)
            most = max(most, high)
            place += 1
        axes.annotate(title(line), (0, top), (0, 9), textcoords="offset points", fontsize=9,
                      fontweight="bold", annotation_clip=False, va="bottom",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        place += 1.5
    axes.axvline(1, color=COLOURS[OURS], linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    axes.set(ylim=(place - 1.9, -1.8), xlim=(0, most * 1.16), yticks=[],
             xlabel="time for a batch, as a multiple of Espalier's (shorter is faster)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="upper center", ncols=len(named), frameon=False, fontsize=9)
    figure.text(0.01, 0.005, facts, fontsize=6.5, color="#555555")
    figure.tight_layout(rect=(0, 0.02, 1, 1 - 0.35 / figure.get_figheight()))
    figure.savefig(path, dpi=200)
