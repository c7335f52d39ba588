"""Who is told of misses: one mail for each DAG, and one call of the DAG's function."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from sqlalchemy import select

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, MailError
from couture_workflow.services.mail import backend, configuration
from couture_workflow.services.sla import message, misses, telling
from couture_workflow.services.sla.misses import Miss
from couture_workflow.store.home import Store
from couture_workflow.web.paths import PAGES
from couture_workflow.web.sla import overdue

log = logging.getLogger(__name__)

#: What a worker calls.
CALL = "couture_workflow.operators.sla_callback.call"
#: A scheduler that is killed forgets the calls that it has handed on: nobody says then how they ended.
FORGOTTEN = timedelta(hours=1)


class Notifier:
    """Tells people of misses, and those again later whom it could not reach.

    :param found: records of the past, of which some may wait.
    """

    def __init__(self, store: Store, found: Iterable[Miss]) -> None:
        self._store = store
        self._waiting = {miss.id: miss for miss in found if miss.waits}
        self._unsaved: dict[str, Miss] = {}
        self._silent: set[str] = set()

    def add(self, miss: Miss) -> None:
        """Take up a miss of which people are to be told."""
        if miss.waits:
            self._waiting[miss.id] = miss

    def tell(self, now: datetime) -> None:
        """Send and call what is due by now; nothing as long as it cannot be recorded who was told."""
        for miss in list(self._unsaved.values()):
            self._save(miss)
        if not self._waiting:
            return
        by_dag: dict[str, list[Miss]] = defaultdict(list)
        for miss in sorted(self._waiting.values(), key=lambda each: each.due):
            by_dag[miss.dag_id].append(miss)
        away = ""
        # A server that falls silent at one mail, and would at each, does not keep the others back for ever.
        for dag_id, found in sorted(by_dag.items(), key=lambda each: each[0] in self._silent):
            due = [each for each in found if telling.is_due(each.mail, now)]
            away = self._mail(dag_id, due, now, away=away)
            self._call(dag_id, [each for each in found if telling.is_due(each.callback, now)], now)

    def _keep(self, miss: Miss, **news: Any) -> None:
        present = replace(self._waiting.get(miss.id, miss), **news)
        if present.waits:
            self._waiting[miss.id] = present
        else:
            self._waiting.pop(miss.id, None)
        self._save(present)

    def _save(self, miss: Miss) -> None:
        """Write a record; one that cannot be written, on a full disk, is written later: it was told once."""
        self._unsaved[miss.id] = miss
        misses.put(self._store, miss)
        del self._unsaved[miss.id]

    def _mail(self, dag_id: str, found: Sequence[Miss], now: datetime, *, away: str) -> str:
        """Send one mail of some misses; return why the server cannot be reached, "" if it can.

        :param away: what an earlier mail found out: nobody waits for the server once more.
        """
        if not found:
            return away
        if away:
            self._put_off(found, now, away)
            return away
        to = sorted({address for miss in found for address in miss.mail.to})
        try:
            but = _send(self._store, dag_id, found, to)
        except (CoutureError, AirflowException, OSError, ValueError) as error:
            log.warning("The mail about missed SLAs of the DAG %s is tried again later: %s", dag_id, error)
            reason = str(error)[:2000]
            self._put_off(found, now, reason)
            if not _is_away(error):
                return ""
            self._silent.add(dag_id)
            return reason
        self._silent.discard(dag_id)
        for miss in found:
            self._keep(miss, mail=telling.done(miss.mail, now, but=but))
        return ""

    def _put_off(self, found: Sequence[Miss], now: datetime, reason: str) -> None:
        for miss in found:
            self._keep(miss, mail=telling.failed(miss.mail, now, reason))

    def _call(self, dag_id: str, found: Sequence[Miss], now: datetime) -> None:
        """Queue a call, or look how one stands that was queued."""
        if new := [miss for miss in found if not miss.callback.call]:
            self._queue(dag_id, new, now)
        if queued := [miss for miss in found if miss.callback.call]:
            with create_session(scoped=False) as session:
                states = overdue.callback_states(session, (miss.callback.call for miss in queued))
            for miss in queued:
                self._look_at(miss, states.get(miss.callback.call, ""), now)

    def _queue(self, dag_id: str, found: Sequence[Miss], now: datetime) -> None:
        call, problem = "", _GONE
        if overdue.runs_callbacks():
            with create_session(scoped=False) as session:
                run = session.scalar(select(DagRun.id).filter_by(dag_id=dag_id, run_id=found[-1].run_id))
                place = overdue.place_of(session, dag_id)
                arguments = {"dag_id": dag_id, "file": place, "misses": [_plain(miss) for miss in found]}
                call = overdue.queue_callback(session, run, dag_id, CALL, arguments) if run else ""
        else:
            problem = _NO_CALLS
        for miss in found:
            queued = replace(miss.callback, call=call, at=now)
            self._keep(miss, callback=queued if call else telling.given_up(miss.callback, now, problem))

    def _look_at(self, miss: Miss, state: str, now: datetime) -> None:
        if state == "success":
            self._keep(miss, callback=telling.done(miss.callback, now))
        elif problem := _problem(miss, state, now):
            self._keep(miss, callback=telling.given_up(miss.callback, now, problem))


_GONE = "Airflow does not know the call any more: the run was deleted."
_NO_CALLS = "The executor of this installation runs no callbacks, so the function was not called."


def _problem(miss: Miss, state: str, now: datetime) -> str:
    """Return why nobody waits for a call any more, "" if its end is still awaited."""
    log_file = f"executor_callbacks/{miss.dag_id}/{miss.run_id}/{miss.callback.call}"
    if state == "failed":
        return f"The function failed: see {log_file} in the folder of Airflow's task logs."
    forgotten = miss.callback.at is not None and miss.callback.at + FORGOTTEN < now
    if state in ("queued", "running") and forgotten:
        return (
            "Airflow does not say how the call ended; its scheduler may have been restarted. Whether the "
            f"function was called: see {log_file} in the folder of Airflow's task logs."
        )
    return "" if state else _GONE


def _is_away(error: Exception) -> bool:
    """Tell whether another mail would wait for the server as long, and in vain as well."""
    if isinstance(error, MailError):
        return error.away
    return isinstance(error, TimeoutError | ConnectionError | SMTPServerDisconnected)


def _plain(miss: Miss) -> dict[str, Any]:
    """Return what a worker needs of a miss, as text."""
    return {
        "run_id": miss.run_id,
        "logical_date": miss.logical_date.isoformat() if miss.logical_date else None,
        "interval_end": miss.interval_end.isoformat() if miss.interval_end else None,
        "found_at": miss.found_at.isoformat(),
        "tasks": [task.task_id for task in miss.tasks],
        "blocking": [list(each) for each in miss.blocking],
        "email_sent": miss.mail.state == "sent",
    }


def _send(store: Store, dag_id: str, found: Sequence[Miss], to: list[str]) -> str:
    """Send the mail, through the server of ours or else as Airflow sends its mails.

    :return: whom the server refused, while it took others, with its words; "" for nobody.
    """
    subject, body = message.subject(dag_id), message.body(found, address=_address())
    server = configuration.current(store)
    if not server.origin:
        _as_airflow_does(to, subject, body)
        return ""
    # The same mail has the same id, should this process end between the sending and the record of it.
    digest = hashlib.sha256("\n".join(miss.id for miss in found).encode()).hexdigest()[:32]
    talk = backend.send(
        server.server, server.password, to=to, subject=subject, body=body, message_id=f"sla-{digest}"
    )
    return talk.refused


def _as_airflow_does(to: list[str], subject: str, body: str) -> None:
    from airflow.configuration import conf
    from airflow.utils.email import send_email

    sender = conf.get("email", "from_email", fallback=None) or "airflow@airflow"
    if connection := settings.mail_connection():
        backend.by_connection(connection, to=to, subject=subject, html_content=body, from_email=sender)
    else:
        send_email(to, subject, body)


def _address() -> str:
    from airflow.configuration import conf

    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}{PAGES}/sla-misses/" if base else ""
