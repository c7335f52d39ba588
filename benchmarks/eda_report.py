"""A report of a CSV file of 1 M rows and 20 columns, beside fg-data-profiling's defaults and skrub's.

``COUTURE_BENCHMARK_ROWS`` is another number of rows. skrub is installed into a folder of the benchmark's own;
all else that the others need stands in the data runtime.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.eda_data import Run, measured, ours, table
from benchmarks.measure import Result
from couture_workflow.services.runtimes import installed

ROWS = int(os.environ.get("COUTURE_BENCHMARK_ROWS", "1000000"))
ROUNDS = 2
_SKRUB = "skrub==0.11.0"

_LIBRARY = """
import sys, pandas
from data_profiling import ProfileReport
ProfileReport(pandas.read_csv(sys.argv[1]), progress_bar=False).to_file(sys.argv[2])
"""
_TABLE_REPORT = """
import sys, pandas
sys.path.append(sys.argv[3])
from skrub import TableReport
open(sys.argv[2], "w").write(TableReport(pandas.read_csv(sys.argv[1]), verbose=0).html())
"""


def run() -> list[Result]:
    """Make all three in turn."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as name:
        folder = Path(name)
        source = table(folder / "table.csv", ROWS)
        skrub = folder / "skrub"
        subprocess.run(
            [installed.data(), "-m", "pip", "install", "-q", "--no-deps", "--target", str(skrub), _SKRUB],
            check=True,
        )
        found: dict[str, list[Run]] = {"ours": [], "library": [], "skrub": []}
        for _ in range(ROUNDS):
            found["ours"].append(ours(source, folder / "ours"))
            found["library"].append(_other(_LIBRARY, source, folder / "library.html"))
            found["skrub"].append(_other(_TABLE_REPORT, source, folder / "skrub.html", str(skrub)))
    return _results(found)


def _other(code: str, source: Path, target: Path, *more: str) -> Run:
    env = {**os.environ, "YDATA_PROFILING_NO_ANALYTICS": "1", "MPLBACKEND": "agg"}
    return measured(target.stem, [installed.data(), "-c", code, str(source), str(target), *more], env=env)


def _results(found: dict[str, list[Run]]) -> list[Result]:
    seconds = {name: median(each.seconds for each in runs) for name, runs in found.items()}
    cpu = {name: median(each.cpu for each in runs) for name, runs in found.items()}
    memory = {name: max(each.memory for each in runs) / 1024**2 for name, runs in found.items()}
    words = {name: f"{seconds[name]:.1f} s ({cpu[name]:.1f} s of CPU)" for name in found}
    return [
        Result(
            f"report of {ROWS:,} rows and 20 columns over fg-data-profiling (speed)",
            words["ours"],
            f"its defaults {words['library']}",
            seconds["library"] / seconds["ours"],
            10,
            at_least=True,
        ),
        Result(
            "its peak memory",
            f"{memory['ours']:.0f} MiB",
            f"its defaults {memory['library']:.0f} MiB",
            memory["ours"] / memory["library"],
            0.25,
        ),
        Result(
            "the same over skrub.TableReport",
            words["ours"],
            f"{words['skrub']}, {memory['skrub']:.0f} MiB",
            seconds["ours"] / seconds["skrub"],
            1.0,
        ),
    ]
