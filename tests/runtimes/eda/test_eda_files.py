"""Files of all kinds and faults, read in the runtime as the child reads them, each as a preview and whole."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import couture_workflow
from tests.support.jupyter_runtime import jupyter_or_skip

_PACKAGE = Path(couture_workflow.__file__).parent / "runtimes"
_PROGRAM = Path(__file__).parent / "file_requests.py"
_IMAGE = Path(__file__).parents[3] / "docs/images/eda-report.png"
TEXT = 'id,name,note\n1,"Müller, Jörg","said ""hi"""\n2,Ñandú,"two\nlines"\n3,naïve,\n'
ROWS = [["1", "Müller, Jörg", 'said "hi"'], ["2", "Ñandú", "two\nlines"], ["3", "naïve", None]]
#: A Parquet file of DuckDB's is made by the test itself, in the runtime.
_PARQUET = (
    "import pyarrow, pyarrow.parquet, sys; pyarrow.parquet.write_table(pyarrow.table({'a\"b': [1, None, 3], "
    "'f': [float('nan'), float('inf'), 0.5], 'l': [[1], [], None], 'b': [b'x', None, b'']}), sys.argv[1])"
)
_NO_TEXT = (
    "import pyarrow, pyarrow.parquet, sys; "
    "texts = pyarrow.array([b'M\\xfcller'] * 3).view(pyarrow.string()); "
    "pyarrow.parquet.write_table(pyarrow.table({'t': texts}), sys.argv[1]); "
    "pyarrow.parquet.write_table(pyarrow.table({'n': range(1000)}), sys.argv[2])"
)

