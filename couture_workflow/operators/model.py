"""Tasks that register a trained model: an operator, and a function for tasks that are Python functions."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink

from couture_workflow.exceptions import InvalidError

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

    from couture_workflow.services.models.registering import Received
    from couture_workflow.store.home import Store

#: What a stage may be: the label that the version gets when it has passed its check; None: none.
STAGES = ("stable", "canary", None)
#: Seconds that a task waits for the check of its version, and until the model server has loaded it.
WAIT = 900.0


class ModelLink(BaseOperatorLink):
    """The page of the model that the task registers a version of."""

    name = "Model"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the page, "" as long as nothing is registered."""
        return getattr(operator, "model_url", "")


class CoutureModelOperator(BaseOperator):
    """Register a trained model that a task has made: a new version, which is checked and then gets its label.

    The task returns ``{"name", "kind", "version", "state", "reference", "page"}``. It fails if the version
    does not pass its check; the version that was served before goes on being served.

    :param path: the model on this machine: a folder, such as a SavedModel, or a file, such as an archive or
        an ``.onnx`` (templated)
    :param name: of the model; a name that exists gets another version (templated)
    :param kind: ``"tensorflow"`` for what is served, ``"spark"`` or ``"other"`` for what jobs use (templated)
    :param metrics: numbers that tell how good it is, such as ``{"accuracy": 0.97}`` (templated)
    :param stage: label that it gets: ``"canary"``, ``"stable"``, or None for none (templated)
    :param note: what is new in this version (templated)
    :param wait: seconds that the task waits until the version is checked and, with a label, served
    :param description: what the task does; shown as its documentation
    """

    template_fields: Sequence[str] = ("path", "name", "kind", "metrics", "stage", "note")
    template_fields_renderers: ClassVar[dict[str, str]] = {"metrics": "json"}
    operator_extra_links = (ModelLink(),)
    ui_color = "#7b2cbf"
    ui_fgcolor = "#ffffff"

    def __init__(
        self,
        *,
        path: str | Path,
        name: str,
        kind: str = "tensorflow",
        metrics: Mapping[str, float] | str | None = None,
        stage: str | None = "canary",
        note: str = "",
        wait: float = WAIT,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        if description:
            kwargs.setdefault("doc", description)
        super().__init__(**kwargs)
        self.path = path
        self.name = name
        self.kind = kind
        self.metrics = metrics
        self.stage = stage
        self.note = note
        self.wait = wait
        self.description = description
        self.model_url = ""
        self._killed = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Register the model and wait until it is checked and, with a label, served."""
        found = _registered(
            context,
            Path(self.path),
            name=self.name,
            kind=self.kind,
            metrics=self.metrics,
            stage=self.stage,
            note=self.note,
            wait=self.wait,
            say=self.log.info,
            keep_going=lambda: not self._killed,
        )
        self.model_url = found["page"]
        return found

    def on_kill(self) -> None:
        """Wait no longer; what was registered goes its way."""
        self._killed = True


def register_model(
    path: str | Path,
    name: str,
    kind: str = "tensorflow",
    *,
    metrics: Mapping[str, float] | None = None,
    stage: str | None = "canary",
    note: str = "",
    wait: float = WAIT,
) -> dict[str, Any]:
    """Register a trained model from a task that is a Python function; see :class:`CoutureModelOperator`.

    :return: ``{"name", "kind", "version", "state", "reference", "page"}``
    """
    import logging

    from airflow.sdk import get_current_context

    return _registered(
        get_current_context(),
        Path(path),
        name=name,
        kind=kind,
        metrics=metrics,
        stage=stage,
        note=note,
        wait=wait,
        say=logging.getLogger("airflow.task").info,
        keep_going=lambda: True,
    )


def _registered(
    context: Context,
    path: Path,
    *,
    name: str,
    kind: str,
    metrics: object,
    stage: object,
    note: str,
    wait: float,
    say: Callable[..., object],
    keep_going: Callable[[], bool],
) -> dict[str, Any]:
    from couture_workflow.operators.origin import system_account, triggered_by
    from couture_workflow.services.models import registering
    from couture_workflow.store.home import Store

    store = Store.open()
    registered = registering.register_model(
        store,
        path,
        name=name,
        kind=kind,
        metrics=_numbers(metrics),
        note=note,
        stage=_stage(stage),
        run=_run(context),
        user=triggered_by(context) or system_account(),
    )
    reference = f"{registered.name}@{registered.version}"
    say("Registered %s as a model of the kind %s.", reference, registered.kind)
    state, message = _settled(store, registered, wait=wait, keep_going=keep_going)
    say("%s is %s. %s", reference, state, message)
    return {
        "name": registered.name,
        "kind": registered.kind,
        "version": registered.version,
        "state": state,
        "reference": reference,
        "page": page(registered.kind, registered.name),
    }


def _settled(
    store: Store, registered: Received, *, wait: float, keep_going: Callable[[], bool]
) -> tuple[str, str]:
    """Wait until nothing is left to do for a version; return its state and what is said of it.

    :raises AirflowFailException: it is refused: another try would bring the same model.
    :raises AirflowException: it did not get that far.
    """
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from couture_workflow.exceptions import ModelError
    from couture_workflow.services.models import library, registering, server

    try:
        registering.wait(
            store,
            registered.kind,
            registered.name,
            registered.version,
            seconds=wait,
            keep_going=keep_going,
        )
    except ModelError as error:
        about = library.get(store, registered.kind, registered.name).version(registered.version).about
        refused = bool(about.check) and not about.passed
        raise (AirflowFailException if refused else AirflowException)(str(error)) from error
    state = library.get(store, registered.kind, registered.name).state(registered.version, server.look())
    return state.name, state.message


def _run(context: Context) -> dict[str, Any] | None:
    """Return which try of which task registers it."""
    from dataclasses import asdict

    from couture_workflow.operators.origin import dag_version, run_key

    ti: Any = context["ti"]
    if not hasattr(ti, "dag_id"):
        return None
    version = dag_version(ti)
    return {**asdict(run_key(ti)), **({"dag_version": version} if version else {})}


def _stage(given: object) -> str | None:
    """Return the label; a template that gives nothing means none."""
    stage = None if given in (None, "", "None") else str(given)
    if stage not in STAGES:
        raise InvalidError(f'stage is {given!r}: give "stable", "canary" or None.', field="stage")
    return stage


def _numbers(given: object) -> dict[str, float]:
    """Return metrics; a template makes a text of a mapping."""
    if given in (None, "", "None"):
        return {}
    found = given
    if isinstance(given, str):
        try:
            found = json.loads(given)
        except ValueError:
            try:
                found = ast.literal_eval(given)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                found = None
    if not isinstance(found, Mapping):
        raise InvalidError(
            f'metrics is {str(given)[:100]!r}: give a mapping such as {{"accuracy": 0.97}}.', field="metrics"
        )
    return {str(name): value for name, value in found.items()}


def page(kind: str, name: str) -> str:
    """Return the address of a model's page, below the address of Airflow."""
    from airflow.sdk.configuration import conf

    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/couture/trained-models/{quote(kind, safe='')}/{quote(name, safe='')}"
