"""The operators: what they take, what a user sees when something is wrong, and real jobs in local mode."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from couture_workflow.exceptions import (
    CoutureError,
    InvalidError,
    NotFoundError,
    SparkJobError,
    SparkKilledError,
    SparkSubmitError,
)
from couture_workflow.operators import CouturePySparkOperator, CoutureSparkOperator
from couture_workflow.operators.links import RunDetailsLink, SparkUILink
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.spark import tracking
from couture_workflow.services.spark.jobs import split_arguments
from couture_workflow.store.home import Store
from tests.support.spark import SMALL, UI_PORT, compile_job, processes_of, until

HOSTILE = "a'b\"<&>ü"
KEY = run_records.RunKey("dag", f"manual/{HOSTILE}", "task", -1, 2)

JOB = """
import sys
from pyspark.sql import SparkSession
import rules
spark = SparkSession.builder.getOrCreate()
print("arguments", sys.argv[1:])
print("secret is kept:", spark.conf.get("spark.my.password") == "a=b\\\\ c")
print("sum", spark.sparkContext.parallelize([1, 2, 3], 1).map(rules.double).sum())
spark.stop()
"""
ERROR = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def fail(x):
    raise ValueError("the value 'a<b>&c' is odd")
spark.sparkContext.parallelize([1], 1).map(fail).collect()
"""


class TaskInstance(SimpleNamespace):
    """What a task instance offers to an operator."""

    def __init__(self) -> None:
        super().__init__(
            dag_id=KEY.dag_id,
            run_id=KEY.run_id,
            task_id=KEY.task_id,
            map_index=-1,
            try_number=2,
            dag_version_id="7",
            pushed={},
        )

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep what is pushed."""
        self.pushed[key] = value


def zipped(**members: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


def operator(artifact: str, **options: Any) -> CoutureSparkOperator:
    kind = CoutureSparkOperator if artifact.partition("@")[0].endswith(".jar") else CouturePySparkOperator
    configurations = {**SMALL, **options.pop("spark_configurations", {})}
    arguments = {"master": "local[1]", **options.pop("spark_arguments", {})}
    return kind(
        task_id="task",
        code_artifact=artifact,
        spark_arguments=arguments,
        spark_configurations=configurations,
        **options,
    )


def execute(task: CoutureSparkOperator) -> TaskInstance:
    instance = TaskInstance()
    task.execute({"ti": instance})  # type: ignore[typeddict-item]
    return instance


@pytest.fixture
def jobs(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store with a few artifacts and dependencies."""
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE", "False")
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    store.artifacts.put("job.py", [JOB.encode()], user="a")
    store.artifacts.put("error.py", [ERROR.encode()], user="a")
    store.artifacts.put("broken.jar", [b"no archive"], user="a")
    store.artifacts.put("empty.jar", [zipped(readme="x")], user="a")
    store.dependencies.put("rules.py", [b"def double(x): return 2 * x\n"], user="a")
    store.dependencies.put("broken.whl", [b"no archive"], user="a")
    return store


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """Return a compiled jar with the class ``Job``."""
    yield compile_job(tmp_path_factory.mktemp("jar")).read_bytes()


@pytest.mark.slow
def test_importing_the_operators_adds_only_themselves() -> None:
    script = (
        "import sys; from airflow.sdk import BaseOperator, BaseOperatorLink; known = set(sys.modules);"
        "from couture_workflow.operators import CouturePySparkOperator, CoutureSparkOperator;"
        "print(sorted(set(sys.modules) - known))"
    )

    added = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert added.splitlines()[-1] == str(
        ["couture_workflow.operators", "couture_workflow.operators.links", "couture_workflow.operators.spark"]
    )


def test_the_manuals_signature_is_taken_and_only_stored() -> None:
    task = CouturePySparkOperator(
        task_id="task",
        app_name="{{ dag.dag_id }}",
        class_path=None,
        code_artifact="job.py@3",
        application_arguments=["{{ ds }}", 7],
        description="Totals of a day",
        python_conf="/usr/bin/python3.12",
        dag=None,
    )

    assert task.doc == "Totals of a day"
    assert {name: getattr(task, name) for name in task.template_fields} == {
        "app_name": "{{ dag.dag_id }}",
        "class_path": None,
        "code_artifact": "job.py@3",
        "application_arguments": ["{{ ds }}", 7],
        "python_conf": "/usr/bin/python3.12",
        "spark_arguments": None,
        "spark_configurations": None,
        "jars": None,
        "py_files": None,
        "models": None,
        "hadoop_group": None,
    }