Read = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Run the process of the runtime that all tests ask."""
    work = tmp_path_factory.mktemp("eda") / "work"
    with subprocess.Popen(
        [jupyter_or_skip(), "-I", str(_PROGRAM), str(_PACKAGE), str(work)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


@pytest.fixture
def read(process: subprocess.Popen[str], tmp_path: Path) -> Read:
    """Return a function that writes and reads a file: the whole one, which the preview must agree with."""

    def ask(
        content: bytes | str | None, name: str = "x.csv", *, then: str = "", **source: Any
    ) -> dict[str, Any]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        request = {
            "source": {"kind": "file", "path": str(path), **source},
            "limits": {"threads": 1},
            "then": then,
        }
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        whole, preview = answer["rows"], answer["preview"]
        if "error" not in whole:
            assert "error" not in preview, preview
            assert {each["name"]: each["type"] for each in preview["columns"]} == whole["columns"]
            assert whole["columns"] == whole["described"]
            assert whole["bad"]["whole"]
            if preview["bad"]["whole"]:
                assert "BLOB" in whole["columns"].values() or preview["rows"] == whole["rows"][:50]
                assert preview["bad"] == whole["bad"]
                assert preview["rows_estimate"] == whole["count"]
            assert then or whole["changed"] == ""
        return {**whole, "preview": preview, "warnings": answer["warnings"]}

    return ask


def bad(answer: dict[str, Any]) -> list[tuple[int, str]]:
    """Return line and reason of what does not parse, of which all must be shown."""
    assert answer["bad"]["count"] == len(answer["bad"]["first"])
    return [(each["line"], each["reason"]) for each in answer["bad"]["first"]]


ENCODINGS = {
    "utf-8": (TEXT.encode(), "utf-8"),
    "utf-8 with a mark": (TEXT.encode("utf-8-sig"), "utf-8"),
    "utf-16 with a mark": (TEXT.encode("utf-16"), "utf-16"),
    "utf-16 le": (TEXT.encode("utf-16-le"), "utf-16"),
    "utf-16 be": (TEXT.encode("utf-16-be"), "utf-16"),
    "latin-1": (TEXT.encode("latin-1"), "latin-1"),
    "gzip of two members": (gzip.compress(TEXT[:30].encode()) + gzip.compress(TEXT[30:].encode()), "utf-8"),
}


@pytest.mark.parametrize("content, encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_gives_the_same_rows(read: Read, content: bytes, encoding: str) -> None:
    answer = read(content)

    assert answer["rows"] == ROWS
    assert answer["reading"]["encoding"] == encoding
    assert answer["columns"] == {"id": "BIGINT", "name": "VARCHAR", "note": "VARCHAR"}


def test_windows_1252_is_told_from_latin_1_and_may_be_fixed(read: Read) -> None:
    content = "n,v\n1,€ “x”\n2,\x81\n".encode("latin-1", errors="ignore")
    content = "n,v\n1,€ “x”\n".encode("cp1252") + b"2,\x81\n"

    detected = read(content)
    fixed = read(content, reading={"encoding": "latin-1"})

    assert detected["reading"]["encoding"] == "windows-1252"
    assert detected["rows"] == [["1", "€ “x”"], ["2", "\x81"]]
    assert fixed["rows"][0] == ["1", "\x80 \x93x\x94"]
    assert read(content, reading={"encoding": "ebcdic"})["error"][:2] == ["invalid", "reading.encoding"]


def test_zstd_is_decompressed_and_its_truncated_end_is_told(read: Read, tmp_path: Path) -> None:
    program = "import pyarrow as p, sys; i, o = sys.stdin.buffer, sys.stdout.buffer; "
    program += "o.write(p.compress(i.read(), 'zstd', asbytes=True))"
    made = subprocess.run(
        [jupyter_or_skip(), "-c", program], input=TEXT.encode() * 10_000, capture_output=True, check=True
    ).stdout

    assert read(made, "x.csv.zst", reading={"header": True})["count"] == 39_999
    code, field, sentence = read(made[:-9], "x.csv.zst")["error"]
    assert (code, field) == ("not_readable", "path") and "zstd" in sentence
    assert read(None, "x.csv.zst")["preview"]["rows"][0] == ROWS[0]


SHAPES: dict[str, tuple[str, list[list[str | None]], list[tuple[int, str]]]] = {
    "tabs": ("a\tb\n1\tx,y\n", [["1", "x,y"]], []),
    "semicolons, single quotes, decimal comma": (
        "a;b\n'x;y';1,5\n'c''d';2,25\n",
        [["x;y", "1.5"], ["c'd", "2.25"]],
        [],
    ),
    "lines of other lengths": (
        "a,b,c\n1,2,3\n4,5\n6,7,8,9\nx,y,z\n",
        [["1", "2", "3"], ["x", "y", "z"]],
        [(3, "2 values instead of 3"), (4, "4 values instead of 3")],
    ),
    "a quote that is never closed": (
        'a,b\n"1",2\n"3",4\n5,"open\n"6",7\n"8",9\n',
        [["1", "2"], ["3", "4"], ["6", "7"], ["8", "9"]],
        [(4, "a quote inside of a quoted value is not doubled")],
    ),
    "a first row with a quote that is never closed": (
        '1\t"x y\t2\n2\tz\t3\n3\tw\t4\n4\t"v"\t5\n',
        [["2", "z", "3"], ["3", "w", "4"], ["4", "v", "5"]],
        [(1, "a quote inside of a quoted value is not doubled")],
    ),
    "no two lines of one length": (
        "a,b,c\n1,2\n3\n4,5,6,7\n",
        [["4", "5", "6", "7"]],
        [(2, "2 values instead of 4"), (3, "1 value instead of 4")],
    ),
    "an open quote before the end": (
        'a,b\n"1",2\n"3",4\n"5",6\n7,"open\n8,9\n',
        [["1", "2"], ["3", "4"], ["5", "6"], ["8", "9"]],
        [(5, "a quote is opened and not closed")],
    ),
    "quotes in the middle": ('a,b\n1,5" pipe\n2,"x ""y"""\n', [["1", '5" pipe'], ["2", 'x "y"']], []),
    "CRLF": ("a,b\r\n1,x\r\n2,y\r\n", [["1", "x"], ["2", "y"]], []),
    "a lone CR": ("a,b\r1,x\r2,y\r", [["1", "x"], ["2", "y"]], []),
    "all three ends": ("a,b\r\n1,x\n2,y\r3,z\r\n", [["1", "x"], ["2", "y"], ["3", "z"]], []),
    "spaces before quotes": ('a, b\n1, "x, y"\n2, "z"\n', [["1", "x, y"], ["2", "z"]], []),
    "NUL": ("a,b\n1,x\0y\n", [["1", "x\0y"]], []),
    "a delimiter at each end": ("a,b,\n1,2,\n3,4,\n", [["1", "2", None], ["3", "4", None]], []),
    "rows shorter than the header": ("a,b,c\n1,2\n3,4\n", [["1", "2", None], ["3", "4", None]], []),
    "no end of line at the end": ("a,b\n1,2", [["1", "2"]], []),
    "one column with a gap": ("a\n1\n\n3\n", [["1"], [None], ["3"]], []),
    "emoji and right to left": ("ш,ע\n😀,مرحبا\n👨‍👩‍👧,שלום\n", [["😀", "مرحبا"], ["👨‍👩‍👧", "שלום"]], []),
    "only a header": ("a,b\n", [], []),
    "a title above": ("Sales of 2024\n\na,b\n1,2\n", [["1", "2"]], []),
    "one column of quoted names": ('name\n"Doe, Jane"\n"Roe, Rick"\n', [["Doe, Jane"], ["Roe, Rick"]], []),
    "one column of quoted numbers": ('n\n"1,000"\n"12,345,678"\n', [["1,000"], ["12,345,678"]], []),
    "one column with decimal commas": ("preis\n12,50\n3,99\n", [["12.5"], ["3.99"]], []),
    "two columns of numbers under a title": ("Sales\n\n1,2\n3,4\n", [["1", "2"], ["3", "4"]], []),
    "quotes that are none": ('"a"-"b"\n"1"-"2"\n', [['"1"-"2"']], []),
    "a source and a date above": (
        '"Source","World Bank",\n\n"Updated","2026-01-01",\n\nland,code,what,how,2019,2020,\n'
        "Peru,PER,people,n,1,2,\nMali,MLI,people,n,3,4,\n",
        [["Peru", "PER", "people", "n", "1", "2", None], ["Mali", "MLI", "people", "n", "3", "4", None]],
        [],
    ),
    "what Excel writes above": ("sep=;\na;b\n1;2\n", [["1", "2"]], []),
}


