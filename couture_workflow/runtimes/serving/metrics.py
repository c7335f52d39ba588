"""Counts and times of requests: for Prometheus as TensorFlow Serving writes them, and as JSON for pages."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, deque
from typing import Any

from .status import NAMES, OK

#: Microseconds: from 10 by 1.8, as in TensorFlow Serving.
_BOUNDS = [10 * 1.8**power for power in range(32)]
_KEPT = 1000


class Recent:
    """Requests of one version: how many, how many failed, and how long the last thousand took."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self._seconds: deque[float] = deque(maxlen=_KEPT)

    def add(self, seconds: float, *, failed: bool) -> None:
        """Count one request; a failed one has no time worth knowing."""
        self.requests += 1
        if failed:
            self.errors += 1
        else:
            self._seconds.append(seconds)

    def as_json(self) -> dict[str, Any]:
        """Return counts and milliseconds."""
        times = sorted(self._seconds)

        def at(share: float) -> float | None:
            return round(times[min(int(len(times) * share), len(times) - 1)] * 1000, 3) if times else None

        return {"requests": self.requests, "errors": self.errors, "p50_ms": at(0.5), "p95_ms": at(0.95)}


class _Histogram:
    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, microseconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, microseconds)] += 1
        self.total += microseconds


class Metrics:
    """What the whole server counted since its start. Models that are not served are counted as one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[tuple[str, int]] = Counter()
        self._request: dict[tuple[str, str, str], _Histogram] = {}
        self._runtime: dict[tuple[str, str, str], _Histogram] = {}

    def request(self, model: str, api: str, entrypoint: str, *, code: int, seconds: float) -> None:
        """Count one request and, if it succeeded, its time."""
        with self._lock:
            self._count[model, code] += 1
            if code == OK:
                _add(self._request, (model, api, entrypoint), seconds)

    def runtime(self, model: str, api: str, engine: str, seconds: float) -> None:
        """Count the time that an engine took."""
        with self._lock:
            _add(self._runtime, (model, api, engine), seconds)

    def prometheus(self) -> str:
        """Return all as Prometheus reads it."""
        lines = ["# TYPE :tensorflow:serving:request_count counter"]
        with self._lock:
            for (model, code), count in sorted(self._count.items()):
                labels = _labels(model_name=model, status=NAMES.get(code, "UNKNOWN"))
                lines.append(f":tensorflow:serving:request_count{{{labels}}} {count}")
            lines += _histograms("request_latency", self._request, ("model_name", "API", "entrypoint"))
            lines += _histograms("runtime_latency", self._runtime, ("model_name", "API", "runtime"))
        return "\n".join(lines) + "\n"


def _add(found: dict[tuple[str, str, str], _Histogram], key: tuple[str, str, str], seconds: float) -> None:
    if (histogram := found.get(key)) is None:
        histogram = found[key] = _Histogram()
    histogram.add(seconds * 1e6)


def _labels(**labels: str) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histograms(
    name: str, found: dict[tuple[str, str, str], _Histogram], labels: tuple[str, str, str]
) -> list[str]:
    lines = [f"# TYPE :tensorflow:serving:{name} histogram"]
    for key, histogram in sorted(found.items()):
        text = _labels(**dict(zip(labels, key, strict=True)))
        metric, seen = f":tensorflow:serving:{name}", 0
        for bound, count in zip([*_BOUNDS, None], histogram.counts, strict=True):
            seen += count
            limit = "+Inf" if bound is None else f"{bound:g}"
            lines.append(f'{metric}_bucket{{{text},le="{limit}"}} {seen}')
        lines.append(f"{metric}_sum{{{text}}} {histogram.total:g}")
        lines.append(f"{metric}_count{{{text}}} {seen}")
    return lines
