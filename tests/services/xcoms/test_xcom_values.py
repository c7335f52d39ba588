"""What tasks hand on: what goes into the database, what beside it, and what comes back."""

from __future__ import annotations

import json
import os
import stat
from collections import defaultdict, namedtuple
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import references, storage, sweeping, values
from couture_workflow.xcom import CoutureXCom

pytestmark = pytest.mark.slow

pandas = pytest.importorskip("pandas", reason="needs pandas")
polars = pytest.importorskip("polars", reason="needs polars")
pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")

HOSTILE = "a'b\"<&>ü"
Row = namedtuple("Row", "value")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home, which is its owner's alone."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__HOME", str(path))
    return path


def pushed(value: Any, *, dag_id: str = "sales", run_id: str = f"manual__{HOSTILE}/..") -> Any:
    """Return what the database has of a value that a task pushes."""
    stored = CoutureXCom.serialize_value(value, key="return_value", dag_id=dag_id, run_id=run_id, task_id="t")
    return json.loads(json.dumps(stored))


def pulled(stored: Any) -> Any:
    return CoutureXCom.deserialize_value(Row(stored))


def files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def every_type() -> dict[str, list[Any]]:
    return {
        "n": [1, 2, None],
        HOSTILE: ["x", None, "é" * 300],
        "share": [0.5, float("nan"), float("inf")],
        "day": [date(1850, 1, 1), None, date(2026, 2, 28)],
        "at": [datetime(2026, 1, 1, tzinfo=UTC), None, datetime(1, 1, 1, tzinfo=UTC)],
        "price": [Decimal("1.10"), Decimal("-3.00"), None],
        "tags": [["a", "b"], [], None],
        "raw": [b"\0\xff", None, b""],
    }


def test_a_frame_of_pandas_comes_back_with_its_index_and_types() -> None:
    frame = pandas.DataFrame(every_type())
    frame["kind"] = pandas.Categorical(["b", "a", "b"], categories=["b", "a", "c"], ordered=True)
    frame["at"] = pandas.to_datetime(frame["at"].where(frame["at"] > pandas.Timestamp("1970", tz="UTC")))
    frame.index = pandas.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["shop", None])
    frame.attrs["unit"] = "EUR"

    back = pulled(pushed(frame))

    pandas.testing.assert_frame_equal(back, frame)
    assert back.attrs == {"unit": "EUR"}
    numbered = pandas.DataFrame([[1, 2]])
    pandas.testing.assert_frame_equal(pulled(pushed(numbered)), numbered)


def unusual_frames() -> dict[str, Any]:
    """Return frames with what neither Parquet nor Arrow tells."""
    one, two = [1, 2], pandas.Series([2**60 + 1, None], dtype=object)
    months = pandas.date_range("2026-01-01", periods=2, freq="MS", tz="Europe/Berlin")
    levels = pandas.MultiIndex.from_arrays([pandas.Index(["x", "y"], dtype=object), one])
    objects = pandas.Index(["a", "b"], dtype=object)
    decimals = pandas.ArrowDtype(pyarrow.decimal128(20, 5))
    lists = pandas.ArrowDtype(pyarrow.list_(pyarrow.int8()))
    shops = pandas.CategoricalDtype(["north", "south"])
    return {
        "range of columns": pandas.DataFrame([one], columns=pandas.RangeIndex(0, 4, 2, name="n")),
        "rows without columns": pandas.DataFrame(index=range(3, 9, 2)),
        "object columns": pandas.DataFrame([one], columns=objects),
        "object index": pandas.DataFrame({"a": one}, index=objects),
        "object level": pandas.DataFrame({"a": one}, index=levels),
        "index with gaps": pandas.DataFrame({"a": one}, index=pandas.Index([2**60 + 1, None], dtype="Int64")),
        "names": pandas.DataFrame({"a": one}, index=levels.set_names([0, ("b", 1)])),
        "months": pandas.DataFrame({"a": one}, index=months),
        "objects": pandas.DataFrame({"n": two, "l": pandas.Series([[1, None], ["a"][:0]], dtype=object)}),
        "texts": pandas.DataFrame({"t": pandas.Series(["a", None], dtype=object)}),
        "times": pandas.DataFrame({"t": pandas.Series([datetime(2026, 1, 1), None], dtype=object)}),
        "arrow": pandas.DataFrame({"d": pandas.array([Decimal("1.10")], decimals)}),
        "arrow lists": pandas.DataFrame({"l": pandas.array([[1, 2], None], lists)}),
        "no rows": pandas.DataFrame({"shop": pandas.Categorical([], dtype=shops)}),
        "categories": pandas.DataFrame({"c": pandas.Series(["x", "y"], dtype=object).astype("category")}),
    }


