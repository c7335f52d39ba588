"""Data that reports are made of, and one run of a command with its time and its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import couture_workflow
from benchmarks.measure import in_fresh_process
from couture_workflow.services.runtimes import installed

CHILD = Path(couture_workflow.__file__).parent / "runtimes" / "eda_child.py"

#: Twenty columns: numbers of all kinds, few and many categories, texts, dates, booleans; some are missing.
_TABLE = """
import duckdb, sys
rows, target, more = int(sys.argv[1]), sys.argv[2], sys.argv[3]
connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB", "temp_directory": target + ".tmp"})
connection.execute("select setseed(0.5)")
connection.execute(f'''COPY (SELECT i AS id, round(random() * 1000, 3) AS f1,
CASE WHEN random() < 0.05 THEN NULL ELSE random() * random() END AS f2, -ln(1 - random()) AS f3,
round(exp(random() * 10), 2) AS f4, CASE WHEN random() < 0.3 THEN NULL ELSE random() - 0.5 END AS f5,
sqrt(random()) * 100 AS f6, (random() * 100)::INTEGER AS i1, (random() * 100000)::INTEGER AS i2,
(random() * 5)::INTEGER AS i3, CASE WHEN random() < 0.9 THEN 0 ELSE (random() * 1e9)::BIGINT END AS i4,
['red', 'green', 'blue', 'black', 'white'][1 + (random() * 4)::INTEGER] AS c1,
'city ' || (random() * random() * 500)::INTEGER AS c2,
CASE WHEN random() < 0.1 THEN NULL ELSE 'C' || (random() * 20)::INTEGER END AS c3,
'customer ' || (random() * 1e7)::INTEGER AS t1,
'the quick fox number ' || (random() * 1e6)::INTEGER || ' jumps over the lazy dog' AS t2,
DATE '2020-01-01' + (random() * 1500)::INTEGER AS d1,
TIMESTAMP '2021-01-01' + to_seconds((random() * 1e8)::BIGINT) AS d2,
random() < 0.3 AS b1, CASE WHEN random() < 0.01 THEN NULL ELSE random() < 0.5 END AS b2
FROM range({rows}) t(i)) TO '{target}' {more}''')
"""
#: A wide table: numbers, integers, categories and booleans in turn.
_WIDE = """
import numpy, pyarrow, pyarrow.parquet, sys
rows, columns, target = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
chance = numpy.random.default_rng(1)
words = numpy.array(["red", "green", "blue", "black"])
makers = [lambda: chance.random(rows), lambda: chance.integers(0, 1000, rows),
          lambda: words[chance.integers(0, 4, rows)], lambda: chance.random(rows) < 0.5]
table = pyarrow.table({f"column {n}": pyarrow.array(makers[n % 4]()) for n in range(columns)})
pyarrow.parquet.write_table(table, target)
"""
#: Runs a command and prints its seconds, its CPU seconds and its peak memory in bytes.
_MEASURED = """
import json, resource, subprocess, sys, time
asked = json.loads(sys.argv[1])
start = time.perf_counter()
done = subprocess.run(
    asked["command"], input=asked["input"], text=True, capture_output=True, env=asked["env"]
)
seconds = time.perf_counter() - start
if done.returncode:
    sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


@dataclass(frozen=True)
class Run:
    """What one run of a command took: seconds, seconds of CPU, bytes at its peak."""

    seconds: float
    cpu: float
    memory: int

    def told(self) -> str:
        """Return all three in words."""
        return f"{self.seconds:.1f} s, {self.cpu:.1f} s of CPU, {self.memory / 1024**2:.0f} MiB"


def table(path: Path, rows: int) -> Path:
    """Write a table of 20 columns as CSV or Parquet, by the ending of its name."""
    _told(path, rows, 20)
    more = "(HEADER)" if path.suffix == ".csv" else "(FORMAT parquet)"
    command = [installed.data(), "-I", "-c", _TABLE, str(rows), str(path), more]
    subprocess.run(command, check=True, capture_output=True)
    return path


def wide(path: Path, rows: int, columns: int) -> Path:
    """Write a table of many columns as Parquet."""
    _told(path, rows, columns)
    command = [installed.data(), "-I", "-c", _WIDE, str(rows), str(columns), str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def _told(path: Path, rows: int, columns: int) -> None:
    print(f"  writing {path.name}: {rows:,} rows, {columns:,} columns", file=sys.stderr, flush=True)


def measured(name: str, command: list[str], text: str = "", *, env: dict[str, str] | None = None) -> Run:
    """Run a command once, and tell at once what it took, which is known even if others never end."""
    asked = {"command": command, "input": text, "env": env}
    run = Run(*json.loads(in_fresh_process(_MEASURED, json.dumps(asked))))
    print(f"  {name}: {run.told()}", file=sys.stderr, flush=True)
    return run


def ours(path: Path, folder: Path, *, memory: int = 1536 * 1024**2) -> Run:
    """Make our report of a file, as a run does."""
    folder.mkdir(exist_ok=True)
    source = {"kind": "file", "path": str(path), "name": path.name, "format": "auto", "reading": {}}
    request = {
        "verb": "profile",
        "source": source,
        "folder": str(folder),
        "limits": {"memory": memory, "threads": 2},
    }
    name = f"our report of {path.name}, {path.stat().st_size / 1024**2:,.0f} MiB"
    return measured(name, [installed.data(), "-I", str(CHILD)], json.dumps(request))