def test_arguments_and_overrides_are_templated() -> None:
    task = CouturePySparkOperator(
        task_id="task",
        code_artifact="{{ name }}.py",
        app_name="of {{ name }}",
        application_arguments=["{{ name }}"],
        spark_arguments={"driver-memory": "{{ memory }}"},
        spark_configurations={
            "spark.ui.port": "{{ 4000 + 40 }}",
            "spark.eventLog.enabled": True,
            "spark.x": None,
        },
        jars="{{ name }}.jar, b.jar",
        py_files=[],
        hadoop_group=" of {{ memory }}",
    )

    task.render_template_fields({"name": HOSTILE, "memory": "2g"})  # type: ignore[typeddict-item]

    request = task.job_request()
    assert (request.app_name, request.code_artifact, request.arguments) == (
        f"of {HOSTILE}",
        f"{HOSTILE}.py",
        (HOSTILE,),
    )
    assert request.spark_arguments == {"driver-memory": "2g"}
    assert request.spark_configurations == {
        "spark.ui.port": "4040",
        "spark.eventLog.enabled": "true",
        "spark.x": None,
    }
    assert (request.jars, request.py_files) == ((f"{HOSTILE}.jar", "b.jar"), ())
    assert request.hadoop_group == "of 2g"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(None, None, id="the-default-one"),
        pytest.param("", None, id="a-template-that-gives-nothing"),
        pytest.param(True, None, id="true"),
        pytest.param(False, "", id="none"),
        pytest.param("reporting", "reporting", id="named"),
    ],
)
def test_a_task_names_its_hadoop_group(given: str | bool | None, expected: str | None) -> None:
    task = CouturePySparkOperator(task_id="task", code_artifact="job.py", hadoop_group=given)

    assert task.job_request().hadoop_group == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(None, (), id="none"),
        pytest.param(["a b", 1, True], ("a b", "1", "True"), id="list"),
        pytest.param("a 'b c' \"d\"", ("a", "b c", "d"), id="string"),
        pytest.param(5, ("5",), id="number"),
    ],
)
def test_application_arguments_are_strings(given: object, expected: tuple[str, ...]) -> None:
    assert split_arguments(given) == expected


def test_a_string_that_cannot_be_split_says_what_to_give() -> None:
    with pytest.raises(SparkSubmitError, match="Give a list of strings"):
        split_arguments("it's")


@pytest.mark.parametrize(
    ("base", "start"),
    [
        pytest.param("https://host/airflow/", "https://host/airflow/couture/runs/", id="address"),
        pytest.param("", "/couture/runs/", id="no-address"),
    ],
)
def test_the_link_to_the_run_is_below_airflows_address(
    monkeypatch: pytest.MonkeyPatch, base: str, start: str
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)

    link = RunDetailsLink().get_link(operator("job.py"), ti_key=TaskInstance())  # type: ignore[arg-type]

    assert link == f"{start}dag/manual%2Fa%27b%22%3C%26%3E%C3%BC/task?map_index=-1&try_number=2"


def test_both_links_survive_serialization() -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("dag", schedule=None) as dag:
        CoutureSparkOperator(task_id="task", code_artifact="job.jar")

    encoded = DagSerialization.to_dict(dag)["dag"]["tasks"][0]["__var"]

    assert encoded["_operator_extra_links"] == {
        "Spark UI": SparkUILink().xcom_key,
        "Run details": RunDetailsLink().xcom_key,
    }