def test_nothing_of_a_frame_of_pandas_changes_silently() -> None:
    for name, frame in unusual_frames().items():
        back = pulled(pushed(frame))
        pandas.testing.assert_frame_equal(back, frame, check_column_type=True, obj=name)
        for old, new in ((frame.index, back.index), (frame.columns, back.columns)):
            assert (type(new), new.dtype, list(new.names)) == (type(old), old.dtype, list(old.names)), name
    objects = pulled(pushed(unusual_frames()["objects"]))
    assert objects.to_dict("list") == {"n": [2**60 + 1, None], "l": [[1, None], []]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([date(2026, 1, 1), datetime(2026, 1, 1, 5)], r"5, 0\) in the column 'a' would come back as .*date"),
        ([b"x", "x"], "'x' in the column 'a' would come back as b'x'. Give the column values of one type.$"),
        ([pandas.Timestamp(1)], "000000001'.* would come back as "),
        (["\ud800"], r"can't encode character '.ud800'.*Give each column"),
        (pandas.Categorical(pandas.array([1, 2], "Int64")), "categories.* Int64 would come back as int64"),
    ],
)
def test_values_that_would_be_others_are_refused(values: Any, said: str, home: Path) -> None:
    if isinstance(values, list):
        values = pandas.Series(values, dtype=object)
    with pytest.raises(XComError, match=said):
        pushed(pandas.DataFrame({"a": values}))
    assert not files(home)


def test_a_frame_that_is_refused_says_what_helps() -> None:
    frame = pandas.DataFrame([[1, 2]])
    noted = frame.copy()
    noted.attrs["unit"] = ("EUR", object())
    dates = frame.set_axis([date(2026, 1, 1), date(2026, 1, 2)], axis=1)
    named = frame.rename_axis(index=date(2026, 1, 1))

    for each, said in (
        (noted, r"frame.attrs holds what JSON does not keep. Clear it: frame.attrs = \{\}.$"),
        (dates, r"the type object. Name the columns by text: frame.columns = frame.columns.map\(str\).$"),
        (named, r"neither a text nor a number. Give it another: frame.rename_axis\(index='name'\).$"),
    ):
        with pytest.raises(XComError, match=said):
            pushed(each)


def test_a_frame_of_pandas_that_came_can_be_changed_in_place() -> None:
    back = pulled(pushed(pandas.DataFrame({"n": [1, 2], "share": [0.5, 1.5], "text": ["a", "b"]})))

    for name, value in {"n": 7, "share": 7.5, "text": "c"}.items():
        back.loc[0, name] = value
    assert back.to_dict("list") == {"n": [7, 2], "share": [7.5, 1.5], "text": ["c", "b"]}


def test_frames_of_polars_and_tables_of_arrow_come_back_equal() -> None:
    frame = polars.DataFrame(every_type(), strict=False)
    table = pyarrow.table(every_type()).replace_schema_metadata({"by": "tests"})

    assert pulled(pushed(frame)).equals(frame)
    back = pulled(pushed(table))
    assert back.schema.equals(table.schema, check_metadata=True)
    assert str(back.to_pylist()) == str(table.to_pylist())  # nan is not equal to nan


def test_what_parquet_would_change_comes_back_too() -> None:
    frame = pandas.DataFrame({"size": pandas.Categorical([3, 1], categories=[3, 1, 2], ordered=True)})
    names = [f"name {number} of many" for number in range(60_000, 0, -1)]
    many = pandas.DataFrame({"x": pandas.Categorical(names[:9], categories=names, ordered=True)})
    seconds = pyarrow.table({"at": pyarrow.array([1], pyarrow.time32("s"))})
    maps = pyarrow.table({"m": pyarrow.array([[("x", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.int8()))})
    twice = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array(["a"])], names=["x", "x"])

    for each in (frame, many):
        pandas.testing.assert_frame_equal(pulled(pushed(each)), each)
    shown = pushed(twice)
    assert pulled(shown).equals(twice) and shown["preview"] == [{"x": 1, "x (column 2)": "a"}]
    for each in (seconds, maps):
        assert pulled(pushed(each)).equals(each)


