"""One run of a source: the source is read once, its data by a child process or by Spark, its output kept.

It is a task of some DAG, so it knows nothing of pages and of Airflow's database. Whatever ends it, nothing is
left running, and its output says how it ended; where even that cannot be written, whoever looks at the output
next finds that its task is over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from couture_workflow import settings
from couture_workflow.exceptions import CorruptError, CoutureError, EdaError, InvalidError, NotFoundError
from couture_workflow.services.eda import data, outputs, requests, sources
from couture_workflow.services.eda.child import Child
from couture_workflow.services.eda.comparisons import guard
from couture_workflow.services.eda.document import MOST_SAMPLE_ROWS, Source
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.eda.progress import PULSE, Teller
from couture_workflow.store import atomic
from couture_workflow.store.names import quote

if TYPE_CHECKING:
    from couture_workflow.services.spark.jobs import Origin
    from couture_workflow.store.home import Store

#: Code of the error that a run ends with because somebody asked for it.
STOPPED = "stopped"

CompareWith = Literal["last"] | int | None
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a task asks for.

    :param sample_rows: None: as the source says.
    :param compare_with: "last" for the newest success, or the number of an output; None: "last" if a rule
        compares.
    :param rules: that the output is judged by.
    """

    source: str
    sample_rows: int | None = None
    compare_with: CompareWith = None
    rules: guard.Rules | None = None


class BrokenError(EdaError):
    """An output breaks a rule of its task."""


