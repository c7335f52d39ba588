"""Tasks that make an output of a source of exploratory data analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink

from couture_workflow.exceptions import InvalidError, NotFoundError

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

    from couture_workflow.services.eda.outputs import Output
    from couture_workflow.services.eda.runs import Asked, EdaRun
    from couture_workflow.services.spark.jobs import Origin

LAST = "last"


class EdaReportLink(BaseOperatorLink):
    """The report of the output that the task makes; its page tells how far that is."""

    name = "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the report, "" as long as there is no output."""
        return getattr(operator, "report_url", "")


class CoutureEdaOperator(BaseOperator):
    """Make an output of a source: its numbers and its report.

    The task returns ``{"source", "output", "rows", "columns", "missing_share", "alerts", "seconds",
    "report"}``: among them the number of the output, the share of all cells that are missing, and the address
    of the report.

    :param source: name of a source of *Developer > Exploratory Data Analysis* (templated)
    :param sample_rows: rows of the sample that plots are made from, as the source says if it is not given
        (templated)
    :param compare_with: the output that ``fail_when`` compares with: ``"last"`` for the newest success before
        this one, which is what a rule takes that needs one, or a number (templated)
    :param fail_when: rules by which the task fails although the output was made
    :param description: what the task does; shown as its documentation
    """

    template_fields: Sequence[str] = ("source", "sample_rows", "compare_with")
    operator_extra_links = (EdaReportLink(),)
    ui_color = "#2a9d8f"
    ui_fgcolor = "#ffffff"

    #: What people may leave a template to become, for "as the source says".
    _NOTHING: ClassVar[tuple[object, ...]] = (None, "", "None")

    def __init__(
        self,
        *,
        source: str,
        sample_rows: int | str | None = None,
        compare_with: str | int | None = None,
        fail_when: Mapping[str, Any] | Sequence[Any] | str | None = None,
        description: str | None = None,
        **kwargs: Any,
    ) -> None:
        if description:
            kwargs.setdefault("doc", description)
        super().__init__(**kwargs)
        self.source = source
        self.sample_rows = sample_rows
        self.compare_with = compare_with
        self.fail_when = fail_when
        self.description = description
        self.report_url = ""
        self._run: EdaRun | None = None
        self._killed = False
        if fail_when:
            self._rules()

    def execute(self, context: Context) -> dict[str, Any]:
        """Make the output and return what others may want to know of it."""
        from airflow.sdk.exceptions import AirflowException, AirflowFailException

        from couture_workflow.exceptions import EdaError
        from couture_workflow.services.eda.runs import STOPPED, BrokenError, EdaRun
        from couture_workflow.store.home import Store

        store = Store.open()
        self._run = EdaRun(
            store,
            self._asked(),
            self._origin(context),
            connect=_connect,
            on_line=self._show,
            on_begun=lambda output: self._push_link(context, output),
        )
        if self._killed:
            self._run.stop()
        try:
            output = self._run.run()
        except BrokenError as error:
            raise AirflowException(str(error)) from error
        except EdaError as error:
            if error.code == STOPPED:  # whoever stopped it wants no further try
                raise AirflowFailException(str(error)) from error
            raise
        return self._summary(output)

    def on_kill(self) -> None:
        """End the run and everything that it started."""
        self._killed = True
        if self._run is not None:
            self._run.stop()

    def _asked(self) -> Asked:
        from couture_workflow.services.eda.runs import Asked

        return Asked(
            source=str(self.source),
            sample_rows=self._whole("sample_rows", self.sample_rows),
            compare_with=self._compared(),
            rules=self._rules() if self.fail_when else None,
        )

    def _rules(self) -> Any:
        from couture_workflow.services.eda.comparisons import guard

        return guard.parse(self.fail_when)

    def _compared(self) -> Any:
        if self.compare_with == LAST:
            return LAST
        return self._whole("compare_with", self.compare_with, words=f'"{LAST}" or the number of an output')

    def _whole(self, name: str, value: object, *, words: str = "a whole number") -> int | None:
        if value in self._NOTHING:
            return None
        text = str(value)
        if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) <= 9):
            raise InvalidError(f"{name} is {value!r}: give {words}, or None.", field=name)
        return int(text)

    def _origin(self, context: Context) -> Origin:
        from airflow.sdk.log import mask_secret, redact  # type: ignore[attr-defined]

        from couture_workflow.operators import origin
        from couture_workflow.services.spark.jobs import Origin

        ti: Any = context["ti"]
        return Origin(
            key=origin.run_key(ti),
            dag_version=origin.dag_version(ti),
            user=origin.system_account(),
            owner=self.owner,
            triggered_by=origin.triggered_by(context),
            redact=lambda text: str(redact(text)),
            keep_secret=mask_secret,
            keep_going=origin.supervised(),
        )

    def _show(self, level: str, line: str) -> None:
        from couture_workflow.services.spark.diagnosis import level as level_of

        if level == "driver":
            level = {"WARN": "warning", "ERROR": "error", "FATAL": "error"}.get(level_of(line), "info")
        getattr(self.log, level)("%s", line)

    def _push_link(self, context: Context, output: Output) -> None:
        """Offer the address of the report now; Airflow itself does so only when the task has ended."""
        from airflow.sdk.exceptions import AirflowRuntimeError

        self.report_url = report_address(output.source, output.number)
        ti: Any = context["ti"]
        link = self.operator_extra_links[0]
        try:
            ti.xcom_push(key=link.xcom_key, value=self.report_url)
        except (AirflowRuntimeError, AttributeError) as error:
            self.log.warning("The address of the report cannot be offered yet: %s", error)

    def _summary(self, output: Output) -> dict[str, Any]:
        return {
            "source": output.source,
            "output": output.number,
            "rows": output.rows,
            "columns": output.columns,
            "missing_share": output.missing_share,
            "alerts": output.alerts,
            "seconds": output.seconds,
            "report": self.report_url or report_address(output.source, output.number),
        }


def report_address(source: str, number: int) -> str:
    """Return the address of the page of a report, below the address of Airflow."""
    from airflow.sdk.configuration import conf

    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/couture/exploratory-data-analysis/report/{quote(source, safe='')}/{number}"


def _connect(conn_id: str) -> Mapping[str, Any]:
    """Return what leads to the database of a connection; its secrets are masked in the log from now on."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    from couture_workflow.services.eda import connections

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise NotFoundError(
            f'There is no connection "{conn_id}" in Airflow any more. Add it in Admin > Connections, or '
            "change the source."
        ) from error
    return connections.of(conn_id, found)
