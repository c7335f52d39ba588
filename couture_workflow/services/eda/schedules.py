"""When a source runs by itself: one file for each source in the configuration repository.

``eda-schedules/<source>.yaml`` says when, who is told of a failure, and when a run is one. The DAGs of all of
them are made by the product's own DAG file (``dag_file``), which reads this at each parse.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import yaml

from couture_workflow.exceptions import ConflictError, CorruptError, CoutureError, InvalidError, NotFoundError
from couture_workflow.services.eda import dag_file
from couture_workflow.services.eda.comparisons import guard
from couture_workflow.services.eda.document import check_source_name
from couture_workflow.services.mail.document import is_address
from couture_workflow.services.schedules import timing
from couture_workflow.services.schedules.form import When
from couture_workflow.services.texts import plain_yaml
from couture_workflow.store import trees
from couture_workflow.store.home import Store
from couture_workflow.store.names import is_text, quote

FOLDER, SUFFIX = "eda-schedules/", ".yaml"
VERSION = 1

_ID = re.compile(r"[\w.-]+")
_MOST_ADDRESSES, _MOST_BYTES = 20, 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a source runs by itself.

    :param cron: five fields, or a word such as ``@daily``.
    :param zone: name of a time zone.
    :param email: who gets a mail when a run fails.
    :param compare: compare each run with the success before it.
    :param fail_when: rules of ``guard`` that make a run fail, empty for none.
    :param account: who saved it.
    :param started_at: from when on its time counts.
    :param commit: version of the repository that it was saved as, "" if it was read.
    """

    source: str
    cron: str
    zone: str = "UTC"
    email: tuple[str, ...] = ()
    compare: bool = True
    fail_when: Mapping[str, Any] = field(default_factory=dict)
    account: str = ""
    started_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    commit: str = field(default="", compare=False)

    @property
    def dag_id(self) -> str:
        """The id of its DAG."""
        return dag_file.dag_id(self.source)

    @property
    def when(self) -> When:
        """Its time, as schedules of notebooks have it."""
        return When(kind="cron", cron=self.cron, zone=self.zone)

    @property
    def words(self) -> str:
        """When it runs, such as "At 06:00 (Europe/Berlin)"."""
        return timing.timing(self.when).words

    def json(self) -> dict[str, Any]:
        """Return what a person chose, as a JSON object."""
        return {
            "cron": self.cron,
            "zone": self.zone,
            "email": list(self.email),
            "compare": self.compare,
            "fail_when": dict(self.fail_when),
        }


@dataclass(frozen=True)
class Planned:
    """A schedule as its DAG has it.

    :param started_at: in the schedule's own time zone.
    :param arguments: of its task.
    """

    dag_id: str
    cron: str
    started_at: datetime
    account: str
    arguments: Mapping[str, Any]


def normal(source: str, data: Any) -> Schedule:
    """Return the schedule that somebody sent, or raise ``InvalidError`` with the field."""
    if not isinstance(data, Mapping):
        raise InvalidError("A schedule must be an object.")
    for name in data:
        if name not in ("cron", "zone", "email", "compare", "fail_when"):
            raise InvalidError(
                f"There is no {str(name)[:60]!r} in a schedule. These are: cron, zone, email, compare, "
                "fail_when.",
                field=str(name)[:60],
            )
    name = check_source_name(source)
    if not _ID.fullmatch(name):
        raise InvalidError(
            f"The source {quote(name)} cannot have a schedule: the id of its DAG has only letters, digits, "
            "dashes, dots and underscores. Rename the source.",
            field="source",
        )
    chosen = Schedule(
        source=name,
        cron=_text(data.get("cron"), "cron"),
        zone=_text(data.get("zone", "UTC"), "zone"),
        email=_addresses(data.get("email") or ()),
        compare=_flag(data.get("compare", True)),
        fail_when=_rules(data.get("fail_when")),
    )
    for finding in timing.timing(chosen.when).findings:
        if finding.level == "error":
            raise InvalidError(finding.message, field=finding.field.removeprefix("when."))
    return chosen


def get(store: Store, source: str) -> Schedule | None:
    """Return the schedule of a source, None if it has none; CorruptError if it is damaged."""
    return read(store, source)[0]


def read(store: Store, source: str) -> tuple[Schedule | None, str | None]:
    """Return the schedule of a source and the version of the repository that it is from; see ``get``."""
    head = store.config.head()
    try:
        content = store.config.read(path_of(source), commit=head)
    except NotFoundError:
        return None, head
    return _stored(source, content), head


def listed(store: Store) -> tuple[Schedule, ...]:
    """Return all schedules by the names of their sources; the damaged ones are left out, and logged."""
    head = store.config.head() if store.config.exists() else None
    entries = trees.entries(store.config.git, head, sizes=False) if head else ()
    blobs = {name: entry.blob for entry in entries if (name := _name(entry.path))}
    contents = dict(trees.contents(store.config.git, blobs.values())) if blobs else {}
    found = []
    for name in sorted(blobs):
        try:
            found.append(_stored(name, contents[blobs[name]]))
        except CoutureError as error:
            log.warning("%s", error)
    return tuple(found)