@pytest.mark.parametrize("content, rows, wrong", SHAPES.values(), ids=SHAPES)
def test_csv_of_every_shape(
    read: Read, content: str, rows: list[list[str | None]], wrong: list[tuple[int, str]]
) -> None:
    answer = read(content)

    assert answer["rows"] == rows
    assert bad(answer) == wrong


@pytest.mark.always
@pytest.mark.parametrize(
    ("head", "row", "first"),
    [
        ("id;price;day\n", "{};0,50;2026-01-01\n", ["0", "0.5", "2026-01-01"]),
        ("Prices\n\nid;price\n", "{};1,50\n", ["0", "1.5"]),
        ("id;name\n", "{};Doe, Jane\n", ["0", "Doe, Jane"]),
        ("", "{};1,5;2,5;4\n", ["0", "1.5", "2.5", "4"]),
        ("id,both\n", "{},x;y\n", ["0", "x;y"]),
    ],
    ids=["numbers", "a title", "names", "no header", "a list in each row"],
)
def test_a_sign_that_each_row_has_once_is_not_taken_for_the_delimiter(
    read: Read, head: str, row: str, first: list[str]
) -> None:
    answer = read(head + "".join(row.format(number) for number in range(500)))

    assert (answer["rows"][0], answer["count"]) == (first, 500)


@pytest.mark.parametrize(
    ("content", "decimal", "first"),
    [
        ('city,people\nx,"12,345"\ny,"1,000"\n', ".", "12,345"),
        ("city\tpeople\nx\t12,345\ny\t1,000\n", ".", "12,345"),
        ("city;people\nx;1,234,567\ny;1,000\n", ".", "1,234,567"),
        ('city,price\nx,"12,345"\ny,"1,5"\n', ",", "12.345"),
        ("city\tprice\nx\t0,345\ny\t1,250\n", ",", "0.345"),
        ("city;price\nx;12,345\ny;1,250\n", ",", "12.345"),
        ("city;people\nx;12.345\ny;379\n", ",", "12.345"),
        ("city;people;price\nx;12.345;1,5\ny;1.379;2,25\n", ",", "12.345"),
        ("city;weight\nx;12.345\ny;1.250\n", ".", "12.345"),
        ("city;weight;n\nx;12.345;1\ny;1.25;379\n", ".", "12.345"),
    ],
)
def test_a_comma_between_thousands_is_not_taken_for_the_decimal_sign(
    read: Read, content: str, decimal: str, first: str
) -> None:
    answer = read(content)

    type_ = "VARCHAR" if "," in first or (decimal == "," and "12.345" in content) else "DOUBLE"
    assert (answer["reading"]["decimal"], answer["rows"][0][1]) == (decimal, first)
    assert list(answer["columns"].values())[1] == type_