@pytest.mark.parametrize(
    ("artifact", "options", "kind", "message"),
    [
        pytest.param(
            *("absent.py", {}, NotFoundError),
            'There is no "absent.py" among the artifacts. Upload it, or choose another name.',
            id="missing-artifact",
        ),
        pytest.param(
            *("job.py@7", {}, NotFoundError),
            "job.py has no version 7. Choose one of these: 1.",
            id="unknown-version",
        ),
        pytest.param(
            *("job.py@x", {}, InvalidError),
            'The reference "job.py@x" is refused. Write the name alone, or the name, @ and the number of a '
            'version, such as "job.py@3".',
            id="malformed-version",
        ),
        pytest.param(
            *("broken.jar", {}, SparkSubmitError),
            "The code artifact 'broken.jar' (version 1) is not a jar that can be read: File is not a "
            "zip file. Upload it again, or name an earlier version.",
            id="broken-jar",
        ),
        pytest.param(
            *("job.py", {"py_files": ["broken.whl"]}, SparkSubmitError),
            "The py-file 'broken.whl' (version 1) is not a whl that can be read: File is not a zip file. "
            "Upload it again, or name an earlier version.",
            id="broken-dependency",
        ),
        pytest.param(
            *("rules.txt", {}, NotFoundError),
            'There is no "rules.txt" among the artifacts. Upload it, or choose another name.',
            id="wrong-kind",
        ),
        pytest.param(
            *("job.py", {"python_conf": "/no/python"}, SparkSubmitError),
            "There is no Python /no/python to run here. Correct python_conf.",
            id="missing-python",
        ),
    ],
)
def test_what_is_wrong_before_the_start_is_said_in_one_sentence(
    jobs: Store, artifact: str, options: dict[str, Any], kind: type[CoutureError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        execute(operator(artifact, **options))

    assert str(caught.value) == message
    run = run_records.read(jobs, KEY)
    assert (run.state, run.error) == ("failed", message)


def test_a_python_file_is_refused_by_the_operator_for_jars(jobs: Store) -> None:
    task = CoutureSparkOperator(task_id="task", code_artifact="job.py")

    with pytest.raises(SparkSubmitError, match="Use CouturePySparkOperator for .py"):
        execute(task)


def test_a_wrong_setting_of_the_task_is_named(jobs: Store) -> None:
    with pytest.raises(SparkSubmitError, match='arguments.driver-memory: "lots" is not an amount of memory'):
        execute(operator("job.py", spark_arguments={"driver-memory": "lots"}))


@pytest.mark.spark
def test_a_python_job_succeeds_with_links_and_provenance_even_with_a_silent_log(
    jobs: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://host:8080")
    # A driver that says nothing is asked who it is, seconds after its start and for two minutes: on a quick
    # machine it has ended by then, on a slow one it has not begun. So it waits to be asked.
    monkeypatch.setattr(tracking, "_GIVE_UP_AFTER", 280.0)
    asked = tmp_path / "asked"
    wait = f"import os, time\nwhile not os.path.exists({str(asked)!r}): time.sleep(0.1)\nspark.stop()"
    jobs.artifacts.put("waits.py", [JOB.replace("spark.stop()", wait).encode()], user="a")
    task = operator(
        "waits.py",
        app_name="doubles",
        application_arguments=["two words", HOSTILE, "--token", "t0psecret"],
        py_files=["rules.py"],
        spark_configurations={"spark.my.password": "a=b\\ c", "spark.log.level": "ERROR"},
    )
    lines: list[str] = []

    def let_it_end() -> None:
        try:
            until(lambda: run_records.read(jobs, KEY).application_id, what="its id")
        finally:
            asked.touch()

    waiting = threading.Thread(target=let_it_end)

    def show(stream: str, line: str) -> None:
        lines.append(line)
        if line == "sum 12":
            waiting.start()

    task._show = show  # type: ignore[method-assign]

    instance = execute(task)

    waiting.join()
    assert [line for line in lines if line.startswith(("arguments", "secret", "sum"))] == [
        f"arguments {['two words', HOSTILE, '--token', 't0psecret']}",
        "secret is kept: True",
        "sum 12",
    ]
    page = "http://host:8080/couture/runs/dag/manual%2Fa%27b%22%3C%26%3E%C3%BC/task?map_index=-1&try_number=2"
    assert instance.pushed == {
        "_link_SparkUILink": f"{page}&spark_ui=1#spark-ui",
        "_link_RunDetailsLink": page,
    }
    run = run_records.read(jobs, KEY)
    assert (run.state, run.error, run.dag_version, run.app_name) == ("success", None, "7", "doubles")
    assert run.user == pwd.getpwuid(os.geteuid()).pw_name != task.owner
    assert (run.master, run.deploy_mode) == ("local[1]", "client")
    # Where somebody else has taken the port meanwhile, Spark takes one of the next sixteen.
    page_of_spark = re.fullmatch(r"http://127\.0\.0\.1:(\d+)", run.tracking_url or "")
    assert page_of_spark and int(page_of_spark[1]) in range(UI_PORT, UI_PORT + 17)
    assert re.fullmatch(r"local-\d+", run.application_id or "")
    assert [(use.role, use.name, use.version) for use in run.files] == [
        ("application", "waits.py", 1),
        ("py-file", "rules.py", 1),
    ]
    assert run.files[0].sha256 == jobs.artifacts.get("waits.py").sha256
    assert run.spark_version.startswith("4.")
    assert run.ended_at is not None
    kept = next(jobs.runs.rglob("2.json")).read_text()
    assert "a=b" not in kept
    assert "t0psecret" not in kept
    assert run.command.endswith("--token '*********(redacted)'")


@pytest.mark.spark
def test_a_jar_succeeds_and_ends_early_with_spark_s_own_reason(jobs: Store, jar: bytes) -> None:
    jobs.artifacts.put("job.jar", [jar], user="a")
    lines: list[tuple[str, str]] = []

    def run(*arguments: str, **options: Any) -> None:
        task = operator("job.jar", application_arguments=list(arguments), **options)
        task._show = lambda stream, line: lines.append((stream, line))  # type: ignore[method-assign]
        execute(task)

    run("a b", HOSTILE, class_path="Job")

    assert ("output", f"arguments [a b, {HOSTILE}]") in lines
    assert ("output", "count 1000") in lines
    # It need not live long enough to be asked for its id.
    assert re.fullmatch(r"local-\d+", run_records.read(jobs, KEY).application_id or "local-0")

    with pytest.raises(SparkJobError) as missing:
        run("x", class_path="com.example.Nope")

    assert str(missing.value).splitlines() == [
        "The Spark job 'task' failed (exit code 101).",
        "The class is neither in the code artifact nor in the jars: correct class_path, or add its jar.",
        "Error: Failed to load class com.example.Nope.",
    ]

    with pytest.raises(SparkJobError) as full:
        run("memory", class_path="Job", spark_arguments={"driver-memory": "512m"})

    assert str(full.value).splitlines() == [
        "The Spark job 'task' failed (exit code 1).",
        "Give the driver or the executors more memory: the arguments driver-memory and executor-memory.",
        "java.lang.OutOfMemoryError: Java heap space",
    ]
    assert (run_records.read(jobs, KEY).error or "").splitlines()[
        0
    ] == "java.lang.OutOfMemoryError: Java heap space"


@pytest.mark.spark
def test_a_python_error_in_an_executor_is_the_last_line(jobs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    task = operator("error.py")
    logged: list[tuple[str, str]] = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(task.log, level, lambda *said, level=level: logged.append((level, said[-1])))

    with pytest.raises(SparkJobError) as caught:
        execute(task)

    (whole,) = [
        text for level, text in logged
        if level == "error" and text.startswith("Traceback (most recent call last):\n")
    ]  # fmt: skip
    assert 'error.py", line 6, in <module>' in whole
    assert "ValueError: the value 'a<b>&c' is odd" in whole
    assert not [
        text for level, text in logged if level != "error" and "error.py" in text and "line 6" in text
    ]
    assert str(caught.value).splitlines()[-1] == "ValueError: the value 'a<b>&c' is odd"
    run = run_records.read(jobs, KEY)
    assert (run.state, run.error) == ("failed", "ValueError: the value 'a<b>&c' is odd")


@pytest.mark.spark
@pytest.mark.parametrize(
    ("program", "cause"),
    [
        pytest.param(
            "import sys\nprint('rows: 0')\nsys.exit('the input folder is empty')",
            "The application exited with code 1. The last that it printed: the input folder is empty",
            id="exit",
        ),
        pytest.param(
            "import argparse\nparser = argparse.ArgumentParser()\n"
            "parser.add_argument('--day', required=True)\nparser.parse_args()",
            "say.py: error: the following arguments are required: --day",
            id="argparse",
        ),
    ],
)
def test_what_a_program_says_at_its_end_is_the_reason(jobs: Store, program: str, cause: str) -> None:
    jobs.artifacts.put("say.py", [program.encode()], user="a")

    with pytest.raises(SparkJobError) as caught:
        execute(operator("say.py"))

    assert str(caught.value).splitlines()[-1] == cause
    assert run_records.read(jobs, KEY).error == cause


@pytest.mark.spark
def test_on_kill_and_a_timeout_leave_nothing(jobs: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = f"COUTURE_TEST_{os.getpid()}"
    monkeypatch.setenv(marker, "1")
    sleep = b"import time\nprint('asleep', flush=True)\ntime.sleep(600)\n"
    jobs.artifacts.put("sleep.py", [sleep], user="a")

    killed = operator("sleep.py")
    killed._show = lambda stream, line: (  # type: ignore[method-assign]
        threading.Thread(target=killed.on_kill).start() if line == "asleep" else None
    )
    with pytest.raises(
        SparkKilledError, match="The Spark job 'task' was killed. Nothing of it is left running."
    ):
        execute(killed)
    assert run_records.read(jobs, KEY).state == "killed"

    from airflow.sdk.exceptions import AirflowTaskTimeout

    def time_out(stream: str, line: str) -> None:
        if line == "asleep":
            raise AirflowTaskTimeout("Timeout")

    late = operator("sleep.py")
    late._show = time_out  # type: ignore[method-assign]
    with pytest.raises(AirflowTaskTimeout):
        execute(late)
    run = run_records.read(jobs, KEY)
    assert (run.state, run.error) == ("killed", "The task was ended by AirflowTaskTimeout: Timeout")

    assert processes_of(marker) == []


DAG_FILE = """
from datetime import timedelta
from airflow.sdk import DAG
from couture_workflow.operators import CouturePySparkOperator
with DAG("templated", schedule=None) as dag:
    CouturePySparkOperator(
        task_id="task",
        code_artifact="job.py",
        app_name="{{ dag.dag_id }}",
        application_arguments=["{{ run_id }}", "{{ ti.task_id }}"],
        spark_arguments={"master": "local[1]"},
        spark_configurations=CONFIGURATIONS,
        execution_timeout=timedelta(minutes=9),
    )
if __name__ == "__main__":
    from airflow.utils.db import upgradedb
    upgradedb()
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    DagBundlesManager().sync_bundles_to_db()
    run = dag.test(run_conf={})
    instance = run.get_task_instance("task")
    print("state", instance.state)
    print("link", instance.xcom_pull(task_ids="task", key="_link_RunDetailsLink"))
    print("ui", instance.xcom_pull(task_ids="task", key="_link_SparkUILink"))
"""


@pytest.mark.spark
@pytest.mark.slow
def test_a_dag_run_through_airflow_renders_templates_and_keeps_its_links(jobs: Store, tmp_path: Path) -> None:
    jobs.artifacts.put(
        "job.py", [JOB.replace("import rules", "").replace("rules.double", "abs").encode()], user="a"
    )
    file = tmp_path / "airflow" / "dags" / "templated.py"
    file.parent.mkdir(parents=True)
    file.write_text(DAG_FILE.replace("CONFIGURATIONS", repr({**SMALL, "spark.my.password": "x"})))

    ran = subprocess.run(
        [sys.executable, str(file)],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow")},
        capture_output=True,
        text=True,
        timeout=500,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    run_id = re.search(r"arguments \['(.*)', 'task'\]", ran.stdout + ran.stderr)
    assert run_id is not None
    assert "state success" in ran.stdout
    assert re.search(r"link \S*/couture/runs/templated/\S+/task\?map_index=-1&try_number=\d", ran.stdout)
    assert re.search(
        r"^ui \S+/task\?map_index=-1&try_number=1&spark_ui=1#spark-ui$", ran.stdout, re.MULTILINE
    )
    run = next(iter(run_records.tries(jobs, run_records.RunKey("templated", run_id[1], "task"))))
    assert (run.state, run.app_name) == ("success", "templated")