def save(store: Store, schedule: Schedule, *, user: str, base: str | None = None) -> Schedule:
    """Keep the schedule of a source, and return it with who saved it and from when on it counts.

    :param base: version of the repository that was edited; ``ConflictError`` if the schedule changed since.
        None: whatever is there now.
    """
    head = store.config.head()
    try:
        before = get(store, schedule.source)
    except CorruptError:
        before = None
    same = before is not None and before.when == schedule.when
    started = before.started_at if before and same else datetime.now(UTC).replace(microsecond=0)
    saved = replace(schedule, account=user, started_at=started)
    with _told(schedule.source):
        done = store.config.save(
            {path_of(schedule.source): _dump(saved)},
            author=user,
            message=f"{'Change' if before else 'Add'} the schedule of the source {schedule.source}",
            base=base or head,
        )
    return replace(saved, commit=done.id)


def delete(store: Store, source: str, *, user: str, base: str | None = None) -> str:
    """Delete the schedule of a source, and return the version without it, "" if there was none.

    :param base: see ``save``.
    """
    path = path_of(source)
    head = store.config.head()
    if head is None or path not in store.config.paths(path):
        return ""
    message = f"Delete the schedule of the source {source}"
    with _told(source):
        return store.config.save({path: None}, author=user, message=message, base=base or head).id


@contextmanager
def _told(source: str) -> Iterator[None]:
    """Let a conflict say what it is about, which the path of a file does not."""
    try:
        yield
    except ConflictError as error:
        raise ConflictError(
            f"Somebody else changed the schedule of the source {quote(source)} meanwhile. Nothing was done. "
            "Look at what it is now, then try again.",
            paths=error.paths,
            base=error.base,
            theirs=error.theirs,
        ) from error


def rename(store: Store, old: str, new: str, *, user: str) -> bool:
    """Let the schedule of a source belong to its new name, and tell whether there was one."""
    head = store.config.head()
    try:
        found = get(store, old)
    except CorruptError:
        found = None
    if found is None:
        return False
    if not _ID.fullmatch(new):
        log.warning("The schedule of %s is deleted: no DAG can be called as %s is.", old, new)
        return bool(delete(store, old, user=user))
    moved = replace(found, source=new, account=user, started_at=datetime.now(UTC).replace(microsecond=0))
    store.config.save(
        {path_of(old): None, path_of(new): _dump(moved)},
        author=user,
        message=f"Move the schedule of the source {old} to {new}",
        base=head,
    )
    return True


def planned() -> tuple[Planned, ...]:
    """Return all schedules of the home for the DAG file; none where there is no home, as in a sandbox."""
    from couture_workflow import settings

    home = settings.home()
    try:
        return tuple(_planned(each) for each in listed(Store(home)))
    except CoutureError as error:
        log.warning("The schedules of exploratory data analysis cannot be read: %s", error)
        return ()


def _planned(schedule: Schedule) -> Planned:
    import pendulum

    arguments: dict[str, Any] = {"source": schedule.source}
    if schedule.compare:
        arguments["compare_with"] = "last"
    if schedule.fail_when:
        arguments["fail_when"] = dict(schedule.fail_when)
    if schedule.email:
        arguments |= {"email": list(schedule.email), "email_on_retry": False}
    zone = timing.zone_of(schedule.when).key
    started = pendulum.instance(schedule.started_at).in_timezone(zone)
    return Planned(schedule.dag_id, schedule.cron, started, schedule.account, arguments)


def path_of(source: str) -> str:
    """Return where the schedule of a source stands in the configuration repository."""
    return f"{FOLDER}{check_source_name(source)}{SUFFIX}"


def _name(path: str) -> str:
    name = path.removeprefix(FOLDER).removesuffix(SUFFIX)
    return name if path == f"{FOLDER}{name}{SUFFIX}" and "/" not in name else ""


def _dump(schedule: Schedule) -> bytes:
    data = {"version": VERSION, **schedule.json(), "account": schedule.account}
    data["started_at"] = schedule.started_at.astimezone(UTC).isoformat()
    content = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1000).encode()
    if len(content) > _MOST_BYTES:
        raise InvalidError(
            f"The schedule has {len(content):,} bytes, more than the {_MOST_BYTES:,} it may have. Give fewer "
            "rules.",
            field="fail_when",
        )
    return content


def _stored(source: str, content: bytes) -> Schedule:
    try:
        data = plain_yaml.load(content.decode("utf-8"))
        if not isinstance(data, dict) or data.pop("version", None) != VERSION:
            raise InvalidError(f"it must be a mapping with version: {VERSION}")
        account, started = str(data.pop("account", "")), datetime.fromisoformat(str(data.pop("started_at")))
        return replace(normal(source, data), account=account, started_at=started.astimezone(UTC))
    except (InvalidError, yaml.YAMLError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise CorruptError(
            f"The schedule of the source {quote(source)} in the configuration repository is damaged: "
            f"{' '.join(str(error).split())} Save it anew.",
            path=path_of(source),
        ) from error


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not is_text(value):
        raise InvalidError(f"{place} must be a text.", field=place)
    return value.strip()


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidError("compare must be true or false.", field="compare")
    return value


def _addresses(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or len(value) > _MOST_ADDRESSES:
        raise InvalidError(f"email must be a list of at most {_MOST_ADDRESSES} addresses.", field="email")
    for each in value:
        if not isinstance(each, str) or not is_address(each) or not is_text(each):
            raise InvalidError(f"{quote(str(each))} is no address of mail.", field="email")
    return tuple(dict.fromkeys(value))


def _rules(value: Any) -> dict[str, Any]:
    return dict(guard.as_mapping(guard.parse(value))) if value else {}
