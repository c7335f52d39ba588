"""Everything that this package raises on purpose.

Every message names the thing, the rule that it breaks and the remedy; edges show it as it is.

::

    CoutureError
    ├── InvalidError            what somebody typed breaks a rule (``field`` names where)
    │   ├── InvalidNameError    a name breaks the naming rule of ``store.names``
    │   ├── ArchiveError        an archive cannot be imported (``member`` names which part of it)
    │   ├── ScheduleError       the form of a schedule has errors (``problems`` lists them by field)
    │   └── GateError           the save gate found errors (``problems`` lists them)
    ├── NotFoundError           no such file, version, configuration or run
    ├── ConflictError           somebody else saved meanwhile
    ├── InUseError              a delete that would break others (``users`` names them)
    ├── TooLargeError           an upload is over the limit
    ├── NotAllowedError         the caller's role does not include it
    ├── StorageError            the disk or the store cannot do it
    │   ├── StorageFullError    no space is left; the old content is intact
    │   ├── CorruptError        a stored file is damaged (``path`` names it)
    │   └── HomeError           the home is not writable, or of a newer version
    ├── SecretKeyError          no key, or not the key that a secret was encrypted with
    ├── RuntimeMissingError     Java, Spark or another runtime is not on this machine
    ├── RemoteError             a git remote cannot be reached or refuses
    ├── HadoopError             a cluster cannot be reached, or refuses
    ├── KerberosError           there is no ticket (``cause`` and ``remedy`` say why and what to do)
    ├── MailError               a mail cannot be sent (``talk`` has what the server said)
    ├── EdaError                data cannot be read or profiled (``code`` for programs, ``field``)
    ├── XComError               a value cannot be handed on from task to task, or is gone
    ├── StartError              the workbench cannot start (port in use, too little disk, ...)
    ├── DemoError               something in the demo is not as it must be
    ├── NotebookError           a notebook cannot be run, failed (last line: its error) or was killed
    └── SparkError              a Spark job cannot be submitted, failed or was lost
        ├── SparkSubmitError    the job was refused before it ran
        ├── SparkJobError       the job ran and failed; the last line is Spark's own root cause
        └── SparkKilledError    the job was killed on request, by a timeout or at a shutdown
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class CoutureError(Exception):
    """Base of every error of this package."""


class InvalidError(CoutureError):
    """Something typed or sent breaks a rule.

    :param field: name of the form or JSON field that is at fault, "" if it is none in particular.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class InvalidNameError(InvalidError):
    """A name breaks the naming rule."""


class GateError(InvalidError):
    """The save gate found errors in DAG files; nothing was saved.

    :param problems: all that it found, as JSON objects of ``services.gate.problems.Problem``.
    """

    def __init__(self, message: str, *, problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(dict(problem) for problem in problems)


class ScheduleError(InvalidError):
    """The form of a notebook's schedule has errors; nothing was saved.

    :param problems: all that was found, as JSON objects of ``services.schedules.form.Finding``.
    """

    def __init__(self, message: str, *, field: str, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(message, field=field)
        self.problems = tuple(dict(problem) for problem in problems)


class ArchiveError(InvalidError):
    """An archive that was sent for import is broken, odd or unsafe; nothing was changed.

    :param member: path in the archive that is at fault, "" if it is the archive as a whole.
    """

    def __init__(self, message: str, *, field: str = "sources", member: str = "") -> None:
        super().__init__(message, field=field)
        self.member = member


class NotFoundError(CoutureError):
    """There is no such thing."""


class ConflictError(CoutureError):
    """Somebody else saved the same thing meanwhile; nothing was written.

    :param paths: what both changed.
    :param base: commit or version that the caller started from.
    :param theirs: commit or version that is current now.
    """

    def __init__(self, message: str, *, paths: Sequence[str] = (), base: str = "", theirs: str = "") -> None:
        super().__init__(message)
        self.paths = tuple(paths)
        self.base = base
        self.theirs = theirs


class InUseError(CoutureError):
    """Others need the thing that is to be deleted, or have all there is of it at the moment.

    :param users: who needs it, in words a person can look up.
    """

    def __init__(self, message: str, *, users: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.users = tuple(users)


class TooLargeError(CoutureError):
    """An upload is larger than the limit."""


class NotAllowedError(CoutureError):
    """The caller's role does not include the action."""


class StorageError(CoutureError):
    """The store cannot read or write."""


class StorageFullError(StorageError):
    """The disk is full; what was there before is intact."""


class CorruptError(StorageError):
    """A stored file is damaged.

    :param path: the file, as a person on the server would type it.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class HomeError(StorageError):
    """The home cannot be used: not writable, or written by a newer version."""


class SecretKeyError(CoutureError):
    """There is no key for secrets, or it is not the one that they were encrypted with."""


class RuntimeMissingError(CoutureError):
    """Java, Spark or another runtime that is needed is not there."""


class RemoteError(CoutureError):
    """A git remote cannot be reached, or refuses.

    :param rejected: it refused a push because it has commits that we lack.
    """

    def __init__(self, message: str, *, rejected: bool = False) -> None:
        super().__init__(message)
        self.is_rejected = rejected


class HadoopError(CoutureError):
    """A cluster of Hadoop cannot be reached, or refuses.

    :param said: what happened; ``remedy`` what to do. Together they are the message.
    """

    def __init__(self, said: str, *, remedy: str = "") -> None:
        super().__init__(f"{said} {remedy}".strip())
        self.said, self.remedy = said, remedy


class KerberosError(CoutureError):
    """A Kerberos ticket cannot be taken.

    :param cause: what is wrong, in a sentence.
    :param remedy: what to do about it, in another.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(f"{cause} {remedy}".strip())
        self.cause = cause
        self.remedy = remedy


class MailError(CoutureError):
    """A mail cannot be sent.

    :param talk: what was said between us and the server, a line for each command and answer.
    :param away: the server was not reached or fell silent: another mail would wait as long in vain.
    """

    def __init__(self, message: str, *, talk: Sequence[str] = (), away: bool = False) -> None:
        super().__init__(message)
        self.talk = tuple(talk)
        self.away = away


class EdaError(CoutureError):
    """Data cannot be read or profiled, or the process that does it was ended.

    :param code: what programs tell errors by: ``invalid``, ``missing``, ``not_readable``, ``empty``,
        ``changed``, ``memory``, ``disk``, ``connection``, ``query``, ``too_large``, ``time``,
        ``stopped``, ``failed``.
    :param field: the key of the request that is at fault, "" if it is none in particular.
    """

    def __init__(self, message: str, *, code: str = "failed", field: str = "") -> None:
        super().__init__(message)
        self.code, self.field = code, field


class XComError(CoutureError):
    """A value cannot be handed on from one task to another, or is gone."""


class ModelError(CoutureError):
    """A trained model cannot be served."""


class ModelServerError(ModelError):
    """The model server does not answer, so nothing can be said of what it serves."""


class StartError(CoutureError):
    """The workbench cannot start."""


class DemoError(CoutureError):
    """Something in the demo is not as it must be."""


class NotebookError(CoutureError):
    """A notebook cannot be run, failed or was killed."""


class JupyterError(CoutureError):
    """A person's Jupyter server cannot be started, found or stopped."""


class SparkError(CoutureError):
    """A Spark job cannot be submitted, failed or was lost."""


class SparkSubmitError(SparkError):
    """The job was refused before it ran."""


class SparkJobError(SparkError):
    """The job ran and failed."""


class SparkKilledError(SparkError):
    """The job was killed."""