def test_a_frame_without_rows_or_columns_comes_back() -> None:
    frame = pandas.DataFrame({"a": pandas.Series(dtype="Int64")})
    for each in (frame, pandas.DataFrame(), pandas.DataFrame(index=range(5))):
        pandas.testing.assert_frame_equal(pulled(pushed(each)), each)

    other = polars.DataFrame(schema={"a": polars.Int8})
    assert pulled(pushed(other)).equals(other)


def test_frames_are_found_in_dictionaries_lists_and_tuples(home: Path) -> None:
    train, test = polars.DataFrame({"x": [1]}), pandas.DataFrame({"x": [2]})

    stored = pushed({"split": (train, [test, "text"]), "n": 2})

    assert len(files(home)) == 2 == len(list(references.named_in(stored)))
    back = pulled(stored)
    assert back["split"][0].equals(train) and isinstance(back["split"], tuple)
    pandas.testing.assert_frame_equal(back["split"][1][0], test)
    assert (back["split"][1][1], back["n"]) == ("text", 2)
    found = pushed(defaultdict(list, {"a": [Row(train)]}))
    assert len(list(references.named_in(found))) == 1 and pulled(found)["a"][0][0].equals(train)


def test_what_is_nearly_a_frame_says_how_it_becomes_one() -> None:
    nearly = {
        "pandas.Series": pandas.Series([1]),
        "polars.LazyFrame": polars.LazyFrame({"x": [1]}),
        "pyarrow.RecordBatch": pyarrow.record_batch({"x": [1]}),
    }
    for name, value in nearly.items():
        with pytest.raises(XComError, match=f"of the class {name} cannot be handed on. Return "):
            pushed([value])


def test_people_see_shape_columns_and_first_rows_and_nothing_breaks_json() -> None:
    frame = pandas.DataFrame(
        {HOSTILE: ["<script>", "x" * 500], "share": [float("nan"), 0.5], "n": [1, 2**60]}
    )

    shown = pushed(frame)

    assert shown.pop("bytes") > 100 and references.read_name(shown.pop("file"))
    assert shown == {
        "couture_value": "pandas.DataFrame",
        "shape": "2 rows x 3 columns",
        "columns": {HOSTILE: "str", "share": "float64", "n": "int64"},
        "preview": [
            {HOSTILE: "<script>", "share": "nan", "n": 1},
            {HOSTILE: f"{'x' * 100}…", "share": 0.5, "n": "1152921504606846976"},
        ],
    }


def test_a_wide_and_long_frame_is_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = polars.DataFrame({f"c{place}": range(1000) for place in range(3000)})

    shown = pushed(frame)
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__XCOM_PREVIEW_ROWS", "0")
    without = pushed(pyarrow.table({"secret": ["x"]}))

    assert (shown["shape"], shown["more_columns"]) == ("1,000 rows x 3,000 columns", 2900)
    assert len(json.dumps(shown)) < 10_000 and len(shown["preview"]) == 5
    assert "preview" not in without and "x" not in without["columns"]


def test_small_values_stay_in_the_database_and_large_ones_go_beside_it(home: Path) -> None:
    small = {"a": [1, None, "text", (1, 2)], "at": datetime(2026, 1, 1, tzinfo=UTC)}
    large = {"rows": [{"n": number, "text": HOSTILE} for number in range(20_000)], "pair": (1, 2)}

    assert pulled(pushed(small)) == small and not files(home)
    shown = pushed(large)

    assert len(json.dumps(shown)) < 1000 and shown["beginning"].startswith('{"rows": [{"n": 0')
    assert len(files(home)) == 1 and pulled(shown) == large
    assert pulled(pushed("x" * 2**20)) == "x" * 2**20
    for half in ("a\ud800", {"\udfff": ["b"]}, "\udc80" * 2**20):  # Airflow cannot send it
        with pytest.raises(XComError, match="half a character .* Read it with errors='replace', or"):
            pushed(half)
    assert pushed(["\U0001f427"]) == ["\U0001f427"]


def test_a_large_value_names_the_frames_in_it_and_takes_them_along(home: Path) -> None:
    frame = polars.DataFrame({"x": [1]})

    shown = pushed({"text": "x" * 2**20, "frame": frame})

    assert len(list(references.named_in(shown))) == 2 == len(files(home))
    assert pulled(shown)["frame"].equals(frame)
    values.forget(shown, dag_id="sales", run_id=f"manual__{HOSTILE}/..")
    assert not files(home)


