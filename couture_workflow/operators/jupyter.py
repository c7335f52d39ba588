"""Tasks that run a notebook."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from couture_workflow.exceptions import InvalidError
from couture_workflow.operators.links import RunDetailsLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from couture_workflow.services.notebooks.outputs import Keep
    from couture_workflow.services.notebooks.run import NotebookRun
    from couture_workflow.services.runs.notebook_use import NotebookUse
    from couture_workflow.services.runs.records import Run
    from couture_workflow.store.home import Store

_LEVELS = {"log": "warning"}


class CoutureJupyterOperator(BaseOperator):
    """Run a Jupyter notebook with parameters, and keep it with its results.

    The task returns the path of the output.

    :param input_nb: the notebook: a path from the folder of the DAG file or from the top of the DAG
        repository, below a folder ``notebooks`` of these, or below ``notebooks`` of the home (templated)
    :param output_nb: where the notebook with its results goes, below ``outputs/notebooks`` of the home; the
        name of the input if it is not given (templated)
    :param parameters: values for the cell that is tagged ``parameters`` (templated)
    :param export_html: write the output as a page too, beside it
    :param hide_code: the page has no code; ``"both"``: there is one with and another one without
    :param kernel: the name of an installed kernel that the cells run in, such as ``"ir"`` (templated)
    :param python: the Python that the cells run in, which must have ipykernel; the one of the Jupyter runtime
        if it is not given (templated)
    :param cell_timeout: seconds, or a ``timedelta``, that one cell may take
    :param keep_outputs: of how many runs of this task the outputs are kept, 0 for all; 30 if it is not
        given, and unless ``keep_days`` is, all that ``output_nb`` named
    :param keep_days: outputs of runs that began longer ago go too; 0 for none
    :param description: what the task does; shown as its documentation
    """

    template_fields: Sequence[str] = ("input_nb", "output_nb", "parameters", "kernel", "python")
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json"}
    operator_extra_links = (RunDetailsLink(),)
    ui_color = "#f5a623"

    def __init__(
        self,
        *,
        input_nb: str,
        output_nb: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        export_html: bool = False,
        hide_code: bool | str = False,
        kernel: str | None = None,
        python: str | None = None,
        cell_timeout: float | timedelta | None = None,
        keep_outputs: int | None = None,
        keep_days: float = 0,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        if description:
            kwargs.setdefault("doc", description)
        super().__init__(**kwargs)
        self.input_nb = input_nb
        self.output_nb = output_nb
        self.parameters = parameters
        self.export_html = export_html
        self.hide_code = hide_code
        self.kernel = kernel
        self.python = python
        self.cell_timeout = cell_timeout
        self.keep_outputs = keep_outputs
        self.keep_days = keep_days
        self.description = description
        self._run: NotebookRun | None = None
        self._killed = False
        self._use: NotebookUse | None = None
        self._check()

    def _check(self) -> None:
        """Raise ``InvalidError`` for what cannot be meant."""
        for name, fits, rule in (
            ("hide_code", self.hide_code in (True, False, "both"), "True, False or 'both'"),
            ("cell_timeout", _is_number(self.cell_timeout, above=0, none=True), "seconds above 0, or None"),
            ("keep_outputs", _is_count(self.keep_outputs), "0 for all, 1, 2 and so on"),
            ("keep_days", _is_number(self.keep_days, above=-1), "a number of days, 0 for no limit"),
        ):
            if not fits:
                raise InvalidError(f"{name} is {getattr(self, name)!r}: give {rule}.", field=name)

    def execute(self, context: Context) -> str:
        """Run the notebook to its end and return where its output is."""
        from airflow.sdk.log import redact  # type: ignore[attr-defined]

        from couture_workflow.services.runs.recording import recorded
        from couture_workflow.store.home import Store

        store = Store.open()
        if not hasattr(context["ti"], "dag_id"):  # no task of Airflow's: there is nothing to keep a record of
            return self._execute(context, store)
        record = self._record(context)
        self._use = record.notebook
        with recorded(
            store,
            record,
            redact=lambda text: str(redact(text)),
            stopped=lambda: self._killed,
            known=self._known,
        ):
            return self._execute(context, store, record)

    def _execute(self, context: Context, store: Store, record: Run | None = None) -> str:
        from airflow.sdk.log import redact  # type: ignore[attr-defined]

        from couture_workflow.operators.origin import supervised
        from couture_workflow.services.notebooks import outputs
        from couture_workflow.services.notebooks import run as notebook_run
        from couture_workflow.services.runs.recording import keep

        source = notebook_run.find_input(self.input_nb, self._folders(context, store.root))
        top, limits = notebook_run.surroundings(source, repository=_bundle(context), home=store.root)
        request = notebook_run.NotebookRequest(
            source=source,
            output=notebook_run.output_path(store, self.output_nb or self.input_nb),
            parameters=notebook_run.checked_parameters(self.parameters),
            html=self.export_html,
            hide_code=self.hide_code,
            kernel=self.kernel or None,
            python=self.python or None,
            cell_timeout=_seconds(self.cell_timeout),
            top=top,
            limits=limits,
            own=outputs.begin(store, record.key, self._keep()) if record else None,
        )
        self.log.info("The notebook is %s", source)
        if self._use:
            self._use = notebook_run.identified(self._use, request, repository=_bundle(context))
        self._run = notebook_run.NotebookRun(
            request,
            on_line=self._show,
            keep_going=supervised(),
            redact=lambda text: str(redact(text)),
            on_kernel=lambda: keep(store, self._known(record)) if record else None,
            surround=lambda folder: _spark_session(store, source, folder),
            on_published=lambda paths: self._name(store, paths),
        )
        try:
            output = self._run.run()
        finally:
            if record:
                outputs.sweep_task(store, record.key.dag_id, record.key.task_id)
        self.log.info("The notebook with its results is %s", output)
        return str(output)

    def _name(self, store: Store, paths: Sequence[Path]) -> None:
        from couture_workflow.services.notebooks import outputs

        if self._run is not None and self._run.request.own is not None:
            outputs.named(store, self._run.request.own, paths)

    def _known(self, run: Run) -> Run:
        """Return a record with what is known of the notebook by now."""
        use = self._use
        if use is not None and self._run is not None:
            use = self._run.used(use)
        return replace(run, notebook=use)

    def on_kill(self) -> None:
        """End the kernel and everything that it started."""
        self._killed = True
        if self._run is not None:
            self._run.stop()

    def _record(self, context: Context) -> Run:
        from airflow.sdk.log import redact  # type: ignore[attr-defined]

        from couture_workflow.operators.origin import dag_version, run_key, system_account, triggered_by
        from couture_workflow.services.notebooks import run as notebook_run
        from couture_workflow.services.runs.notebook_use import NotebookUse
        from couture_workflow.services.runs.records import Run

        ti: Any = context["ti"]
        given = {
            name: notebook_run.shown(name, value, redact) for name, value in (self.parameters or {}).items()
        }
        return Run(
            key=run_key(ti),
            kind="notebook",
            state="running",
            started_at=datetime.now(UTC),
            dag_version=dag_version(ti),
            app_name=str(redact(self.input_nb)),
            application_arguments=tuple(f"{name}={_bare(value)}" for name, value in given.items()),
            notebook=NotebookUse(parameters=given, kernel=str(self.kernel or "")),
            host=socket.gethostname(),
            pid=os.getpid(),
            user=system_account(),
            owner=self.owner,
            triggered_by=triggered_by(context),
        )

    def _folders(self, context: Context, home: Path) -> list[Path]:
        """Return where the notebook may be, the likeliest place first."""
        from couture_workflow.services.notebooks import run as notebook_run

        return notebook_run.input_folders(Path(context["dag"].fileloc), top=_bundle(context), home=home)

    def _keep(self) -> Keep:
        from couture_workflow.services.notebooks.outputs import Keep

        said = self.keep_outputs is not None or self.keep_days > 0
        count = Keep().outputs if self.keep_outputs is None else self.keep_outputs
        return Keep(count, self.keep_days, named=said)

    def _show(self, kind: str, line: str) -> None:
        getattr(self.log, _LEVELS.get(kind, "info"))("%s", line)


def _bundle(context: Context) -> Path | None:
    """Return the top of the DAG repository that the task was read from, None without one."""
    path = getattr(getattr(context["ti"], "bundle_instance", None), "path", None)
    return Path(path) if path else None


def _seconds(given: float | timedelta | None) -> float | None:
    return given.total_seconds() if isinstance(given, timedelta) else given


def _is_count(given: object) -> bool:
    return given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 0)


def _is_number(given: object, *, above: float, none: bool = False) -> bool:
    value = _seconds(given) if isinstance(given, timedelta) else given
    if value is None:
        return none
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > above


def _bare(shown: str) -> str:
    """Return a text without the quotes of JSON, anything else as it is."""
    if not shown.startswith('"'):
        return shown
    try:
        return str(json.loads(shown))
    except ValueError:  # shortened
        return shown


def _spark_session(store: Store, source: Path, folder: Path) -> Mapping[str, str]:
    """Write what ``spark_session()`` of a cell makes a session from."""
    from airflow.sdk.log import mask_secret

    from couture_workflow.services.spark import notebook_session

    return notebook_session.write(
        store,
        folder / "spark-session.json",
        app_name=source.stem,
        scratch=folder / "spark",
        keep_secret=mask_secret,
    )
