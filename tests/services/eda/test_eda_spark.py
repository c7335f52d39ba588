"""What Spark computes of a source: the same as DuckDB of the same file, and a sentence where it cannot.

One driver answers all requests: a start of Spark takes longer than most of them.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.eda import document, spark_job
from couture_workflow.services.processes.led_command import LOG, OUTPUT
from couture_workflow.store.home import Store
from tests.support.eda_spark import HOSTILE, OTHERWISE, by_duckdb, comparable, differences, make_files
from tests.support.spark import runtime_or_skip

RUNTIMES = Path(spark_job.__file__).parents[2] / "runtimes"

#: Answers requests one after the other, and says where the answer to each ends.
DRIVER = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from eda_spark import main, reading, shapes, values
spark = main.session({})
spark.range(3).withColumnRenamed("id", "a.b").createOrReplaceTempView("small")
for request in json.loads(Path(sys.argv[2]).read_text()):
    shapes.FEW, values.FEW, values.CELLS = (30, 30, 0) if request["name"] == "many" else (10_000, 10_000, 2e7)
    try:
        if request["name"] == "changed":
            with reading.opened(spark, request) as data:
                Path(request["path"]).write_text("a\\n1\\n2\\n3\\n")
                print("changed", data.changed())
        else:
            main.answer(spark, request)
    except main.EXPECTED as error:
        main.told(error, request)
    print("end of", request["name"], flush=True)
spark.stop()
"""


