"""A data frame on its way from task to task: what it costs to write it and to read it.

1 M rows and 20 columns of pandas: floats, integers, times, categories, texts. Each way writes it in a fresh
process and reads it in another, as two tasks do; what is measured is from the frame in memory to where the
next process finds it, and back. Airflow's default is measured without its API server: the value is put into
SQLite directly, so it costs more in truth. Redis has the pickled frame, and is on this machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import Result, in_fresh_process, in_turn
from tests.support.servers import end, free_port

ROWS = 1_000_000
ROUNDS = 3

_FRAME = """
import json, resource, sys, time
import numpy, pandas, pyarrow.parquet
where, rows = sys.argv[1], int(sys.argv[2])

def frame():
    random = numpy.random.default_rng(16)
    columns = {f"f{n}": random.normal(size=rows) for n in range(10)}
    columns |= {f"i{n}": random.integers(0, 10**6, rows) for n in range(4)}
    start = pandas.Timestamp("2026-01-01", tz="UTC")
    seconds = lambda: pandas.to_timedelta(random.integers(0, 10**7, rows), unit="s")
    columns |= {f"t{n}": start + seconds() for n in range(2)}
    shops = [f"shop {n}" for n in range(200)]
    codes = lambda most: random.integers(0, most, rows)
    columns |= {f"c{n}": pandas.Categorical.from_codes(codes(200), shops) for n in range(2)}
    words = numpy.array([f"word {n} of many" for n in range(50_000)], dtype=object)
    columns |= {f"s{n}": pandas.Series(words[codes(50_000)], dtype="str") for n in range(2)}
    return pandas.DataFrame(columns)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def measured(call):
    wall, cpu, before = time.perf_counter(), time.process_time(), peak()
    found = call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return found, {"wall": wall, "cpu": cpu, "memory": peak() - before}
"""

_WAYS = {
    "ours": """
from airflow.sdk.bases.xcom import BaseXCom
from couture_workflow.xcom import CoutureXCom
from types import SimpleNamespace
def write(value):
    stored = CoutureXCom.serialize_value(value, key="k", dag_id="d", run_id="r", task_id="t")
    open(f"{where}/reference", "w").write(json.dumps(stored))
    return stored["bytes"]
def read():
    return CoutureXCom.deserialize_value(SimpleNamespace(value=json.load(open(f"{where}/reference"))))
""",
    "default": """
from airflow.sdk.bases.xcom import BaseXCom
from types import SimpleNamespace
import sqlite3
def write(value):
    text = json.dumps(BaseXCom.serialize_value(value))
    with sqlite3.connect(f"{where}/airflow.db") as database:
        database.execute("create table if not exists xcom (value text)")
        database.execute("delete from xcom")
        database.execute("insert into xcom values (?)", (text,))
    return len(text)
def read():
    with sqlite3.connect(f"{where}/airflow.db") as database:
        (text,) = database.execute("select value from xcom").fetchone()
    return BaseXCom.deserialize_value(SimpleNamespace(value=json.loads(text)))
""",
    "redis": """
import os, pickle, redis
client = redis.Redis(port=int(os.environ["REDIS_PORT"]))
def write(value):
    content = pickle.dumps(value, protocol=5)
    client.set("value", content)
    return len(content)
def read():
    return pickle.loads(client.get("value"))
""",
}
_WRITE = """
value = frame()
size, found = measured(lambda: write(value))
print(json.dumps({**found, "bytes": size}))
"""
_READ = """
value, found = measured(read)
assert value.shape == (rows, 20)
print(json.dumps(found))
"""


def run() -> Sequence[Result]:
    """Measure all ways in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        server = _redis(folder, port)
        try:
            names = list(_WAYS)
            rounds = in_turn(ROUNDS, *(lambda way=way: _way(folder, way, port) for way in names))
        finally:
            end(server, seconds=20)
    ours, default, redis = (_medians(values) for values in rounds)
    return [
        *_results("write", ours["write"], default["write"], redis["write"]),
        *_results("read", ours["read"], default["read"], redis["read"]),
        Result(
            "size of the frame, over Airflow's default",
            f"{ours['bytes'] / 2**20:.0f} MiB",
            f"JSON {default['bytes'] / 2**20:.0f} MiB, pickle {redis['bytes'] / 2**20:.0f} MiB",
            ours["bytes"] / default["bytes"],
            0.6,
        ),
    ]


def _redis(folder: Path, port: int) -> subprocess.Popen[bytes]:
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("Redis is missing. Type: sudo apt-get install --yes redis-server")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def _way(folder: Path, way: str, port: int) -> dict[str, Any]:
    settings = {"AIRFLOW__COUTURE_WORKFLOW__HOME": str(folder / "home"), "REDIS_PORT": str(port)}
    (folder / "home").mkdir(exist_ok=True)
    shutil.rmtree(folder / "home" / "xcoms", ignore_errors=True)
    found = {}
    for step, program in (("write", _WRITE), ("read", _READ)):
        code = _FRAME + _WAYS[way] + program
        found[step] = json.loads(in_fresh_process(code, str(folder), str(ROWS), env=settings))
    return found


def _medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        step: {name: median(each[step][name] for each in rounds) for name in ("wall", "cpu", "memory")}
        for step in ("write", "read")
    }
    return {**found, "bytes": rounds[0]["write"]["bytes"]}


def _results(step: str, ours: Any, default: Any, redis: Any) -> list[Result]:
    def words(found: Any) -> str:
        return f"{found['wall']:.2f} s ({found['cpu']:.2f} s CPU, {found['memory']:.0f} MiB)"

    return [
        Result(
            f"{step} a frame of 1 M x 20, over Airflow's default (wall time)",
            words(ours),
            words(default),
            ours["wall"] / default["wall"],
            0.5,
        ),
        Result(
            f"{step} it, over Redis with pickle (wall time)",
            words(ours),
            words(redis),
            ours["wall"] / redis["wall"],
            1,
        ),
    ]
