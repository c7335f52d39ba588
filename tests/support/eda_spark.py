"""Files that Spark and DuckDB both profile, and where the two profiles differ."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.eda import child
from couture_workflow.services.runtimes import installed

HOSTILE = "a'b\"<&>/../ü.`x`\n<script>alert(1)</script>"

#: Makes the files; runs in the runtime that has DuckDB.
MAKE = """
import os, sys, duckdb
folder, hostile = sys.argv[1:]
connection = duckdb.connect()
connection.execute('''
    create table rows as select
        (i * 7919 % 1000)::int as number,
        case when i % 11 = 0 then null else (i % 13) / 4.0::double end as ties,
        case when i % 50 = 0 then 'nan'::double when i % 51 = 0 then 'inf'::double
             when i % 52 = 0 then '-inf'::double else sin(i) * 100 end as odd,
        case when i % 9 = 0 then null else (i % 5)::varchar || 'é😀"<b>' end as category,
        'row ' || i as text, (i % 3 = 0) as flag,
        date '1850-01-01' + (i % 400)::int as day,
        timestamp '1899-12-31 23:00:00' + interval (i * 1000003) microsecond as moment,
        null::int as nothing, ('a' || (i % 4))::blob as bytes,
        [i % 3, null] as list, {'x': i % 2, 'y': 'b'} as struct, map {'k': i % 2} as map,
        ((i % 1000) - 500)::decimal(20, 3) / 8::decimal(3, 0) as quotient,
        ((i % 77) - 5)::decimal(18, 3) as price,
        9007199254740993 + i as big, -9223372036854775807 + (i % 2) as huge,
        (i % 10)::float / 3 as single, 0.1::double as constant
    from range(2000) t(i)
''')
quoted = '"' + hostile.replace('"', '""') + '"'
path = folder + "/table.parquet"
connection.execute(
    f"copy (select *, number as {quoted} from rows "
    f"union all select *, number from rows limit 2010) to '{path}'"
)
connection.execute(f"copy (select * from rows limit 0) to '{folder}/none.parquet'")
connection.execute(
    "copy (select number, ties, category, flag, day, moment, lpad((number % 50)::varchar, 3, '0') as zip, "
    f"big, nothing from rows) to '{folder}/table.csv'"
)
connection.execute(f"copy (select number, category, struct from rows limit 20) to '{folder}/table.json'")
"""

#: What is named otherwise, is a choice of its own, is written otherwise by each engine, or not told by Spark.
OTHERWISE = {"about", "alerts", "engine", "kind", "reading", "sample", "source", "left_out", "bytes"}
OTHERWISE |= {"associations", "duplicate_rows"}
#: Numbers of a column that Spark does not tell.
OF_DUCKDB = ("mad", "monotonic", "length_histogram")


def make_files(folder: Path) -> None:
    """Make the files in a folder; skip where the runtime that has DuckDB is not installed."""
    try:
        python = installed.data()
    except RuntimeMissingError as error:
        pytest.skip(f"needs the runtime for data: {error}")
    subprocess.run([python, "-c", MAKE, str(folder), HOSTILE], check=True)


def by_duckdb(path: Path, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    request = {
        "verb": "profile",
        "source": {"kind": "file", "path": str(path), "name": path.name, "format": "auto", "reading": {}},
        "sensitive": [],
        "sample_rows": 100,
        "folder": str(folder),
        "about": {},
    }
    child.run_child(request, on_message=lambda _: None)
    return dict(json.loads((folder / "profile.json").read_text(encoding="utf-8")))


def differences(one: Any, two: Any, where: str = "") -> list[str]:
    """Return where two parts of profiles differ; floats may differ in their last digits."""
    if isinstance(one, dict) and isinstance(two, dict):
        keys = sorted(one.keys() | two.keys())
        return [each for key in keys for each in differences(one.get(key), two.get(key), f"{where}/{key}")]
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        pairs = enumerate(zip(one, two, strict=True))
        return [each for place, (a, b) in pairs for each in differences(a, b, f"{where}/{place}")]
    if isinstance(one, float) and isinstance(two, int | float):
        return [] if math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9) else [f"{where}: {one} {two}"]
    return [] if one == two else [f"{where}: {one!r} {two!r}"]


def comparable(column: Mapping[str, Any]) -> dict[str, Any]:
    left = {"type", "cdf", *OF_DUCKDB} | ({"top"} if column["kind"] == "nested" else set())
    return {key: value for key, value in column.items() if key not in left}
