"""Run by the data runtime's Python: profiles tables that are special, and writes both reports of each.

Arguments: the folder of the package ``eda``, a folder for the reports. Prints JSON: case -> profile.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import duckdb
from eda import profile, table
from eda.report import light, page
from eda.statistics import json_values, sample, whole_rows

EVIL = """a'b"<img src=x onerror="window.hacked=1">&/../\u00fc</title><script>window.hacked=2</script>"""


def text(words: str) -> str:
    """Return a literal of SQL."""
    return "'" + words.replace("'", "''") + "'"


def name(words: str) -> str:
    """Return an identifier of SQL."""
    return '"' + words.replace('"', '""') + '"'


CASES = {
    "no rows": "select 1::bigint a, 'x' b, 1.5::double c, date '2020-01-01' d, true e where false",
    "nulls": "select null::bigint a, null::varchar b, null::double c, null::date d, null::boolean e, null f, "
    "null::blob g, null::int[] h from range(10)",
    "one row": "select 1::bigint a, 'x' b, 1.5::double c, date '2020-01-01' d, true e, time '10:00' f",
    "not finite": "select unnest(['nan'::double,'inf','-inf',1.5,null,2]) a, 'nan'::double b, "
    "'inf'::double c, "
    "unnest([1e308,-1e308,1e300,0,1,2]) d, "
    "unnest(['infinity'::date,'-infinity'::date,date '2020-01-01',null,null,null]) e, "
    "unnest(['infinity'::timestamp,timestamp '2020-01-01',null,null,null,null]) f",
    "old": "select date '0001-01-01' + (i*1000)::int a, date '2000-01-01'-(i*8000)::int b, "
    "timestamp '1700-01-01'+interval (i) hour c, timestamptz '1900-01-01' d, timestamp_ns '1970-01-01' e, "
    "interval (i) day f, make_timestamp(-210000000000000000) g, "
    "('1900-01-01 00:00:00.123456789'::timestamp_ns + interval (i) hour)::timestamptz_ns h "
    "from range(50) t(i)",
    "huge": "select i::hugeint*170141183460469231731687303715884105 a, 9007199254740993+i b, "
    "(i*1.5)::decimal(38,10)+1234567890123456789012345678 c, "
    "i::uhugeint*340282366920938463463374607431768211 d, "
    "99999999999999999999999999999999999999::decimal(38,0) e from range(1000) t(i)",
    "constant": "select 5 a, 'x' b, 1.5::double c, date '2020-01-01' d, true e, "
    "1e300::double f from range(100)",
    "nested": "select {'a':i%3} a, [i%2,2] b, map([i%2],['v']) c, 'abc'::blob d, '1010'::bit e, uuid() f, "
    "(case i%3 when 0 then 'p' else 'q' end)::enum('p','q') g, '{\"a\":1}'::json h from range(100) t(i)",
    "unicode": "select unnest(['\U0001f600\U0001f600','\u0645\u0631\u062d\u0628\u0627',"
    "'\u05e9\u05dc\u05d5\u05dd',"
    "'\u202eabc',chr(0)||'x','',' ']) " + name("\U0001f600 \u0627\u0644\u0639\u0645\u0648\u062f"),
    "names": "select 1 "
    + ", ".join(
        f"{place} {name(words)}"
        for place, words in enumerate(("index", "df_index", "n", "type", "a\nb", 'it\'s "q"', "v", "c0", "h"))
    ).removeprefix("0 "),
    "hostile": f"select {text(EVIL)}||(i%3) {name(EVIL)}, case when i%2=0 then {text(EVIL)} end "
    f"{name('</script><svg onload=window.hacked=3>')}, i%7 {name('javascript:alert(1)')}, "
    f"i*2 {name(chr(34) + ' onmouseover=' + chr(34) + 'window.hacked=4')}, [{text(EVIL)}] {name('n' + EVIL)} "
    "from range(100) t(i)",
    "long": "select case when i < 2 then repeat(chr(120 + i::int), 20000000) else 'short'||i%3 end a, "
    "case when i < 2 then repeat('z', 5000000)::blob end b, [repeat('q', 2000000)] c from range(20) t(i)",
    "beyond": "select case when i = 0 then -1.7e308 else 1.7e308 end a, 1.7e308 b, i * 1e160 c "
    "from range(4) t(i)",
    "wide": "select "
    + ", ".join(f"i % {place + 2} c{place}" for place in range(70))
    + " from (select unnest(range(20)) i union all select unnest(range(5)))",
    "related": "select i a, -i * i b, (i * 7919) % 100 c, 'k' || i % 4 d, i % 4 < 2 e, 'k' || (i * 31) % 5 f "
    "from range(100) t(i)",
    "many": "select i a, i / 7 b, date '1900-01-01' + i::int c, "
    "timestamp '1900-01-01' + interval (i) hour d, "
    "timestamptz '1900-01-01 00:00+00' + interval (i) minute e from range(30000) t(i)",
    "duplicates": "select i % 10 a, (i % 10)::varchar b, "
    "case when i % 10 < 5 then 'x' end c from range(100) t(i)",
}


class Quiet:
    """A channel that nobody listens to."""

    def stage(self, name: str, **more: Any) -> None:
        """Tell nobody."""

    def warning(self, sentence: str) -> None:
        """Fail: no report of these is a lesser one."""
        raise AssertionError(sentence)


def main() -> None:
    """Profile all of them; the wide one as if it were much wider."""
    found = {}
    for case, statement in CASES.items():
        whole_rows._WIDE = whole_rows._LACKING = 60 if case == "wide" else 1_000
        sample._TOGETHER = whole_rows._TOGETHER = 20 if case == "wide" else 100
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"create table t as {statement}")
        there = table.Table(connection, "t", table.described(connection, "t"))
        request = {"source": {"kind": "file", "name": EVIL}, "about": {"by": EVIL, "when": EVIL}}
        request |= {"limits": {"memory": 2**20}} if case == "many" else {}  # too little to sort by
        made, taken = profile._of_table(there, request, Quiet())
        folder = Path(sys.argv[2]) / case.replace(" ", "_")
        folder.mkdir()
        json_values.write(folder / "profile.json", made)
        page.write(made, taken, folder / "report.html", on_warning=Quiet().warning)
        light.write(made, taken, folder / "light.html")
        found[case] = json.loads((folder / "profile.json").read_text())
        connection.close()
    json.dump(found, sys.stdout)


main()
