"""Tickets: taken with a real ``kinit -kt`` into a private cache, with a time limit, and failures in words.

MIT's words are exact within milliseconds, where Java hides four causes behind one sentence; so whoever starts
a Java program with Kerberos takes a ticket here first.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from couture_workflow.exceptions import CoutureError, KerberosError, StorageError
from couture_workflow.services.kerberos import conf_text, configuration, keytabs, messages, ticket_cache
from couture_workflow.services.kerberos.keytabs import Keytab
from couture_workflow.services.kerberos.messages import Case, Told
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

log = logging.getLogger(__name__)

__all__ = ["Ticket", "Tried", "attempt", "take"]

_PAGE = "Admin > Kerberos Configuration"
#: Seconds of a time limit that are kept for ending kinit and telling it.
_LAST = 0.5
#: Characters of what kinit says that are told.
_SAID = 500


@dataclass(frozen=True)
class Ticket:
    """A ticket in a folder, and what a program needs to use it.

    :param variables: of the environment, for MIT's library. Java reads ``krb5_conf`` by its system property
        ``java.security.krb5.conf``.
    :param expires_at: when the ticket ends.
    :param renewable_until: None if it cannot be renewed.
    """

    principal: str
    keytab: Path
    cache: Path
    krb5_conf: Path
    expires_at: datetime
    renewable_until: datetime | None = None
    name: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tried:
    """What came of a log-in that was only tried.

    :param seconds: how long the ticket was good, 0 if there was none.
    :param message: what happened, cause and remedy included.
    """

    ok: bool
    name: str
    principal: str
    message: str
    cause: str = ""
    remedy: str = ""
    seconds: int = 0
    expires_at: datetime | None = None
    renewable_until: datetime | None = None


def take(store: Store, name: str | None, folder: Path, *, seconds: float = 10) -> Ticket:
    """Take a ticket and leave it in the folder, or raise ``KerberosError`` with cause and remedy.

    The folder gets the keytab, the krb5.conf and the ticket cache, for its owner alone. Two keytabs may share
    a folder: each has files of its own.

    :param name: of the keytab; None: the default one.
    :param folder: private to the run, and removed with it.
    :param seconds: after which it is told that nobody answered.
    """
    deadline = time.monotonic() + seconds
    keytab = _chosen(store, name)
    text = _text(store)
    ticket = _placed(store, keytab, text, folder)
    case = _case(keytab, text)
    said = _kinit(ticket, case, folder, deadline=deadline, seconds=seconds)
    if said is not None:
        told = messages.tell(said, case)
        raise _error(keytab, told, said=said)
    return _taken(store, keytab, ticket)


def attempt(store: Store, name: str, *, seconds: float = 10) -> Tried:
    """Try a keytab and leave nothing behind; ``NotFoundError`` if there is none of that name."""
    keytab = keytabs.get(store, name)
    with private_folder() as folder:
        try:
            ticket = take(store, name, folder, seconds=seconds)
        except KerberosError as error:
            return Tried(False, name, keytab.principal, str(error), error.cause, error.remedy)
    left = max(int((ticket.expires_at - datetime.now(UTC)).total_seconds()), 0)
    return Tried(
        True,
        name,
        keytab.principal,
        f"The KDC gave a ticket for {keytab.principal}. It is good for {in_words(left)}.",
        seconds=left,
        expires_at=ticket.expires_at,
        renewable_until=ticket.renewable_until,
    )


def in_words(seconds: int) -> str:
    """Return a time in words, such as "9 h 59 min"."""
    minutes, rest = divmod(seconds, 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _chosen(store: Store, name: str | None) -> Keytab:
    chosen = name or keytabs.default_name(store)
    if chosen is None:
        raise KerberosError(
            "There is no keytab, so no ticket can be taken.", f"An administrator uploads one in {_PAGE}."
        )
    try:
        return keytabs.get(store, chosen)
    except CoutureError as error:
        raise KerberosError(f"The keytab {quote(chosen)} cannot be used.", str(error)) from error


def _text(store: Store) -> str:
    text = configuration.read(store).text
    if not text:
        raise KerberosError(
            "There is no krb5.conf, so no KDC is known.", f"An administrator saves one in {_PAGE}."
        )
    if wrong := configuration.errors(text):  # pushed by git, or of an older version
        raise KerberosError(f"The krb5.conf cannot be used. {wrong[0].message}", f"Correct it in {_PAGE}.")
    return text


def _placed(store: Store, keytab: Keytab, text: str, folder: Path) -> Ticket:
    """Write what kinit needs into the folder."""
    folder = folder.absolute()
    if ":" in str(folder):
        raise KerberosError(
            f"The folder {folder} cannot hold a ticket: Kerberos takes a colon for the end of a path.",
            "Set TMPDIR of the worker to a folder without one.",
        )
    file, cache, conf = (
        folder / f"{keytab.name}.keytab",
        folder / f"{keytab.name}.ccache",
        folder / "krb5.conf",
    )
    try:
        atomic.write(file, keytabs.content(store, keytab.name), mode=0o600)
        atomic.write(conf, conf_text.for_run(text).encode(), mode=0o600)
    except StorageError as error:
        raise KerberosError("The keytab cannot be put into the run's folder.", str(error)) from error
    cache.unlink(missing_ok=True)
    variables = {"KRB5CCNAME": f"FILE:{cache}", "KRB5_CONFIG": str(conf)}
    now = datetime.now(UTC)
    return Ticket(keytab.principal, file, cache, conf, now, name=keytab.name, variables=variables)


def _case(keytab: Keytab, text: str) -> Case:
    realm = keytab.principal.rpartition("@")[2].replace("\\", "")
    encryption = dict.fromkeys(entry.encryption for entry in keytab.own if entry.kvno == keytab.kvno)
    return Case(
        name=keytab.name,
        principal=keytab.principal,
        realm=realm,
        kvno=keytab.kvno,
        encryption=", ".join(encryption),
        kdcs=conf_text.kdcs(text, realm),
    )


def _kinit(ticket: Ticket, case: Case, folder: Path, *, deadline: float, seconds: float) -> str | None:
    """Run kinit; return what it said if it failed, None if there is a ticket."""
    program = shutil.which("kinit")
    if program is None:
        raise KerberosError(
            f"The program kinit is not on the machine {socket.gethostname()}.",
            "Type there: sudo apt-get install --yes krb5-user",
        )
    try:
        done = subprocess.run(  # noqa: S603
            [program, "-k", "-t", str(ticket.keytab), "-c", str(ticket.cache), "--", ticket.principal],
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": "C",
                "HOME": str(folder),
                **ticket.variables,
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(deadline - time.monotonic() - _LAST, _LAST),
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KerberosError(*_parts(case.name, messages.tell_silent(case, seconds))) from None
    except OSError as error:
        raise KerberosError(f"kinit cannot be started: {error.strerror}.", "Look at that machine.") from error
    said = " ".join(done.stdout.decode("utf-8", "replace").split()).removeprefix("kinit: ")
    return None if done.returncode == 0 else said[:_SAID] or f"nothing (exit code {done.returncode})"


def _taken(store: Store, keytab: Keytab, ticket: Ticket) -> Ticket:
    """Read until when the ticket is good, and keep that it was given."""
    life = None
    try:
        life = ticket_cache.life(ticket.cache.read_bytes())
    except OSError as error:
        log.warning("The ticket cache cannot be read: %s", error)
    if life is None:
        raise KerberosError(
            f"kinit left no ticket for {keytab.principal} that can be read.",
            "Install MIT Kerberos on this machine: sudo apt-get install --yes krb5-user",
        )
    try:
        keytabs.note_success(store, keytab)
    except StorageError as error:
        log.warning("The last log-in of the keytab %s cannot be kept: %s", keytab.name, error)
    return Ticket(
        ticket.principal,
        ticket.keytab,
        ticket.cache,
        ticket.krb5_conf,
        life.ends,
        life.renewable,
        ticket.name,
        ticket.variables,
    )


def _error(keytab: Keytab, told: Told, *, said: str) -> KerberosError:
    cause, remedy = _parts(keytab.name, told)
    return KerberosError(cause, f"{remedy} kinit says: {said}")


def _parts(name: str, told: Told) -> tuple[str, str]:
    where = f"(keytab {quote(name)}, on {socket.gethostname()})"
    return f"{told.cause[:-1]} {where}.", told.remedy
