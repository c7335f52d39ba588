"""The page *Exploratory Data Analysis*: lists of sources and of uploaded data, the form of a new source."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

from flask import g, request, url_for

from couture_workflow import settings
from couture_workflow.permissions import CREATE, DELETE, EDA, EDIT, READ, Permission
from couture_workflow.services.eda import data, document, sources, uses
from couture_workflow.services.eda.document import FilePlace, Source
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.files import kinds
from couture_workflow.store.names import parse_reference
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.views.eda.form import form_context
from couture_workflow.web.eda.outputs import last_of
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, EDA)
CAN_CREATE = Permission(CREATE, EDA)
CAN_EDIT = Permission(EDIT, EDA)
CAN_DELETE = Permission(DELETE, EDA)

PART = 50
KIND_WORDS = {"file": "File", "sql": "SQL database", "spark": "Cluster"}
BADGES = {"success": "badge-ok", "failed": "badge-error", "running": "badge-info", "queued": "badge-info"}
_FILTERS = ("search", "tag", "kind")


@dataclass(frozen=True)
class Row:
    """A source and what was last made of it."""

    source: Source
    last: Output | None


class EdaSourcesPage(CouturePage):
    """The list of sources, and the way to a new one."""

    route_base = "/exploratory-data-analysis"
    title = "Exploratory Data Analysis"
    summary = "What is in files, tables and queries of any size: reports that repeat and compare."
    icon = "chart"
    group = "Data and models"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the sources that the address asks for; ``?show=data`` the uploaded files."""
        show = request.args.get("show", "")
        if show in ("data", "deleted"):
            return self._data(deleted=show == "deleted")
        given = {name: value for name in _FILTERS if (value := request.args.get(name, "").strip()[:1000])}
        snapshot = sources.snapshot(store())
        found = sources.found(snapshot, **given)
        pages = max(1, ceil(len(found) / PART))
        number = min(number_asked("page", 1, least=1), pages)
        part = found[(number - 1) * PART : number * PART]
        return self.page(
            "eda/sources.html",
            rows=[Row(source, last_of(source.name)) for source in part],
            damaged=snapshot.damaged if not given and number == 1 else {},
            given=given,
            tags=sorted({tag for source in snapshot.sources.values() for tag in source.tags}),
            kinds=KIND_WORDS,
            badges=BADGES,
            count=len(snapshot.names),
            back=_address(given, page=number - 1) if number > 1 else "",
            on=_address(given, page=number + 1) if number < pages else "",
            place=f"{(number - 1) * PART + 1:,}–{(number - 1) * PART + len(part):,} of {len(found):,}"
            if pages > 1
            else "",
            **_common(),
        )

    @expose("/new")
    @requires(CAN_CREATE)
    def new(self) -> str:
        """Show the form of a new source; ``?data=`` is the uploaded file that it reads."""
        name = request.args.get("data", "").strip()
        source = Source(name="", file=FilePlace(data=name))
        if name:
            file, _ = parse_reference(name, what="data file")
            source = Source(name=_free_name(store().data.get(file).name), file=FilePlace(data=name))
        return self.page(
            "eda/source.html",
            title="New source",
            is_new=True,
            **form_context(source, base=None, user=g.user),
        )

    def _data(self, *, deleted: bool) -> str:
        search = request.args.get("search", "").strip()
        number = number_asked("page", 1, least=1)
        offset = (number - 1) * PART
        found = kinds.find(
            store().data, search=search, sort="-uploaded", offset=offset, limit=PART, deleted=deleted
        )
        if not found.files and found.total:
            number, offset = 1, 0
            found = kinds.find(store().data, search=search, sort="-uploaded", limit=PART, deleted=deleted)
        given = {"show": "deleted" if deleted else "data", **({"search": search} if search else {})}
        more = found.total > offset + PART
        return self.page(
            "eda/data.html",
            files=found.files,
            users=uses.by_data(store()),
            search=search,
            deleted=deleted,
            count=len(sources.snapshot(store()).names),
            back=_address(given, page=number - 1) if number > 1 else "",
            on=_address(given, page=number + 1) if more else "",
            place=f"{offset + 1:,}–{offset + len(found.files):,} of {found.total:,}"
            if offset or more
            else "",
            **_common(),
        )


def _common() -> dict[str, Any]:
    return {
        "may_create": allowed(g.user, CAN_CREATE),
        "may_edit": allowed(g.user, CAN_EDIT),
        "may_delete": allowed(g.user, CAN_DELETE),
        "suffixes": data.KIND.suffixes,
        "most_bytes": settings.max_upload_size(),
        "data_count": len(store().data.list()),
        "deleted_count": len(store().data.deleted()),
    }


def _free_name(file: str) -> str:
    """Return a name for a source of a file that no other one has."""
    name = file
    for suffix in (".gz", ".zst", *data.KIND.suffixes):
        name = name.removesuffix(suffix) or name
    taken = {each.casefold() for each in sources.snapshot(store()).names}
    name = document.shortened(name)
    return next(
        each
        for each in (name, *(f"{name}-{n}" for n in range(2, len(taken) + 3)))
        if each.casefold() not in taken
    )


def _address(given: dict[str, str], **news: Any) -> str:
    values = {name: value for name, value in {**given, **news}.items() if value not in ("", 1)}
    return url_for("EdaSourcesPage.index", **values)
