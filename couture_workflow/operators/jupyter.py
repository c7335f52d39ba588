"""Tasks that run a notebook."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from couture_workflow.operators.links import RunDetailsLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from couture_workflow.services.notebooks.run import NotebookRun
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
    :param python: the Python that the cells run in, which must have ipykernel; the one of the Jupyter runtime
        if it is not given (templated)
    :param description: what the task does; shown as its documentation
    """

    template_fields: Sequence[str] = ("input_nb", "output_nb", "parameters", "python")
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
        python: str | None = None,
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
        self.python = python
        self.description = description
        self._run: NotebookRun | None = None
        self._killed = False

    def execute(self, context: Context) -> str:
        """Run the notebook to its end and return where its output is."""
        from airflow.sdk.log import redact  # type: ignore[attr-defined]

        from couture_workflow.services.runs.recording import recorded
        from couture_workflow.store.home import Store

        store = Store.open()
        if not hasattr(context["ti"], "dag_id"):  # no task of Airflow's: there is nothing to keep a record of
            return self._execute(context, store)
        with recorded(
            store,
            self._record(context),
            redact=lambda text: str(redact(text)),
            stopped=lambda: self._killed,
        ):
            return self._execute(context, store)

    def _execute(self, context: Context, store: Store) -> str:
        from couture_workflow.services.notebooks import run as notebook_run

        source = notebook_run.find_input(self.input_nb, self._folders(context, store.root))
        request = notebook_run.NotebookRequest(
            source=source,
            output=notebook_run.output_path(store, self.output_nb or self.input_nb),
            parameters=notebook_run.checked_parameters(self.parameters),
            html=self.export_html,
            python=self.python or None,
        )
        self.log.info("The notebook is %s", source)
        self._run = notebook_run.NotebookRun(request, on_line=self._show, keep_going=_supervised())
        output = self._run.run()
        self.log.info("The notebook with its results is %s", output)
        return str(output)

    def on_kill(self) -> None:
        """End the kernel and everything that it started."""
        self._killed = True
        if self._run is not None:
            self._run.stop()

    def _record(self, context: Context) -> Run:
        from airflow.sdk.log import redact  # type: ignore[attr-defined]

        from couture_workflow.operators.origin import dag_version, run_key, system_account, triggered_by
        from couture_workflow.services.runs.records import Run

        ti: Any = context["ti"]
        given = (self.parameters or {}).items()
        return Run(
            key=run_key(ti),
            kind="notebook",
            state="running",
            started_at=datetime.now(UTC),
            dag_version=dag_version(ti),
            app_name=str(redact(self.input_nb)),
            application_arguments=tuple(f"{name}={redact(value, name)}" for name, value in given),
            host=socket.gethostname(),
            pid=os.getpid(),
            user=system_account(),
            owner=self.owner,
            triggered_by=triggered_by(context),
        )

    def _folders(self, context: Context, home: Path) -> list[Path]:
        """Return where the notebook may be, the likeliest place first."""
        from couture_workflow.services.notebooks import run as notebook_run

        bundle = getattr(getattr(context["ti"], "bundle_instance", None), "path", None)
        top = Path(bundle) if bundle else None
        return notebook_run.input_folders(Path(context["dag"].fileloc), top=top, home=home)

    def _show(self, kind: str, line: str) -> None:
        getattr(self.log, _LEVELS.get(kind, "info"))("%s", line)


def _supervised() -> Any:
    """Return what tells whether the supervisor of this task still lives, if it is a process of its own."""
    from airflow.sdk.execution_time import task_runner

    if not hasattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "socket"):
        return lambda: True
    supervisor = os.getppid()
    return lambda: os.getppid() == supervisor
