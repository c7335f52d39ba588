"""What is wrong with a form, field by field, before and when it is saved; nothing is changed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, InvalidError, InvalidNameError
from couture_workflow.services.mail.document import is_address
from couture_workflow.services.notebooks import document as notebook_document
from couture_workflow.services.notebooks import folders, kernels, people
from couture_workflow.services.notebooks.document import Document
from couture_workflow.services.schedules import library, timing, values
from couture_workflow.services.schedules.form import Finding, Form
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.services.schedules.origin import ORIGIN
from couture_workflow.store.home import Store
from couture_workflow.store.names import check_name, quote

_ID = re.compile(r"[\w.-]+")
#: Characters of a name, so that a run's output and its folder have room; of a tag in Airflow's database.
_LONGEST_NAME, _LONGEST_TAG = 100, 100
_MOST_RETRIES, _LONGEST_RUN = 100, 90 * 86400


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What Airflow knows, as far as a schedule is concerned.

    :param taken: DAG -> where it is, for those that others must not use; without the schedules' own.
    :param ran: DAGs that Airflow has run by their schedule, now or earlier; ``@once`` never runs them again.
    :param connections: ids of connections; None if some may be where they cannot be listed.
    :param templates: whether the account may write DAG files, and so templates that read what Airflow knows.
    :param has_mail_server: mails need no connection.
    """

    taken: Mapping[str, str] = field(default_factory=dict)
    ran: frozenset[str] = frozenset()
    connections: frozenset[str] | None = None
    templates: bool = True
    has_mail_server: bool = False


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a form.

    :param form: with values of their types in place of text.
    :param document: the notebook, None if it cannot be read (a finding says why) or need not be.
    """

    form: Form
    findings: tuple[Finding, ...]
    words: str = ""
    times: tuple[datetime, ...] = ()
    document: Document | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the findings that stand in the way of a save."""
        return tuple(each for each in self.findings if each.level == "error")


def describe(
    store: Store,
    form: Form,
    account: str,
    *,
    around: Surroundings,
    current: Schedule | None = None,
    copy: bool = False,
    now: datetime | None = None,
) -> Description:
    """Tell what is wrong with a form, what its time means and when it fires next.

    :param account: whose folder may be read, beside the shared one.
    :param current: the schedule that is changed; its pinned copy stays while the notebook is the same.
    :param copy: the notebook is to be pinned, so its copy is wanted as well.
    """
    findings: list[Finding] = []
    keeps = current is not None and current.origin.source == form.notebook and bool(current.notebook)
    document: Document | None = None
    if not keeps or folders.may_read(form.notebook, account):
        try:
            path = folders.checked(form.notebook, account)
            if not path.endswith(".ipynb"):
                raise InvalidError(f"{quote(path)} is no notebook: its name does not end in .ipynb.")
            if values.is_template(path):
                raise InvalidError(f"{quote(path)} would be taken for a template. Rename the notebook.")
            top = people.top(store.root)
            document = (
                notebook_document.read(top, path, copy=True) if copy else notebook_document.glance(top, path)
            )
        except CoutureError as error:
            findings.append(
                Finding(field="notebook", message=str(error), level="warning" if keeps else "error")
            )
    known = document.parameters if document else ()
    typed, problems = values.values(form.parameters, form.types, known, templates=around.templates)
    form = replace(form, parameters=typed)
    when = timing.timing(form.when, now=now)
    findings += [
        *_name(store, form, around, current),
        *when.findings,
        *_once(form, around, current),
        *problems,
        *_document(form, document, keeps=keeps),
        *_kernel(form, document),
        *_files(form, document, current),
        *_rest(form, around),
    ]
    return Description(
        form=form, findings=tuple(findings), words=when.words, times=when.times, document=document
    )


def _name(store: Store, form: Form, around: Surroundings, current: Schedule | None) -> Iterator[Finding]:
    name = form.name
    if current is not None and name == current.name:
        return
    if current is not None:
        message = f"A schedule keeps its name, {quote(current.name)}. Make a new one for another name."
        yield Finding(field="name", message=message)
        return
    if not name:
        yield Finding(field="name", message="Give the schedule a name, such as daily_report.")
        return
    try:
        fit = check_name(name, what="name")
    except InvalidNameError as error:
        yield Finding(field="name", message=str(error))
        return
    if fit != name or not _ID.fullmatch(name) or len(name) > _LONGEST_NAME:
        yield Finding(
            field="name",
            message=f"The name {quote(name)} cannot be the id of a DAG: it has only letters, digits and "
            f". _ - and at most {_LONGEST_NAME} characters.",
        )
    elif any(each.name.casefold() == name.casefold() for each in library.listed(store)):
        yield Finding(
            field="name", message=f"There is a schedule {quote(name)} already. Choose another name."
        )
    elif name in around.taken:
        where = around.taken[name]
        message = f"The name {quote(name)} is taken by a DAG in {where}. Choose another name."
        yield Finding(field="name", message=message)