def test_a_line_that_is_no_text_is_bad_and_others_are_read(read: Read) -> None:
    answer = read("a,b\né,1\n".encode() * 1 + "é,1\n".encode() * 30 + b"x,\xff\xfe\n3,4\n")

    assert bad(answer) == [(33, "not text in the encoding of the file")]
    assert answer["count"] == 32


NAMES = {
    "double, empty and of other case": ("a,A,,b,a\n1,2,3,4,5\n", ["a", "A_1", "column3", "b", "a_2"]),
    "none": ("1,2\n3,4\n", ["column1", "column2"]),
    "years": ("land,2019,2020\nx,1,2\n", ["land", "2019", "2020"]),
    "names of rows": ('b,c\n"r1",1,2\n"r2",2,3\n', ["column1", "b", "c"]),
    "hostile": ('"a\'b""<&>/../ü","x; drop"\n1,2\n', ["a'b\"<&>/../ü", "x; drop"]),
}


@pytest.mark.parametrize("content, names", NAMES.values(), ids=NAMES)
def test_columns_have_names_of_which_no_two_are_the_same(read: Read, content: str, names: list[str]) -> None:
    assert list(read(content)["columns"]) == names


TYPES = {
    "zeros in front": ("007,1", "VARCHAR"),
    "64 bits": ("9223372036854775807,-1", "BIGINT"),
    "more than 64 bits": ("9223372036854775808,1", "DECIMAL(38,0)"),
    "more than 38 digits": ("1" * 40 + ",1", "VARCHAR"),
    "an integer that a float would round": ("9007199254740993123,1.5", "VARCHAR"),
    "a number that a float would round": ("12345678901234567.89,12345678901234568.11", "VARCHAR"),
    "numbers": ("1,-2.50,.5,1e5,+3", "DOUBLE"),
    "NaN and infinities": ("nan,inf,-Infinity,1.5", "DOUBLE"),
    "not numbers": ("1_000,2", "VARCHAR"),
    "hexadecimal": ("0x1F,2", "VARCHAR"),
    "truth": ("true,FALSE", "BOOLEAN"),
    "dates before 1900": ("1850-01-01,0001-12-31", "DATE"),
    "no such day": ("2024-02-30,2024-01-01", "VARCHAR"),
    "dates and times": ("2024-01-01,2024-01-01 10:00:00.5", "TIMESTAMP"),
    "seven digits of a second": ("2024-01-01T00:00:00.1234567,2024-01-02T00:00:00", "TIMESTAMP_NS"),
    "zones": ("2024-01-01T10:00:00Z,2024-01-01 10:00+02:00", "TIMESTAMP WITH TIME ZONE"),
    "time of day": ("10:00,23:59:59.5", "TIME"),
    "other dates": ("31.12.2024,1.1.2025", "VARCHAR"),
    "words for null": ("NA,1,NULL,2", "BIGINT"),
    "mixed": ("1,x,2024-01-01", "VARCHAR"),
}


