"""The ways of denoising that a run measures side by side: names in tables, prefixes in result.json."""

from collections.abc import Mapping

METHODS: Mapping[str, str] = {
    "noisy": "noisy/",
    "scalar lambda": "baseline/",
    "oracle lambda": "oracle/",
    "non-local means": "nonlocal_means/",
    "stored model": "model/",
    "learned map": "",
}
"""Name of a line -> prefix of its metrics in result.json, from nothing done to the method itself."""

LEARNED = "learned map"
NETWORK = "network, no map"  # in its place for runs with method=network
ORACLE = "oracle lambda"  # chosen with the clean image at hand: a bound, not a competitor


def bare_name(metric: str) -> str:
    """`noisy/psnr` -> `psnr`: the metric without the line that it belongs to."""
    prefix = next((prefix for prefix in METHODS.values() if prefix and metric.startswith(prefix)), "")
    return metric.removeprefix(prefix)
