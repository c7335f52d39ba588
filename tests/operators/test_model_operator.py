"""The operator that registers models and the function for tasks: what they take, return, and refuse."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.execution_time.context import MacrosAccessor, set_current_context
from airflow.sdk.plugins_manager import integrate_macros_plugins

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.operators import CoutureModelOperator, CouturePySparkOperator, register_model
from couture_workflow.operators.model import _numbers, _stage
from couture_workflow.services.models import jobs, library
from couture_workflow.services.runs import records as run_records
from couture_workflow.store.home import Store
from tests.support.spark import SMALL

#: Reads a model in the driver and in an executor.
JOB = b"""
from pathlib import Path
from pyspark import SparkFiles
from pyspark.sql import SparkSession
def read(name):
    found = Path(SparkFiles.get(name))
    return (found / "weights" if found.is_dir() else found).read_text()
spark = SparkSession.builder.getOrCreate()
print("driver", [read(name) for name in ("rules", "words")])
print("executor", spark.sparkContext.parallelize(["rules", "words"], 1).map(read).collect())
"""
HOSTILE = "a'b\"<&>/../ü"
RUN = {"dag_id": "d", "run_id": HOSTILE, "task_id": "register", "map_index": -1, "try_number": 2}


@pytest.fixture
def context() -> Any:
    instance = SimpleNamespace(**RUN, bundle_instance=SimpleNamespace(version="c0ffee"))
    return {"ti": instance, "dag_run": SimpleNamespace(triggering_user_name="bob")}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("1 2 3")
    return folder


def test_arguments_are_taken_and_templated() -> None:
    task = CoutureModelOperator(
        task_id="register",
        path="{{ place }}",
        name="{{ name }}",
        metrics="{{ numbers }}",
        stage="{{ label }}",
        note="{{ name }}",
        description="Register",
    )

    values: Any = {"place": "/x", "name": HOSTILE, "numbers": {"accuracy": 0.5}, "label": None}
    task.render_template_fields(values)

    assert (task.path, task.name, task.note, task.doc) == ("/x", HOSTILE, HOSTILE, "Register")
    assert (_numbers(task.metrics), _stage(task.stage)) == ({"accuracy": 0.5}, None)


@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        pytest.param('{"a": 1}', {"a": 1}, id="JSON"),
        pytest.param({"a": 1.5}, {"a": 1.5}, id="mapping"),
        pytest.param("None", {}, id="nothing of a template"),
        pytest.param(None, {}, id="none"),
    ],
)
def test_metrics_are_a_mapping_or_its_text(given: object, numbers: dict[str, float]) -> None:
    assert _numbers(given) == numbers


@pytest.mark.parametrize("given", ["0.9", "[1]", "open('/etc/passwd')", "{" * 5000, 3])
def test_metrics_that_are_no_mapping_are_refused(given: object) -> None:
    with pytest.raises(InvalidError, match="give a mapping"):
        _numbers(given)


def test_a_model_is_registered_with_the_run_that_made_it(
    store: Store, model: Path, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://host/airflow/")
    task = CoutureModelOperator(
        task_id="register", path=str(model), name="rules", kind="spark", metrics={"rmse": 0.25}, note=HOSTILE
    )

    found = task.execute(context)

    page = "http://host/airflow/couture/trained-models/spark/rules"
    assert found == {
        "name": "rules",
        "kind": "spark",
        "version": 1,
        "state": "kept",
        "reference": "rules@1",
        "page": page,
    }
    assert task.operator_extra_links[0].get_link(task, ti_key=None) == page  # type: ignore[arg-type]
    version = library.get(store, "spark", "rules").version(1)
    assert dict(version.about.metrics) == {"rmse": 0.25}
    assert dict(version.about.run) == {**RUN, "dag_version": "c0ffee"}
    assert (version.about.note, version.file.uploaded_by) == (HOSTILE, "bob")
    assert (jobs.path(store, "rules@1") / "weights").read_text() == "1 2 3"


def test_a_python_function_registers_from_its_task(store: Store, model: Path, context: Any) -> None:
    with set_current_context(context):
        found = register_model(model, "rules", "other", metrics={"rmse": 1}, stage=None)

    assert (found["reference"], found["state"]) == ("rules@1", "kept")
    assert library.get(store, "other", "rules").version(1).about.run["dag_id"] == "d"


def test_what_is_no_model_fails_the_task_for_good(store: Store, model: Path, context: Any) -> None:
    refused = CoutureModelOperator(task_id="register", path=model, name="net", stage="stable")

    with pytest.raises(AirflowFailException, match="No model is in the archive"):
        refused.execute(context)
    with pytest.raises(InvalidError, match="stage is 'best'"):
        CoutureModelOperator(task_id="register", path=model, name="net", stage="best").execute(context)
    with pytest.raises(NotFoundError, match="no file or folder"):
        CoutureModelOperator(task_id="register", path="/no/such", name="net").execute(context)
    assert library.get(store, "tensorflow", "net").document.labels == {}


def test_a_killed_task_waits_no_longer(store: Store, model: Path, context: Any) -> None:
    task = CoutureModelOperator(task_id="register", path=model, name="net")
    task.on_kill()

    with pytest.raises(AirflowException, match="was ended"):
        task.execute(context)


def test_a_template_of_any_task_gives_the_path_of_a_model(store: Store, model: Path, context: Any) -> None:
    CoutureModelOperator(task_id="r", path=model, name="rules", kind="spark").execute(context)
    task = BashOperator(
        task_id="score", bash_command='cat {{ macros.couture_workflow.model_path("rules@1") }}/weights'
    )

    integrate_macros_plugins()
    task.render_template_fields({"macros": MacrosAccessor()})  # type: ignore[typeddict-item]

    assert task.bash_command == f"cat {jobs.path(store, 'rules@1')}/weights"


def test_spark_operators_bring_models(store: Store, model: Path, context: Any, tmp_path: Path) -> None:
    CoutureModelOperator(task_id="r", path=model, name="rules", kind="spark").execute(context)
    task = CouturePySparkOperator(task_id="job", code_artifact="a.py", models="{{ wanted }}")
    task.render_template_fields({"wanted": "rules@1"})  # type: ignore[typeddict-unknown-key]

    bring = task.job_request().bring

    assert bring is not None
    assert [path.name for path in bring(store, tmp_path / "run").archives] == ["rules.tar"]
    assert CouturePySparkOperator(task_id="job", code_artifact="a.py").job_request().bring is None


@pytest.mark.spark
@pytest.mark.slow
def test_driver_and_executors_find_the_models(
    store: Store, model: Path, context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE", "False")
    (tmp_path / "words").write_text("a b")
    CoutureModelOperator(task_id="r", path=model, name="rules", kind="spark").execute(context)
    CoutureModelOperator(task_id="r", path=tmp_path / "words", name="words", kind="other").execute(context)
    store.artifacts.put("read.py", [JOB], user="a")
    task = CouturePySparkOperator(
        task_id="job",
        code_artifact="read.py",
        models=["rules@1", "words"],
        spark_arguments={"master": "local[1]"},
        spark_configurations=SMALL,
    )
    lines: list[str] = []
    monkeypatch.setattr(task, "_show", lambda stream, line: lines.append(line))
    context["ti"].xcom_push = lambda key, value: None

    task.execute(context)

    assert "driver ['1 2 3', 'a b']" in lines
    assert "executor ['1 2 3', 'a b']" in lines
    run = run_records.read(store, run_records.RunKey(**RUN))
    assert [(use.role, use.name, use.version) for use in run.files[1:]] == [
        ("model", "rules", 1),
        ("model", "words", 1),
    ]