@pytest.fixture(scope="module")
def typed(process: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Read one file with a column for each case of types."""
    columns = [values.split(",") for values, _ in TYPES.values()]
    lines = [[values[row] if row < len(values) else "" for values in columns] for row in range(5)]
    path = tmp_path_factory.mktemp("typed") / "typed.csv"
    path.write_text("\n".join(",".join(line) for line in [list(TYPES), *lines]) + "\n")
    request = {"source": {"kind": "file", "path": str(path)}, "limits": {"threads": 1}}
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())["rows"]
    return answer


@pytest.mark.always
@pytest.mark.parametrize("name", TYPES)
def test_a_column_has_a_type_that_changes_no_value(typed: dict[str, Any], name: str) -> None:
    values, type_ = TYPES[name]

    assert typed["columns"][name] == type_
    if type_ in ("VARCHAR", "BIGINT", "DECIMAL(38,0)") and name != "words for null":
        place = list(TYPES).index(name)
        assert [row[place] for row in typed["rows"] if row[place]] == values.split(",")


def test_a_type_that_changes_far_below_is_found_and_told(read: Read) -> None:
    answer = read("v,w,x\n" + "1,1,NA\n" * 30_000 + "abc,1.5,2\n")

    assert answer["columns"] == {"v": "VARCHAR", "w": "DOUBLE", "x": "BIGINT"}
    assert answer["reading"]["nulls"] == ["", "NA"]
    assert answer["warnings"] == [
        "Not every value of the column 'v' is a whole number, as the first rows are: it is read as text.",
        "Not every value of the column 'w' is a whole number, as the first rows are: it is read as DOUBLE.",
    ]


def test_only_nulls_are_of_no_type(read: Read) -> None:
    answer = read("a,b\n,1\n,2\n")

    assert answer["kinds"] == {"a": "empty", "b": "number"}


def test_what_somebody_has_fixed_is_kept_to(read: Read) -> None:
    content = "x\na|b|c\n1|NA|z\nq|2|z\n3|4|z\n"
    reading = {
        "delimiter": "|",
        "skip": 1,
        "nulls": ["z"],
        "types": {"a": "BIGINT", "b": "VARCHAR", "c": "VARCHAR"},
    }

    answer = read(content, reading=reading)

    assert answer["rows"] == [["1", "NA", None], ["3", "4", None]]
    assert bad(answer) == [(4, "the value of 'a' is no BIGINT (row 2 of those that parse)")]
    assert answer["reading"]["nulls"] == ["", "z"]
    assert read("a,b\nc,d\n", reading={"header": False})["rows"] == [["a", "b"], ["c", "d"]]
    assert read('a,b\n1,"x\n', reading={"quote": ""})["rows"] == [["1", '"x']]
    assert read('a,b\n1,"x\\"y"\n', reading={"escape": "\\"})["rows"] == [["1", 'x"y']]
    digits = read("a;b;c\n007;2,5;x\n8;2,505;x\n", reading={"types": {"a": "INTEGER", "b": "DECIMAL(9,2)"}})
    assert digits["rows"] == [["7", "2.50", "x"]]
    assert bad(digits) == [(3, "the value of 'b' is no DECIMAL(9,2) (row 2 of those that parse)")]


WRONG = {
    "delimiter": ({"delimiter": "ab"}, "reading.delimiter"),
    "quote": ({"quote": "''"}, "reading.quote"),
    "decimal": ({"decimal": "x"}, "reading.decimal"),
    "header": ({"header": "yes"}, "reading.header"),
    "skip": ({"skip": -1}, "reading.skip"),
    "more to skip than there is": ({"skip": 9}, "reading.skip"),
    "nulls": ({"nulls": "NA"}, "reading.nulls"),
    "type": ({"types": {"a": "BLOB"}}, "reading.types"),
    "column": ({"types": {"q": "BIGINT"}}, "reading.types"),
    "unknown": ({"filename": True}, "reading.filename"),
}


@pytest.mark.parametrize("reading, field", WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named(read: Read, reading: dict[str, Any], field: str) -> None:
    code, named, sentence = read("a,b\n1,2\n", reading=reading)["error"]

    assert (code, named) == ("empty" if "9 lines" in sentence else "invalid", field)


@pytest.mark.always
def test_json_lines_keep_what_json_says_of_types(read: Read) -> None:
    lines = [
        '{"a":1,"b":"x","d":"2024-01-01","e":{"x":1},"f":1.5,"g":true,"h":"007"}',
        '{"a":2,"b":"é","a/b~\\"c":12345678901234567890123,"h":"1"}',
        "not json",
        "[1]",
        "",
        '{"a":null,"A":3}',
    ]

    answer = read("\n".join(lines), "x.jsonl")

    assert answer["columns"] == {
        "a": "BIGINT",
        "b": "VARCHAR",
        "d": "DATE",
        "e": "JSON",
        "f": "DOUBLE",
        "g": "BOOLEAN",
        "h": "VARCHAR",
        'a/b~"c': "VARCHAR",
        "A_1": "BIGINT",
    }
    assert list(read('{"z":1,"b":2}\n{"a":1,"b":3}\n', "y.jsonl")["columns"]) == ["z", "b", "a"]
    assert [row[7] for row in answer["rows"]] == [None, "12345678901234567890123", None]
    assert bad(answer) == [(3, "no JSON"), (4, "JSON, but no object")]
    mixed = read('{"a":"x","b":1}\n{"a":[1,"y"]}\n{"a":null}\n{"a":{"c":"\\""}}\n{"a":2}\n', "z.jsonl")
    assert mixed["columns"] == {"a": "JSON", "b": "BIGINT"}
    assert [row[0] for row in mixed["rows"]] == ['"x"', '[1,"y"]', None, '{"c":"\\""}', "2"]
    assert read('[\n {"a":1},\n {"a":2}\n]', "x.json")["error"][:2] == ["not_readable", "format"]
    assert read("x\ny\n", "x.csv", format="json")["error"][:2] == ["not_readable", "format"]


@pytest.mark.always
def test_parquet_is_known_by_its_content_and_broken_ones_by_their_end(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a*?[x]'\";ü.csv"
    subprocess.run([jupyter_or_skip(), "-c", _PARQUET, str(path)], check=True)

    answer = read(None, path.name)

    assert answer["columns"] == {'a"b': "BIGINT", "f": "DOUBLE", "l": "BIGINT[]", "b": "BLOB"}
    assert answer["kinds"]["l"] == "nested" and answer["kinds"]["b"] == "binary"
    assert answer["count"] == 3
    assert read(None, path.name, format="csv")["error"][:2] == ["invalid", "format"]
    swapped = read(path.read_bytes(), "swapped.parquet", then="link")
    assert swapped["count"] == len(swapped["rows"]) == 3
    assert swapped["changed"].startswith("'swapped.parquet' was removed while it was read.")
    code, field, sentence = read(path.read_bytes()[:-20], "broken.parquet")["error"]
    assert (code, field) == ("not_readable", "path") and str(tmp_path) not in sentence
    assert read("a,b\n1,2\n", "x.parquet", format="parquet")["error"][:2] == ["invalid", "format"]


def test_what_is_wrong_inside_of_a_parquet_file_is_its_own_fault(read: Read, tmp_path: Path) -> None:
    paths = [tmp_path / "no text.parquet", tmp_path / "x.parquet"]
    subprocess.run([jupyter_or_skip(), "-c", _NO_TEXT, *map(str, paths)], check=True)
    content = paths[1].read_bytes()

    code, field, sentence = read(None, paths[0].name)["error"]
    assert (code, field) == ("not_readable", "path")
    assert sentence.startswith("'no text.parquet' is") and sentence.count("not UTF-8. Copy or make it") == 1
    code, field, sentence = read(content[:4] + b"\xff" * 40 + content[44:], "pages.parquet")["error"]
    assert (code, field) == ("not_readable", "path") and sentence.startswith("'pages.parquet' is")
    place = content.index(b"\x4c\x15") + 2  # how many values the dictionary has: a number below zero is odd
    negative = content[:place] + bytes([content[place] | 1]) + content[place + 1 :]
    code, field, sentence = read(negative, "negative.parquet")["error"]
    assert (code, field) == ("not_readable", "path") and "Failed to read file 'negative.parquet'" in sentence
    code, field, sentence = read(content, "moved.parquet", then="rename")["error"]
    assert code == "changed" and sentence.startswith("'moved.parquet' was removed while it was read.")


FAULTS: dict[str, tuple[bytes | None, str, str]] = {
    "nothing in it": (b"", "x.csv", "empty"),
    "nothing in its gzip": (gzip.compress(b""), "x.csv.gz", "empty"),
    "empty lines alone": (b"\n\n\r\n", "x.csv", "empty"),
    "not there": (None, "y.csv", "missing"),
    "a folder": (None, ".", "not_readable"),
    "Excel": (b"PK\x03\x04abc", "x.xlsx", "not_readable"),
    "Parquet in gzip": (gzip.compress(b"PAR1 and more"), "x.csv.gz", "not_readable"),
    "damaged gzip": (b"\x1f\x8b\x08" + b"\0" * 100, "x.gz", "not_readable"),
    "quotes that are never right": (b'"1"-"2"\n"3"-"4"\n', "quoted.csv", "not_readable"),
    "an image": (_IMAGE.read_bytes(), "x.csv", "not_readable"),
    "numbers of a program": (struct.pack("<500i", *range(500)), "x.csv", "not_readable"),
}


@pytest.mark.parametrize("content, name, code", FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_read_gets_a_sentence(read: Read, content: bytes | None, name: str, code: str) -> None:
    reading = {"quote": '"'} if name == "quoted.csv" else {}
    answer = read(content, name, reading=reading)

    assert answer["error"][0] == answer["preview"]["error"][0] == code
    assert answer["error"][2].endswith(".")


def test_control_characters_may_be_delimiters_and_values_of_a_text(read: Read) -> None:
    hive = read("a\x01b\n1\x022\x01x\0y\n\x1b[1m3\x1b[0m\x01\x03\n", "x.csv")
    forced = read(bytes(range(256)), reading={"encoding": "latin-1", "delimiter": ",", "header": False})

    assert (list(hive["columns"]), hive["count"]) == (["a", "b"], 2)
    assert "error" not in forced


def test_a_file_that_changes_or_goes_while_it_is_read_is_told(read: Read) -> None:
    grown = read("a,b\n1,2\n", then="grow")["changed"]
    gone = read("a,b\n1,2\n", then="remove")["changed"]

    assert grown.startswith("'x.csv' changed while it was read (it has 4 bytes more)")
    assert gone.startswith("'x.csv' was removed while it was read.")


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_the_number_of_rows_is_estimated_from_the_part_that_was_read(read: Read, name: str) -> None:
    content = "".join(f"{number},{number * 7919 % 1_000_003:>30}\n" for number in range(60_000)).encode()

    answer = read(gzip.compress(content) if name.endswith(".gz") else content, name)

    assert answer["preview"]["rows_estimate"] == pytest.approx(answer["count"], rel=0.03)


def test_a_truncated_gzip_has_a_preview_and_a_sentence(read: Read) -> None:
    content = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(200_000)), 1)

    answer = read(content[: len(content) // 2], "x.csv.gz")

    assert answer["error"][0] == "not_readable" and "middle of its gzip data" in answer["error"][2]
    assert len(answer["preview"]["rows"]) == 50


def test_lines_beyond_all_bounds_are_bad_and_others_are_read(read: Read) -> None:
    content = b"a,b\n1,x\n2," + b"y" * 17 * 1024**2 + b"\n3,z\n"

    answer = read(content)

    assert bad(answer) == [(3, "longer than 16 MiB")]
    assert answer["rows"] == [["1", "x"], ["3", "z"]]
    assert len(answer["bad"]["first"][0]["text"]) == 200


def test_hundreds_of_columns_are_read_one_by_one(read: Read) -> None:
    names = [f"c{place}" for place in range(400)]
    lines = [[str(row * place) if place % 3 else f"{row}.5" for place in range(400)] for row in range(5)]
    lines[4][1], lines[3][2], lines[2][4] = "NA", "+7", "2024-1-5"
    for line in lines:
        line[7] = ""

    answer = read("\n".join(",".join(line) for line in [names, *lines]))

    assert answer["count"] == 5
    assert answer["columns"]["c0"] == "DOUBLE" and answer["columns"]["c4"] == "VARCHAR"
    assert answer["rows"][4][1] is None and answer["rows"][3][2] == "7" and answer["rows"][2][4] == "2024-1-5"
    assert answer["columns"]["c7"] == "VARCHAR" and answer["kinds"]["c7"] == "empty"