def test_a_reference_that_a_task_made_up_reads_and_deletes_nothing_of_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "sales")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_OWNER", "ann")
    frame = polars.DataFrame({"x": [1]})
    anns = pushed(frame)
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "other")
    assert pulled(anns).equals(frame)
    monkeypatch.setenv("AIRFLOW_CTX_DAG_OWNER", "bob")
    forged = anns | {"owner": "bob"}
    inside = pushed(["y" * 2**20, forged], dag_id="other", run_id="r")

    with pytest.raises(XComError, match="belongs to ann, and this task to bob"):
        pulled(anns)
    for each in (forged, [{"deep": forged}], inside):
        with pytest.raises(XComError, match="belongs to another owner, and this task to bob"):
            pulled(each)
    values.forget([forged, inside], dag_id="other", run_id="r")
    assert [path.name for path in files(home)] == [anns["file"].rpartition("/")[2]]


def test_a_value_that_is_nested_endlessly_is_told_and_stops_no_sweep() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    ring: list[Any] = []
    ring.append(ring)

    assert list(references.named_in(deep)) == []
    for value in (deep, ring):
        with pytest.raises(XComError, match="nested too deeply, or holds itself"):
            CoutureXCom.serialize_value(value, dag_id="sales", run_id="r")


def test_files_are_for_their_owner_alone_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        pushed(polars.DataFrame({"x": [1]}))
    finally:
        os.umask(before)

    (path,) = files(home)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


@pytest.mark.parametrize(
    "value",
    [
        {"couture_value": "pandas.DataFrame", "file": "../../secrets/key.parquet"},
        {"couture_value": "pandas.DataFrame", "file": "/etc/passwd"},
        {"couture_value": "pandas.DataFrame", "file": 7},
        {"couture_value": ["x"], "columns": {}},
    ],
    ids=lambda value: str(value.get("file")),
)
def test_a_value_that_only_looks_like_a_reference_is_itself(value: Any, home: Path) -> None:
    (home / "xcoms").mkdir()

    assert pulled(value) == value == pushed(value)


def test_what_parquet_cannot_hold_is_told_in_a_sentence(home: Path) -> None:
    mixed = pandas.DataFrame({"x": [1, "a", None]})
    twice = pandas.DataFrame([[1, 2]], columns=["x", "x"])

    with pytest.raises(XComError, match=r"column x.*Give each column a name of its own and values of one"):
        pushed(mixed)
    with pytest.raises(XComError, match="Duplicate column names found.*Give each column"):
        pushed(twice)
    with pytest.raises(XComError, match=r"cannot be handed on as Parquet: .*Object"):
        pushed(polars.DataFrame({"x": [object()]}))
    with pytest.raises(XComError, match="the column name 1 would come back as '1'. Name the columns by text"):
        pushed(pandas.DataFrame([[1, 2]], columns=[1, "a"]))
    with pytest.raises(XComError, match="the categories of the column x are .*interval"):
        pushed(pandas.DataFrame({"x": pandas.cut(pandas.Series([1, 2]), 2)}))
    assert not files(home)


def test_a_value_that_is_gone_or_damaged_names_the_remedy(home: Path) -> None:
    gone, damaged = pushed(pandas.DataFrame({"x": [1]})), pushed(polars.DataFrame({"x": [1]}))
    cut = pushed("x" * 2**20)
    storage.chosen().delete(gone["file"])
    for each in files(home):
        each.write_bytes(each.read_bytes()[:-9])

    with pytest.raises(XComError, match=r"is gone from the storage .*Clear the task that returned it"):
        pulled(gone)
    for each in (damaged, cut):
        with pytest.raises(XComError, match="is damaged: .*Clear the task that returned it"):
            pulled(each)


def test_a_file_is_doomed_when_no_value_of_its_run_names_it_and_nobody_is_about_to(home: Path) -> None:
    kept, orphan = pushed({"a": [pandas.DataFrame({"x": [1]})]}), pushed(polars.DataFrame({"x": [1]}))
    other = pushed(polars.DataFrame({"x": [1]}), run_id="other")
    (dag,) = sweeping.files().values()
    paths = dag[references.folder_of(f"manual__{HOSTILE}/..")]
    later = references.read_name(orphan["file"]).written + sweeping.GRACE + 1  # type: ignore[union-attr]

    assert sorted(paths) == sorted([kept["a"][0]["file"], orphan["file"]])
    assert list(sweeping.unnamed(paths, [kept, 7, None], now=later)) == [orphan["file"]]
    assert list(sweeping.unnamed(paths, [kept], now=later - 2)) == []
    assert sweeping.delete([other["file"]]) == 1 and len(files(home)) == 2
