"""Inside the sandbox: parse a DAG file as Airflow's DAG processor does, and tell what is in it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couture_workflow.patches import dag_parsing
from couture_workflow.services.gate.inside.recorder import LONGEST, Recorder

#: What DAG files import most, loaded once.
PRELOADED = (
    "airflow.dag_processing.dagbag",
    "airflow.dag_processing.importers.python_importer",
    "airflow.dag_processing.processor",
    "airflow.models.dag",
    "airflow.sdk.bases.hook",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.io",
    "airflow.serialization.serialized_objects",
    "airflow.timetables.trigger",
    "airflow.providers.standard.operators.bash",
    "airflow.providers.standard.operators.empty",
    "airflow.providers.standard.operators.latest_only",
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.providers.standard.sensors.filesystem",
    "couture_workflow.operators",
    "couture_workflow.operators.dag",
    "couture_workflow.operators.jupyter",
    "couture_workflow.operators.spark",
    "airflow.utils.dag_version_inflation_checker",
    "couture_workflow.services.gate.inside.answers",
    "couture_workflow.services.gate.inside.findings",
    "couture_workflow.services.gate.inside.graph",
    "couture_workflow.services.files.uses",
    "airflow.decorators",
    "encodings.idna",
    "pendulum",
    "requests",
    "yaml",
)


def preload() -> None:
    """Import what nearly every DAG file needs; whatever is not installed is left out."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import airflow.sdk
        import structlog

        for name in PRELOADED:
            try:
                __import__(name)
            except ImportError:
                continue
        for name in ("DAG", "dag", "task", "task_group", "Asset", "Param", "Label", "Variable", "Connection"):
            getattr(airflow.sdk, name)
        dag_parsing.look()
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        _rehearse()


def _rehearse() -> None:
    """Do with a DAG of our own what is done with all: what libraries make at first use is made once."""
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG

    from couture_workflow.services.gate.inside import templates

    with DAG("rehearsal", schedule="@daily", params={"name": 1}) as dag:
        BashOperator(task_id="task", bash_command="echo {{ ds | lower }} {% if params.name %}{% endif %}")
    recorder = Recorder("/")
    recorder.texts[id(dag)] = templates.texts(dag)
    _described(dag, recorder, path="")


def run(question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a question: ``{"tree": folder, "list": True}`` or ``{"tree": folder, "path": file, ...}``."""
    sys.dont_write_bytecode = True
    tree = os.path.realpath(question["tree"])
    if question.get("list"):
        return {"files": _dag_files(tree)}
    if data := question.get("data"):
        return {"problems": [problem for path in data if (problem := _data_problem(tree, path))]}
    return _parse(tree, str(question["path"]), question)


def _dag_files(tree: str) -> list[str]:
    """Return the files that Airflow would parse, ``.airflowignore`` and its safe mode respected."""
    from airflow.configuration import conf
    from airflow.dag_processing.importers.python_importer import PythonDagImporter

    safe = conf.getboolean("core", "dag_discovery_safe_mode", fallback=True)
    found = PythonDagImporter().list_dag_files(tree, safe_mode=safe)
    return sorted(os.path.relpath(path, tree) for path in found)


def _data_problem(tree: str, path: str) -> dict[str, Any] | None:
    """Return what is wrong with the syntax of a YAML or JSON file; one with templates in it is left alone."""
    import yaml

    try:
        text = Path(tree, path).read_text(encoding="utf-8")
        if "{{" in text or "{%" in text:
            return None
        if path.endswith(".json"):
            json.loads(text)
        else:
            for _ in yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader)):
                pass
    except json.JSONDecodeError as error:
        return {"path": path, "line": error.lineno, "message": f"This is not JSON: {error.msg}."}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return {"path": path, "line": line, "message": f"This is not YAML: {error.problem}."}
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        return {"path": path, "line": 0, "message": f"This cannot be read: {error}."}
    return None


def _parse(tree: str, path: str, question: Mapping[str, Any]) -> dict[str, Any]:
    from couture_workflow.services.gate.inside import answers, findings

    recorder = Recorder(tree)
    recorder.install()
    asked = answers.install(question, recorder.loading.asked)
    with warnings.catch_warnings(record=True) as caught, recorder.loading:
        warnings.simplefilter("default")
        bag = _bag(recorder, str(Path(tree, path)), tree, str(question.get("bundle", "dags")))
    found: list[dict[str, Any]] = []
    for dag in bag.dags.values() if bag is not None else ():
        try:
            found.append(_described(dag, recorder, path=path))
        except Exception as error:  # noqa: BLE001 (whatever the file's own objects raise)
            recorder.errors.append(recorder.told(error, dag))
    if (
        bag is not None and not recorder.errors
    ):  # found by Airflow after the file was run: cycles, wrong settings
        for text in bag.import_errors.values():
            kind, _, message = text.partition(": ")
            place = recorder.dag_place(kind, message)
            recorder.errors.append({"type": kind, "message": message[:LONGEST], **place})
    kept = [text for texts in bag.captured_warnings.values() for text in texts] if bag is not None else []
    registered = {id(dag): dag for dag in [*recorder.registered, *_of_module(str(Path(tree, path)))]}
    return {
        "dags": found,
        "repeated": [*findings.repeated([*registered.values()], recorder)],
        "errors": recorder.errors,
        "warnings": list(recorder.warnings(caught, kept)),
        "reads": sorted(path for path in recorder.reads if "__pycache__" not in path),
        "asked": {kind: list(names) for kind, names in asked.items()},
        "loading": recorder.loading.found(path),
    }


def _bag(recorder: Recorder, file: str, tree: str, bundle: str) -> Any:
    """Return Airflow's bag of a file, None if the file ends Airflow's process that loads it."""
    from airflow.dag_processing.dagbag import BundleDagBag

    from couture_workflow.services.gate.inside import templates

    class Bag(BundleDagBag):
        def bag_dag(self, dag: Any) -> None:
            recorder.registered.append(dag)
            with contextlib.suppress(Exception):  # whatever the file's own operators raise
                recorder.texts[id(dag)] = templates.texts(dag)  # files take the place of names below
            super().bag_dag(dag)

    try:
        return Bag(dag_folder=file, bundle_path=Path(tree), bundle_name=bundle, load_op_links=False)
    except KeyboardInterrupt:  # the one that Airflow lets through; the recorder has noted its place
        return None


def _of_module(file: str) -> list[Any]:
    """Return the DAGs that are variables of a file; Airflow keeps one of those that look the same to it."""
    from airflow.sdk import DAG
    from airflow.utils.file import get_unique_dag_module_name

    module = sys.modules.get(get_unique_dag_module_name(file))
    return [each for each in vars(module).values() if isinstance(each, DAG)] if module is not None else []


def _described(dag: Any, recorder: Recorder, *, path: str) -> dict[str, Any]:
    from couture_workflow.services.gate.inside import findings, graph, stored

    data = stored.stored(dag)
    told = graph.described(dag, data, path=path, origin=recorder.origin)
    told["findings"] = [*findings.found(dag, data, recorder)]
    told["places"] = [*findings.places(dag, told, recorder)]
    return told