class EdaRun:
    """One run on its way.

    :param origin: the try of the task.
    :param connect: gives what leads to the database of a connection of Airflow, by its id.
    :param on_line: called with a level of the log and each line.
    :param on_begun: called with the output as soon as it has its number.
    """

    def __init__(
        self,
        store: Store,
        asked: Asked,
        origin: Origin,
        *,
        connect: Callable[[str], Mapping[str, Any]],
        on_line: Callable[[str, str], None],
        on_begun: Callable[[Output], None] = lambda output: None,
    ) -> None:
        self._store = store
        self._asked = asked
        self._origin = replace(origin, keep_going=self._goes_on)
        self._supervised = origin.keep_going
        self._connect = connect
        self._on_line = on_line
        self._on_begun = on_begun
        self._stopped_by: str | None = None
        self._child: Child | None = None
        self._output: Output | None = None
        self._teller: Teller | None = None

    def stop(self) -> None:
        """Ask for the end; ``run`` returns when nothing is left. May be called from a signal handler."""
        self._stopped_by = self._stopped_by or ""
        if self._child is not None:
            self._child.stop()

    def run(self) -> Output:
        """Run to the end and return the output.

        Raises ``BrokenError`` if the output breaks a rule, ``EdaError`` with the code "stopped" if somebody
        asked for the end, another ``CoutureError`` with a sentence for whatever else went wrong.
        """
        asked, key = self._asked, self._origin.key
        self._output = outputs.queued(self._store, asked.source, key)
        try:
            source, version = sources.read(self._store, asked.source)
            before = self._before()
            self._output = self._begun(source, version)
            self._on_begun(self._output)
            return self._made(source, before)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._sweep()

    def _begun(self, source: Source, version: str) -> Output:
        known = {
            "source_version": version,
            "state": "running",
            "started_at": datetime.now(UTC),
            "by": self._origin.triggered_by,
            "sample_rows": _sample_rows(self._asked.sample_rows, source),
            **{name: getattr(self._origin.key, name) for name in _KEY},
        }
        if self._output is not None:
            return outputs.change(self._store, self._output, **known)
        return outputs.add(self._store, Output(number=0, source=source.name, **known))

    def _before(self) -> tuple[int, dict[str, Any]] | None:
        """Return the output that this one is compared with."""
        asked, chosen = self._asked, self._asked.compare_with
        if chosen is None and (asked.rules is None or not asked.rules.compares):
            return None
        if chosen is not None and chosen != "last":
            return chosen, outputs.profile(self._store, asked.source, chosen)
        found = outputs.latest_success(self._store, asked.source)
        if found is None:
            return None
        try:
            return found.number, outputs.profile(self._store, asked.source, found.number)
        except (NotFoundError, CorruptError) as error:
            self._on_line("warning", f"There is nothing to compare with: {error}")
            return None

    def _made(self, source: Source, before: tuple[int, dict[str, Any]] | None) -> Output:
        output = self._known_output()
        own = outputs.folder(self._store, source.name, output.number)
        work = own / outputs.WORK
        self._teller = Teller(own)
        self._teller.tell(at_once=True)
        self._on_line("info", f"Output {output.number} of the source {source.name}")
        with atomic.storage_errors(work):
            work.mkdir(mode=0o700)
        data_version = self._read(source, work)
        numbers = _numbers(work)
        if not self._goes_on():
            raise EdaError("The run was stopped. Nothing of it is left running.", code=STOPPED)
        broken = self._judged(numbers, before, source.sensitive)
        with atomic.storage_errors(own):
            for name in (outputs.REPORT, outputs.PROFILE):
                (work / name).replace(own / name)
        return self._closed(output, numbers, broken, before, data_version)

    def _read(self, source: Source, work: Path) -> str:
        """Let the data be read, and return its version."""
        output = self._known_output()
        rows = output.sample_rows or 0
        about = {
            "source": source.name,
            "version": output.source_version,
            "by": output.by,
            "when": output.started_at.isoformat(timespec="seconds"),
            "run": f"{output.dag_id}/{output.run_id}",
            "output": output.number,
        }
        if source.kind == "spark":
            from couture_workflow.services.eda import spark

            spark.profile(
                self._store,
                source,
                self._origin,
                folder=work,
                sample_rows=rows,
                about=about,
                on_message=self._hear,
                on_line=self._driver_line,
            )
            return ""
        path, version = data.path_of(self._store, source) if source.kind == "file" else (None, "")
        self._output = outputs.change(self._store, output, data_version=version)
        connect = self._connect(source.sql.connection) if source.kind == "sql" else None
        request = requests.profile(
            source,
            path=path,
            connect=connect,
            folder=work,
            sample_rows=rows,
            about={**about, "data": version},
        )
        self._child = Child(request, on_message=self._hear, keep_going=self._goes_on)
        self._child.run()
        return version

    def _judged(
        self,
        numbers: Mapping[str, Any],
        before: tuple[int, dict[str, Any]] | None,
        sensitive: Collection[str],
    ) -> tuple[guard.Broken, ...]:
        if self._asked.rules is None:
            return ()
        compared = before[1] if before else None
        broken = guard.check(self._asked.rules, numbers, compared_with=compared, sensitive=sensitive)
        for each in broken:
            self._on_line("error" if each.fails else "warning", each.message)
        return tuple(broken)

    def _closed(
        self,
        output: Output,
        numbers: Mapping[str, Any],
        broken: tuple[guard.Broken, ...],
        before: tuple[int, dict[str, Any]] | None,
        data_version: str,
    ) -> Output:
        failing = [each.message for each in broken if each.fails]
        more = f" ({len(failing) - 1} more rules are broken.)" if len(failing) > 1 else ""
        message = f"{failing[0]}{more}" if failing else ""
        closed = outputs.close(
            self._store,
            output,
            "failed" if failing else "success",
            message,
            data_version=data_version,
            rows=numbers.get("rows"),
            columns=numbers.get("column_count"),
            bytes=numbers.get("bytes"),
            alerts=len(numbers.get("alerts") or ()),
            missing_share=missing_share(numbers),
            guard=tuple(each.json() for each in broken),
            compared_with=before[0] if before else None,
            has_report=True,
        )
        self._output = closed
        if failing:
            raise BrokenError(message, code="broken")
        self._on_line(
            "info",
            f"Output {closed.number}: {closed.rows or 0:,} rows, {closed.columns or 0:,} columns, "
            f"{closed.alerts} alerts, {closed.seconds or 0:.1f} s",
        )
        return closed

    def _hear(self, message: Mapping[str, Any]) -> None:
        if self._teller is None:
            return
        begun = self._teller.hear(message)
        if warning := message.get("warning"):
            self._on_line("warning", str(warning))
        if begun:
            self._on_line("info", self._teller.now.words or self._teller.now.stage)

    def _driver_line(self, _stream: str, line: str) -> None:
        self._on_line("driver", line)

    def _goes_on(self) -> bool:
        """Tell whether nobody has asked for the end; called a few times a second."""
        if self._output is not None and self._stopped_by is None:
            self._stopped_by = outputs.asked_to_stop(self._store, self._output)
        if self._teller is not None:
            self._teller.tell(pace=PULSE)
        return self._stopped_by is None and self._supervised()

    def _fail(self, error: BaseException) -> None:
        if self._output is None or self._known_output().is_over:
            return
        self._goes_on()
        state: outputs.State = "failed"
        if self._stopped_by is not None or getattr(error, "code", "") == STOPPED:
            by = f" by {self._stopped_by}" if self._stopped_by else ""
            state, message = "stopped", f"Stopped{by}. Nothing of it is left running."
        elif isinstance(error, CoutureError):
            message = str(error)
        else:
            message = f"The task was ended by {type(error).__name__}: {error}".rstrip(": ")
        try:
            self._output = outputs.close(self._store, self._output, state, self._origin.redact(message))
        except CoutureError as problem:
            log.warning("How output %d ended cannot be kept: %s", self._output.number, problem)

    def _sweep(self) -> None:
        with suppress(CoutureError):
            gone = outputs.sweep(self._store, self._asked.source, keep=settings.eda_outputs_kept())
            if gone:
                log.info("Deleted old outputs: %s", ", ".join(map(str, gone)))

    def _known_output(self) -> Output:
        if self._output is None:
            raise InvalidError("The run has no output yet.")
        return self._output


_KEY = ("dag_id", "run_id", "task_id", "map_index", "try_number")


def missing_share(numbers: Mapping[str, Any]) -> float | None:
    """Return the share of all cells of a profile that are missing, None if there are no cells."""
    columns = numbers.get("columns") or ()
    cells = (numbers.get("rows") or 0) * len(columns)
    missing = sum(each.get("missing") or 0 for each in columns)
    return round(missing / cells, 6) if cells else None


def _numbers(work: Path) -> dict[str, Any]:
    path = work / outputs.PROFILE
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise EdaError(f"The run left no numbers: {error}", code="failed") from error
    if not isinstance(found, dict) or not (work / outputs.REPORT).is_file():
        raise EdaError("The run left no report.", code="failed")
    return found


def _sample_rows(given: int | None, source: Source) -> int:
    rows = source.sample_rows if given is None else given
    if not 0 <= rows <= MOST_SAMPLE_ROWS:
        raise InvalidError(
            f"sample_rows is {rows:,} for the source {quote(source.name)}: give 0 to {MOST_SAMPLE_ROWS:,}.",
            field="sample_rows",
        )
    return rows
