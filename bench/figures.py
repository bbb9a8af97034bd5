"""How figures are printed: one JSON line each, with the spread, and ratios between two subjects of the same run."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence


def figure(bench: str, unit: str, values: Sequence[float], *, subject: str = "", note: str = "") -> float:
    """Print one figure; gives its median."""
    median = statistics.median(values)
    line = {
        "bench": bench,
        "unit": unit,
        "median": _short(median),
        "min": _short(min(values)),
        "max": _short(max(values)),
        "runs": len(values),
    }
    if subject:
        line["subject"] = subject
    if note:
        line["note"] = note
    print(json.dumps(line), flush=True)
    return median


def ratios(bench: str, medians: dict[str, float]) -> None:
    """Print how the first subject stands to the second."""
    if len(medians) == 2:
        (first, one), (second, other) = medians.items()
        print(json.dumps({"bench": bench, "ratio": f"{first} / {second}", "value": _short(one / other)}), flush=True)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
