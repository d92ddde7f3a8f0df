"""Medians and how far their samples lie apart."""
import statistics


def quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")


def spread(values):
    """Half the distance between the quartiles, relative to the median."""
    low, median, high = quartiles(values)
    return (high - low) / 2 / median


def milliseconds(values):
    """Of seconds: the median, and its quartiles."""
    low, median, high = quartiles(values)
    return f"{1e3 * median:.4g} ({1e3 * low:.4g}–{1e3 * high:.4g})"