@dataclass(frozen=True)
class Answers:
    """What a driver answered.

    :param lines: what it printed, by the name of the request.
    """

    folder: Path
    lines: Mapping[str, list[str]]

    def result(self, name: str, file: str = "profile.json") -> dict[str, Any]:
        path = self.folder / name / file
        assert path.is_file(), self.lines.get(name)
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def columns(self, name: str) -> dict[str, dict[str, Any]]:
        return {column["name"]: column for column in self.result(name)["columns"]}

    def error(self, name: str) -> tuple[str, str, str]:
        told = [json.loads(line.removeprefix(spark_job.MARK)) for line in self.lines[name] if "{" in line]
        error = next(message["error"] for message in told if "error" in message)
        return error["code"], error["field"], error["message"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "open"
    folder.mkdir()
    make_files(folder)
    (folder / "bad.csv").write_text('id,name\n1,"a ""quoted"" one"\n2,b,too many\n3\n4,d\n')
    (folder / "grows.csv").write_text("a\n1\n")
    (folder.parent / "secret.csv").write_text("a\n1\n")
    (folder / "link.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "not.parquet").write_text("this is text\n")
    return folder


def requests(data: Path, results: Path) -> list[dict[str, Any]]:
    def ask(name: str, path: str = "", **more: Any) -> dict[str, Any]:
        (results / name).mkdir()
        place = path if "://" in path or path.startswith("/") else f"{data}/{path}"
        base = {"verb": "profile", "format": "parquet", "options": {}, "table": "", "sensitive": []}
        base |= {"sample_rows": 100, "local_folders": [str(data)], "results": f"file:{results / name}"}
        return {**base, "name": name, "path": place, **more}

    csv = {"format": "csv"}
    return [
        ask("parquet", "table.parquet"),
        ask("csv", "table.csv", **csv),
        ask("many", "table.csv", **csv),
        ask("none", "none.parquet"),
        ask("sensitive", "bad.csv", sensitive=["id"], **csv),
        ask("bad", "bad.csv", **csv),
        ask("bad preview", "bad.csv", verb="preview", **csv),
        ask("json preview", "table.json", verb="preview", format="json", sensitive=["category"]),
        ask("table", table="small", verb="preview"),
        ask("direct query", table=f"csv.`{data.parent}/secret.csv`", verb="preview"),
        ask("changed", "grows.csv", **csv),
        ask("missing", "gone.parquet"),
        ask("not parquet", "not.parquet"),
        ask("avro", "table.csv", format="avro"),
        ask("outside", f"{data.parent}/secret.csv", **csv),
        ask("link", "link.csv", **csv),
        ask("web", "http://localhost/a.csv", **csv),
        ask("option", "bad.csv", options={"PATH": "/etc"}, **csv),
        ask("no host", "hdfs://localhost:1/a"),
    ]


@pytest.fixture(scope="module")
def answers(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    runtime = runtime_or_skip()
    folder = tmp_path_factory.mktemp("answers")
    asked = requests(data, folder)
    (folder / "driver.py").write_text(DRIVER)
    (folder / "requests.json").write_text(json.dumps(asked))
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "1",
        "spark.hadoop.ipc.client.connect.max.retries": "0",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
    done = subprocess.run(
        [
            *(str(runtime.home / "bin" / "spark-submit"), "--master", "local[1]", *words),
            *(str(folder / "driver.py"), str(RUNTIMES), str(folder / "requests.json")),
        ],
        cwd=folder,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "JAVA_HOME": str(runtime.java_home),
            "PYSPARK_PYTHON": runtime.python,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines: dict[str, list[str]] = {}
    told: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith("end of "):
            lines[line.removeprefix("end of ")], told = told, []
        else:
            told.append(line)
    return Answers(folder, lines)


@pytest.mark.parametrize("name", ["parquet", "csv"])
def test_every_exact_number_is_that_of_duckdb(
    answers: Answers, data: Path, tmp_path: Path, name: str
) -> None:
    expected = by_duckdb(data / f"table.{name}", tmp_path / name)

    found = answers.result(name)

    assert found["engine"].startswith("Spark ")
    kept = expected.keys() - OTHERWISE - {"columns"}
    assert not differences({key: expected[key] for key in kept}, {key: found.get(key) for key in kept})
    assert [column["name"] for column in found["columns"]] == [
        column["name"] for column in expected["columns"]
    ]
    for one, two in zip(expected["columns"], found["columns"], strict=True):
        assert not differences(comparable(one), comparable(two), one["name"])


def test_a_step_of_the_distribution_is_at_most_one_in_ten_thousand_off(
    answers: Answers, data: Path, tmp_path: Path
) -> None:
    expected = {column["name"]: column for column in by_duckdb(data / "table.csv", tmp_path / "x")["columns"]}

    for name, column in answers.columns("csv").items():
        assert (column.get("cdf") is None) == (expected[name].get("cdf") is None), name
    steps = answers.columns("csv")["number"]["cdf"]["values"]
    assert all(abs(value - place * 10) <= 10 for place, value in enumerate(steps))


def test_what_is_too_much_to_count_one_by_one_is_an_estimate_that_says_so(answers: Answers) -> None:
    exact, about = answers.columns("csv"), answers.columns("many")

    assert any("is an estimate" in sentence for sentence in answers.result("many")["left_out"])
    assert not answers.result("csv")["left_out"]
    for name in ("number", "big", "moment", "day"):
        assert (about[name]["distinct_exact"], about[name]["top_exact"]) == (False, False), name
        assert about[name]["distinct"] == pytest.approx(exact[name]["distinct"], rel=0.02)
        assert about[name]["histogram"] == exact[name]["histogram"], name
        assert about[name]["rest"] + sum(each["count"] for each in about[name]["top"]) == about[name]["count"]
    assert about["number"]["quantiles_exact"] is False
    for share, value in exact["number"]["quantiles"].items():
        assert about["number"]["quantiles"][share] == pytest.approx(value, abs=1)
    few = {"ties", "category", "flag"}
    assert all(not differences(comparable(exact[name]), comparable(about[name])) for name in few)


def test_a_sample_is_of_the_rows_and_as_long_as_asked(answers: Answers) -> None:
    lines = (answers.folder / "csv" / "sample.jsonl").read_text().splitlines()

    assert answers.result("csv")["sample"] == {"rows": 100, "of": 2000, "method": "random"}
    assert len(lines) == 100
    assert all(len(json.loads(line)) == 9 for line in lines)


def test_no_rows_make_a_profile(answers: Answers) -> None:
    found = answers.result("none")

    assert (found["rows"], found["column_count"], found["correlations"]) == (0, 19, None)
    assert {column["count"] for column in found["columns"]} == {0}


def test_no_value_of_a_sensitive_column_leaves_the_cluster(answers: Answers) -> None:
    column = answers.columns("sensitive")["id"]
    bad = answers.result("sensitive")["bad"]["first"]
    sample = (answers.folder / "sensitive" / "sample.jsonl").read_text()

    assert (column["count"], column["distinct"], column["top"], column["min"]) == (2, 2, [], None)
    assert [line["text"] for line in bad] == ["", ""]
    assert json.loads(sample.splitlines()[0]) == ['a "quoted" one']


def test_lines_that_cannot_be_read_are_counted_and_shown(answers: Answers) -> None:
    found = answers.result("bad")

    assert (found["rows"], found["bad"]["count"]) == (2, 2)
    assert [line["text"] for line in found["bad"]["first"]] == ["2,b,too many", "3"]
    preview = answers.result("bad preview", "preview.json")
    assert preview["rows"] == [["1", 'a "quoted" one'], ["4", "d"]]
    assert preview["bad"]["count"] == 2


def test_a_preview_has_the_types_and_hides_what_is_sensitive(answers: Answers) -> None:
    preview = answers.result("json preview", "preview.json")

    assert [(column["name"], column["kind"], column.get("hidden")) for column in preview["columns"]] == [
        ("category", "text", True),
        ("number", "number", None),
        ("struct", "nested", None),
    ]
    assert preview["rows"][1] == [None, "919", '{"x":1,"y":"b"}']
    table = answers.result("table", "preview.json")
    assert (table["columns"][0]["name"], table["rows"]) == ("a.b", [["0"], ["1"], ["2"]])


@pytest.mark.parametrize(
    ("name", "code", "field", "words"),
    [
        ("missing", "missing", "spark.path", "There is nothing at"),
        ("not parquet", "not_readable", "spark.format", "is not parquet"),
        ("avro", "not_readable", "spark.format", "spark-avro"),
        ("outside", "not_allowed", "spark.path", "eda_folders"),
        ("link", "not_allowed", "spark.path", "eda_folders"),
        ("web", "not_allowed", "spark.path", "cannot be read over http"),
        ("option", "invalid", "spark.options", "The option path"),
        ("direct query", "missing", "spark.table", "There is no table"),
        ("no host", "connection", "spark.path", "Connection refused"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    answers: Answers, name: str, code: str, field: str, words: str
) -> None:
    found = answers.error(name)

    assert found[:2] == (code, field), found
    assert words in found[2]
    assert "\n" not in found[2]


def test_files_that_change_meanwhile_are_noticed(answers: Answers) -> None:
    (line,) = [line for line in answers.lines["changed"] if line.startswith("changed")]

    assert "1 of the 1 files changed" in line


def test_the_job_is_one_file_with_its_request_in_it() -> None:
    content = spark_job.packed({"path": HOSTILE})

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert json.loads(archive.read("eda_spark/request.json")) == {"path": HOSTILE}
        assert archive.read("__main__.py") == (RUNTIMES / "eda_spark_job.py").read_bytes()


def test_the_artifacts_of_people_stay_what_they_are(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home", secret_key="")
    store.artifacts.put(spark_job.APPLICATION, [b"mine"], user="a")

    prepared = spark_job.with_job(store, {}, tmp_path / "own")

    assert prepared.artifacts.resolve(spark_job.APPLICATION)[1].size > 1000
    assert store.artifacts.resolve(spark_job.APPLICATION)[1].size == 4
    assert prepared.config is store.config


def test_messages_are_told_from_what_else_a_driver_prints() -> None:
    messages: list[dict[str, Any]] = []
    lines: list[tuple[str, str]] = []
    ear = spark_job.Ear(messages.append, lambda stream, line: lines.append((stream, line)))

    ear.hear(OUTPUT, 'couture-eda: {"stage": "reading"}')
    ear.hear(LOG, 'couture-eda: {"stage": "reading"}')
    ear.hear(OUTPUT, "couture-eda: {broken")
    ear.hear(OUTPUT, 'couture-eda: {"error": {"code": "missing", "message": "Gone.", "field": "spark.path"}}')

    assert messages == [{"stage": "reading"}]
    assert [stream for stream, _ in lines] == [LOG, OUTPUT]
    assert ear.error is not None
    assert (str(ear.error), ear.error.code, ear.error.field) == ("Gone.", "missing", "spark.path")


def test_a_job_asks_for_what_the_source_says() -> None:
    source = document.normal(
        {
            "name": "sales",
            "kind": "spark",
            "sensitive": ["who"],
            "spark": {"path": "s3a://b/x", "format": "csv", "options": {"sep": ";"}, "hadoop_group": "plain"},
        }
    )

    asked = spark_job.asked(source, "profile", results="file:/x", sample_rows=7)
    request = spark_job.job_request(source)

    assert (asked["path"], asked["options"], asked["sensitive"], asked["sample_rows"]) == (
        "s3a://b/x",
        {"sep": ";"},
        ["who"],
        7,
    )
    assert (request.hadoop_group, request.suffixes, request.spark_arguments) == ("plain", (".py",), {})
