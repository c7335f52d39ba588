"""The mail about misses of one DAG, in the words of Airflow 1.10: who missed, and who stands in the way."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime

from couture_workflow.services.sla.misses import Miss

#: Lines of each list: a DAG that catches up has more than a mail can show.
_MOST_LINES = 500


def subject(dag_id: str) -> str:
    """Return the subject, which people's filters know from Airflow 1.10."""
    return f"[airflow] SLA miss on DAG={dag_id}"


def task_list(misses: Iterable[Miss]) -> str:
    """Return a line for each task that missed its SLA."""
    return _lines(f"{task.task_id} on {_when(miss)}" for miss in misses for task in miss.tasks)


def blocking_task_list(misses: Iterable[Miss]) -> str:
    """Return a line for each task that had begun and not succeeded."""
    return _lines(f"{task_id} on {_when(miss)}" for miss in misses for task_id, _ in miss.blocking)


def body(misses: Sequence[Miss], *, address: str) -> str:
    """Return the mail's HTML.

    :param address: of *SLA Misses*, "" if nobody knows how people reach this installation.
    """
    details = (
        f"{task.task_id}: due {miss.due:%Y-%m-%d %H:%M:%S %Z}, {task.state or 'not started'}"
        + (f", {task.count} of {task.total} task instances" if task.total > 1 else "")
        + f" (run {miss.run_id})"
        for miss in misses
        for task in miss.tasks
    )
    link = f'<p><a href="{html.escape(address)}">SLA misses</a></p>' if address else ""
    return (
        "<p>Here's a list of tasks that missed their SLAs:</p>"
        f"<pre><code>{html.escape(task_list(misses))}</code></pre>"
        "<p>Blocking tasks:</p>"
        f"<pre><code>{html.escape(blocking_task_list(misses))}</code></pre>"
        f"<p>What they were doing:</p><pre><code>{html.escape(_lines(details))}</code></pre>{link}"
    )


def _when(miss: Miss) -> str:
    moment: datetime = miss.logical_date or miss.interval_end or miss.due
    return moment.isoformat()


def _lines(found: Iterable[str]) -> str:
    lines = list(dict.fromkeys(found))
    more = len(lines) - _MOST_LINES
    return "\n".join(lines[:_MOST_LINES] + ([f"... and {more:,} more"] if more > 0 else []))
