"""Tasks that run a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from couture_workflow.services.notebooks.run import NotebookRun

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

    def execute(self, context: Context) -> str:
        """Run the notebook to its end and return where its output is."""
        from couture_workflow.services.notebooks import run as notebook_run
        from couture_workflow.store.home import Store

        store = Store.open()
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
        if self._run is not None:
            self._run.stop()

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
