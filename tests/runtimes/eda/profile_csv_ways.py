"""Run by the data runtime: reads CSV files the quick way and by way of texts, and says what it finds.

Arguments: the folder of the package ``eda``, a folder for temporary files. Prints JSON: case -> whether the
quick way was taken, and the columns and rows of both ways.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

from eda import opening, protocol, table
from eda.files import csv_direct

_LINES = [
    f"{place},{place / 8},w{place % 3},2024-01-{place % 28 + 1:02d},{place % 2 == 0}" for place in range(300)
]
_HEAD = "id,x,word,day,yes\n"
PLAIN = _HEAD + "\n".join(_LINES) + "\n"
CASES: dict[str, bytes] = {
    "plain": PLAIN.encode(),
    "windows line ends": PLAIN.replace("\n", "\r\n").encode(),
    "quoted": (
        'a,b,"c ""d"""\n' + '1,"x, y\nz",2024-01-01 10:00:00\n,"",2024-01-02 11:00:00\n' * 50
    ).encode(),
    "no header": "\n".join(_LINES).encode(),
    "title": ("A title\n" + PLAIN).encode(),
    "words for null": ("a,b\n" + "1,NA\nNA,2.5\n3,x\n" * 40).encode(),
    "decimal comma": ("a;b\n" + "1;1,5\n2;2,25\n" * 50).encode(),
    "an empty column": ("a,odd,c\n" + "1,,x\n2,,y\n" * 50).encode(),
    "unicode": ("n\u00e4me,\u05d0\n" + "1,\U0001f600\n2,\u202ex\n" * 50).encode(),
    "header alone": _HEAD.encode(),
    "two kinds of line ends": PLAIN.replace("\n", "\r\n", 9).encode(),
    "a bad line": (PLAIN + "1,2\n" + "\n".join(_LINES) + "\n").encode(),
    "windows-1252": PLAIN.replace("w1", "w\u00e4").encode("cp1252"),
    "late": b"",
    "late word": b"",
    "late value": b"",
    "late text": b"",
}
#: Rows that come after the beginning, which has a MiB; each is the only odd one.
_LATE = {
    "late": "9999999,1.25,w,2024-02-29,true\n",
    "late word": "NA,1.25,w,2024-02-29,true\n",
    "late value": "007,1.25,w,2024-02-29,true\n",
    "late text": "9999999,1.25,w,2024-02-30,true\n",
}
for _name, _row in _LATE.items():
    CASES[_name] = (_HEAD + "\n".join(_LINES * 200) + "\n" + _row).encode()


def read(path: Path, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Return what a file is read as."""
    taken: list[bool] = []
    make, may_be = csv_direct.table, csv_direct.may_be

    def told(*arguments: Any, **more: Any) -> Any:
        found = make(*arguments, **more)
        taken.append(found is not None)
        return found

    csv_direct.table = told
    csv_direct.may_be = may_be if quick else lambda *arguments: False
    (folder / "tmp").mkdir(parents=True)
    channel = protocol.Messages(_SAID.fileno())
    source = {"kind": "file", "path": str(path), "name": path.name, "format": "csv", "reading": {}}
    try:
        with opening.open_table(source, folder, {"memory": 1024**3}, channel) as found:
            listed = ", ".join(table.quoted(column.name) for column in found.columns)
            described = [column.type for column in table.described(found.connection, found.relation)]
            summed = found.connection.execute(
                f"SELECT count(*), sum(hash({listed})) FROM {found.relation}"
            ).fetchall()
            first = found.connection.execute(f"SELECT * FROM {found.relation} LIMIT 5").fetchall()
            return {
                "taken": taken,
                "columns": [[column.name, column.type, column.kind] for column in found.columns],
                "described": described,
                "rows": repr([*summed, *first]),
                "reading": dict(found.reading),
                "bad": found.bad["count"],
            }
    finally:
        csv_direct.table, csv_direct.may_be = make, may_be


_SAID = Path("/dev/null").open("w")
answers = {}
for place, (name, content) in enumerate(CASES.items()):
    file = Path(sys.argv[2]) / f"{place}.csv"
    file.write_bytes(content)
    answers[name] = [
        read(file, Path(sys.argv[2]) / f"{place}{way}", quick=way == "quick") for way in ("quick", "slow")
    ]
json.dump(answers, sys.stdout)
