"""How much memory the containers of a job on YARN ask for, as Spark counts it."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: What a container has beside the heap, at least (MiB), and as a part of the heap.
_LEAST_OVERHEAD, _OVERHEAD = 384, 0.1

_SIZE = re.compile(r"(?P<number>\d+)(?P<unit>[kmgtp]?)b?", re.IGNORECASE)
_MEBIBYTES = {"k": 1 / 1024, "m": 1, "": 1, "g": 1024, "t": 1024**2, "p": 1024**3}
_OF_PYTHON, _OFF_HEAP = "spark.executor.pyspark.memory", "spark.memory.offHeap.size"


def mebibytes(text: str, *, bare: float = 1) -> int:
    """Return an amount of memory in MiB, 0 if it is none; ``bare`` is what a number without a unit counts."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        return 0
    unit = match["unit"].lower()
    return int(int(match["number"]) * (_MEBIBYTES[unit] if unit else bare))


def containers(arguments: Mapping[str, str], settings: Mapping[str, str], *, mode: str) -> dict[str, int]:
    """Return what each kind of container asks for, in MiB.

    :param mode: "client" or "cluster": who runs in the application master.
    """
    heap = arguments.get("executor-memory") or settings.get("spark.executor.memory") or "1g"
    executor = _with_overhead(heap, settings, "spark.executor", factor="spark.executor.memoryOverheadFactor")
    executor += mebibytes(settings.get(_OF_PYTHON, ""))
    if settings.get("spark.memory.offHeap.enabled", "").lower() == "true":
        executor += mebibytes(settings.get(_OFF_HEAP, ""), bare=1 / 1024**2)
    if mode == "cluster":
        heap = arguments.get("driver-memory") or settings.get("spark.driver.memory") or "1g"
        driver = _with_overhead(heap, settings, "spark.driver", factor="spark.driver.memoryOverheadFactor")
        return {"driver": driver, "executor": executor}
    heap = settings.get("spark.yarn.am.memory") or "512m"
    return {"application master": _with_overhead(heap, settings, "spark.yarn.am"), "executor": executor}


def _with_overhead(heap: str, settings: Mapping[str, str], prefix: str, *, factor: str = "") -> int:
    memory = mebibytes(heap)
    if given := settings.get(f"{prefix}.memoryOverhead"):
        return memory + mebibytes(given)
    try:
        share = float(settings.get(factor, "") or _OVERHEAD)
    except ValueError:
        share = _OVERHEAD
    return memory + max(int(memory * share), _LEAST_OVERHEAD)