def _once(form: Form, around: Surroundings, current: Schedule | None) -> Iterator[Finding]:
    """Airflow runs ``@once`` only if no run by a schedule was there before."""
    if form.when.kind == "cron" or form.name not in around.ran:
        return
    if current is None:
        message = (
            f"A DAG {quote(form.name)} ran before, and Airflow keeps its runs: it would not run once more. "
            "Choose another name, or delete the old DAG in Airflow."
        )
        yield Finding(field="name", message=message)
    elif form.when != current.form.when:
        message = (
            "It has run already, so Airflow would not run it once more. Use Run now, give it a cron "
            "expression, or make a new schedule."
        )
        yield Finding(field="when.kind", message=message)


def _document(form: Form, document: Document | None, *, keeps: bool) -> Iterator[Finding]:
    if document is None or keeps:
        return
    if document.problem:
        yield Finding(field="parameters", message=document.problem, level="warning")
    elif form.parameters:
        yield from values.unknown(form, document.parameters)
    if document.replaced:
        message = "Characters that are no text were replaced in the copy."
        yield Finding(field="notebook", message=message, level="warning")
    if not document.cells:
        yield Finding(field="notebook", message="The notebook has no cells.", level="warning")


def _kernel(form: Form, document: Document | None) -> Iterator[Finding]:
    names = ", ".join(kernel.name for kernel in kernels.installed())
    if form.kernel and not kernels.is_installed(form.kernel):
        message = f"There is no kernel {quote(form.kernel)}. There are {names}."
        yield Finding(field="kernel", message=message)
    elif not form.kernel and document and not kernels.is_installed(document.kernel):
        yield Finding(
            field="kernel",
            message=f"The notebook names the kernel {quote(document.kernel)}, which is not installed. It "
            f"runs with {kernels.DEFAULT}; there are {names}.",
            level="warning",
        )


def _files(form: Form, document: Document | None, current: Schedule | None) -> Iterator[Finding]:
    if not form.files:
        return
    sizes = {each.path: each.size for each in document.beside} if document else {}
    if current is not None:
        sizes |= current.beside
    if missing := [path for path in form.files if path not in sizes]:
        yield Finding(
            field="files",
            message=f"There is no {quote(missing[0])} beside the notebook. Only files in its folder and in "
            "folders of it can go with it, no links and no hidden ones.",
        )
    own = {f"{form.name}.py", ORIGIN, form.notebook.rpartition("/")[2]}
    if taken := [path for path in form.files if path in own]:
        message = f"{quote(taken[0])} is a file of the schedule itself. Rename it, or the schedule."
        yield Finding(field="files", message=message)
    total, largest = sum(sizes.get(path, 0) for path in form.files), settings.max_notebook_files_size()
    if total > largest:
        yield Finding(
            field="files",
            message=f"The files have {total:,} bytes; {largest:,} are allowed. Let the notebook read them "
            "from where they are.",
        )


def _rest(form: Form, around: Surroundings) -> Iterator[Finding]:
    if form.retries > _MOST_RETRIES:
        yield Finding(field="retries", message=f"At most {_MOST_RETRIES} retries are allowed.")
    if form.time_limit > _LONGEST_RUN:
        yield Finding(field="time_limit", message="A run may take 90 days at most. Give 0 for no limit.")
    addresses = [each.strip() for each in form.email.split(",") if each.strip()]
    for address in addresses:
        if not is_address(address):
            message = f"{quote(address)} is no e-mail address. Separate several by commas."
            yield Finding(field="email", message=message)
    mail = "" if around.has_mail_server else settings.mail_connection()
    if addresses and mail and around.connections is not None and mail not in around.connections:
        message = (
            f"There is no connection {mail} and no mail server, so no mail can be sent. An administrator can "
            "name one on Admin > Mail."
        )
        yield Finding(field="email", message=message, level="warning")
    for tag in form.tags:
        if len(tag) > _LONGEST_TAG:
            message = f"The tag {quote(tag)} is longer than {_LONGEST_TAG} characters."
            yield Finding(field="tags", message=message)
