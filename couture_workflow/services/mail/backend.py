"""What Airflow sends its mails with: ``[email] email_backend`` names ``send_email``.

Airflow calls it in the process of a task that failed or is retried, on whatever worker that is. Where neither
options nor *Admin > Mail* name a server, the mail goes by Airflow's own connection, as it would without us.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from couture_workflow.exceptions import MailError
from couture_workflow.services.mail import configuration, document, sending
from couture_workflow.services.mail.document import Server
from couture_workflow.store.home import Store

log = logging.getLogger(__name__)

#: As ``[email] email_backend`` names it.
PATH = f"{__name__}.send_email"
NO_SERVER = "No mail server is set. An administrator can name one on Admin > Mail; until then none is sent."

#: What Airflow takes for its own address in mails where [api] base_url is not set.
_NO_ADDRESS = "http://localhost:8080/"
#: How Airflow 3 shows a task instance in the subject of a mail: with all that it knows, 800 characters of it.
_ALERT = "Airflow alert: "
_KNOWN = re.compile(
    r"\b(task_id|dag_id|run_id|map_index|state)="
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+|<TaskInstanceState\.\w+: '\w+'>)"""
)


def send_email(
    to: str | Iterable[str],
    subject: str,
    html_content: str,
    files: list[str] | None = None,
    dryrun: bool = False,
    cc: str | Iterable[str] | None = None,
    bcc: str | Iterable[str] | None = None,
    mime_subtype: str = "mixed",
    mime_charset: str = "utf-8",
    conn_id: str | None = None,
    from_email: str | None = None,
    custom_headers: Mapping[str, str] | None = None,
    **_: Any,
) -> None:
    """Send a mail as Airflow's ``send_email`` does, or raise ``MailError``.

    :param conn_id: Airflow's connection for mails, which counts where no server is set.
    :param from_email: likewise.
    """
    found = configuration.current(Store.open())
    receivers, copies, hidden = addresses(to), addresses(cc), addresses(bcc)
    subject, html_content = readable(subject), _reachable(html_content)
    if dryrun:
        return
    if not found.origin:
        by_connection(
            conn_id or "smtp_default",
            to=receivers,
            subject=subject,
            html_content=html_content,
            from_email=from_email,
            files=files,
            cc=copies or None,
            bcc=hidden or None,
            mime_subtype=mime_subtype,
            mime_charset=mime_charset,
            custom_headers=dict(custom_headers or {}),
        )
        return
    send(
        found.server,
        found.password,
        to=receivers,
        subject=subject,
        body=html_content,
        copies=copies,
        hidden=hidden,
        files=files or (),
        headers=(custom_headers or {}).items(),
    )


def send(
    server: Server,
    password: str,
    *,
    to: list[str],
    subject: str,
    body: str,
    copies: list[str] | None = None,
    hidden: list[str] | None = None,
    files: Iterable[str] = (),
    headers: Iterable[tuple[str, str]] = (),
    message_id: str = "",
) -> sending.Talk:
    """Send a mail through a server and return what was said, or raise ``MailError``.

    What is no address gets none, as if the server had refused it: the others shall have their mail.
    """
    given = [*to, *(copies or ()), *(hidden or ())]
    everybody = {each: None for each in given if document.is_address(each)}
    wrong = "; ".join(f"{each[:100]!r} is no address" for each in given if each not in everybody)
    if not everybody:
        raise MailError(f"There is nobody to send the mail to: {wrong or 'no address is given'}.")
    mail = sending.compose(
        server,
        to=[each for each in to if each in everybody],
        subject=subject,
        body=body,
        copies=[each for each in copies or () if each in everybody],
        files=files,
        headers=headers,
        message_id=message_id,
    )
    talk = sending.send(server, password, mail, list(everybody))
    talk.refused = "; ".join(filter(None, (talk.refused, wrong)))
    reached = ", ".join(each for each in to if each in everybody)
    log.info("A mail to %s was sent through %s: %s", reached, server.host, talk.answer)
    if talk.refused:
        log.warning("%s took the mail, but not for everybody: %s", server.host, talk.refused)
    return talk


def readable(subject: str) -> str:
    """Return the subject of a mail of Airflow about a task as filters know it from Airflow 1.10 and 2."""
    if not subject.startswith(f"{_ALERT}id=UUID("):
        return subject
    known: dict[str, str] = {}
    for name, value in _KNOWN.findall(subject):
        text = value.partition(": ")[2].rstrip(">") if name == "state" else value
        with suppress(SyntaxError, ValueError):
            known.setdefault(name, str(ast.literal_eval(text)))
    if not {"task_id", "dag_id", "run_id"} <= known.keys():
        return subject
    index = known.get("map_index", "-1")
    mapped = "" if index == "-1" else f" map_index={index}"
    state = f" [{known['state']}]" if "state" in known else ""
    return f"{_ALERT}<TaskInstance: {known['dag_id']}.{known['task_id']} {known['run_id']}{mapped}{state}>"


def _reachable(body: str) -> str:
    """Return a mail whose links lead to the port that Airflow listens on, where nobody sets its address."""
    from airflow.configuration import conf

    if conf.get("api", "base_url", fallback=""):
        return body
    port = conf.getint("api", "port", fallback=8080)
    return body.replace(f'href="{_NO_ADDRESS}', f'href="http://localhost:{port}/')


def by_connection(conn_id: str, **mail: Any) -> None:
    """Send a mail by a connection of Airflow, or raise what its hook raises; without it ``MailError``."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    try:
        with SmtpHook(smtp_conn_id=conn_id) as hook:
            hook.send_email_smtp(**mail)
    except AirflowException as error:
        if isinstance(error, AirflowNotFoundException) or isinstance(
            error.__context__, AirflowNotFoundException
        ):
            raise MailError(NO_SERVER) from error
        raise


def addresses(given: str | Iterable[str] | None) -> list[str]:
    """Return the addresses of a list, or of a text with commas or semicolons."""
    texts = [given] if isinstance(given, str) else list(given or ())
    found = (part.strip() for text in texts for part in text.replace(";", ",").split(","))
    return list(dict.fromkeys(part for part in found if part))
