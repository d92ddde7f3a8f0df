"""What scripts/peers_gpu found, as a table in Markdown and as JSON."""
import json
import statistics

from quartiles import milliseconds, quartiles

OURS = "Espalier"


def table(rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def of_models(lines):
    engines = list(lines[0]["seconds"])
    rows = [["", *engines, "best peer", "peer / ours"], ["---", *["---:"] * len(engines), "---", "---:"]]
    for line in lines:
        seconds = line["seconds"]
        best = min((name for name in engines if name != OURS), key=lambda name: statistics.median(seconds[name]))
        low, median, high = quartiles([theirs / ours for ours, theirs in zip(seconds[OURS], seconds[best])])
        rows.append([line["title"], *(milliseconds(seconds[name]) for name in engines), best,
                     f"**{median:.2f}** ({low:.2f}–{high:.2f})"])
    return f"{table(rows)}\n\nMilliseconds, median and quartiles; the ratio is the median over rounds.\n"


def of_gemms(results):
    rows = [["product", "by", "ms", "spread", "Top/s", "as fast as the library"],
            ["---", "---", "---:", "---:", "---:", "---:"]]
    for one in results:
        versus = one.get("versus_baseline")
        rows.append([one["name"], one["way"], f"{1e3 * one['median_seconds']:.4g}", f"{100 * one['spread']:.1f} %",
                     f"{1e-3 * one['Gop/s']:.1f}", f"**{versus:.2f}**" if versus else "–"])
    return table(rows) + "\n"


def markdown(found):
    context = found["context"]
    parts = [f"On {context['gpu']}, {context['cublas'] or 'without cuBLAS'}. Verified, then timed in turns.\n"]
    if found["lines"]:
        parts.append(of_models(found["lines"]))
    if found["gemm"]:
        parts.append(of_gemms(found["gemm"]))
    return "\n".join(parts)


def save(found, folder):
    (folder / "peers_gpu.md").write_text(markdown(found))
    (folder / "peers_gpu.json").write_text(json.dumps(found, indent=1))
