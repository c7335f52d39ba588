"""What the pages of uploaded files share: the list and one file's page. Writes go to the REST API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, get_args

from flask import g, request

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError
from couture_workflow.permissions import CREATE, DELETE, EDIT, Permission
from couture_workflow.services.files import contents as file_contents
from couture_workflow.services.files import kinds as file_kinds
from couture_workflow.services.files.kinds import FileKind, Sort
from couture_workflow.store.files import FileVersion
from couture_workflow.views.base import CouturePage, number_asked
from couture_workflow.web.files.users import users_by_name
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

PAGE_SIZE = 50


@dataclass(frozen=True)
class Paging:
    """Where a page of a list lies in the whole."""

    number: int
    total: int

    @property
    def first(self) -> int:
        """Number of the first line shown, 0 if there is none."""
        return min((self.number - 1) * PAGE_SIZE + 1, self.total)

    @property
    def last(self) -> int:
        """Number of the last line shown."""
        return min(self.number * PAGE_SIZE, self.total)

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, ceil(self.total / PAGE_SIZE))


@dataclass(frozen=True)
class Contents:
    """What the viewer shows of a version: Python source, an archive, or the reason why neither."""

    source: file_contents.Source | None = None
    archive: file_contents.Archive | None = None
    problem: str = ""


class FilesPage(CouturePage):
    """One page of uploaded files; a subclass says of which kind, and has the two routes.

    :cvar hint: what an empty list says they are good for.
    """

    kind: ClassVar[FileKind]
    hint: ClassVar[str]

    def show_list(self) -> str:
        """Show the files that ``?search=`` finds, 50 a page; ``?show=deleted`` those that were deleted."""
        kept, search = self.kind.files(store()), request.args.get("search", "").strip()
        deleted = request.args.get("show") == "deleted"
        sort: Sort = next((known for known in get_args(Sort) if known == request.args.get("sort")), "name")
        number = number_asked("page", 1, least=1)
        found = self._find(search, sort, number, deleted=deleted)
        if not found.files and found.total:  # a page beyond the end, such as after a delete
            number = Paging(1, found.total).pages
            found = self._find(search, sort, number, deleted=deleted)
        return self.page(
            "files/files.html",
            files=found.files,
            users=users_by_name(self.kind, g.user),
            paging=Paging(number, found.total),
            search=search,
            sort=sort,
            deleted=deleted,
            count=len(kept.list()),
            deleted_count=len(kept.deleted()),
            most_bytes=settings.max_upload_size(),
            **self._common(),
        )

    def show_file(self, name: str) -> str:
        """Show all that is known of a file, and what ``?version=`` (the current one) holds."""
        file = self.kind.files(store()).get(name)
        version = file.version(number_asked("version", None))
        return self.page(
            "files/file.html",
            title=file.name,
            file=file,
            version=version,
            users=users_by_name(self.kind, g.user)(file.name),
            contents=self._contents(file.name, version),
            **self._common(),
        )

    def _find(self, search: str, sort: Sort, number: int, *, deleted: bool) -> file_kinds.Listing:
        return file_kinds.find(
            self.kind.files(store()),
            search=search,
            sort=sort,
            offset=(number - 1) * PAGE_SIZE,
            limit=PAGE_SIZE,
            deleted=deleted,
        )

    def _contents(self, name: str, version: FileVersion) -> Contents:
        try:
            path: Path = self.kind.files(store()).path(name, version.number)
        except CoutureError as error:  # damaged: the page still offers the other versions
            return Contents(problem=str(error))
        if name.casefold().endswith(".py"):
            return Contents(source=file_contents.source(path))
        archive = file_contents.archive(path)
        return Contents(
            archive=archive, problem="" if archive else "This archive is too large or odd to be shown."
        )

    def _common(self) -> dict[str, Any]:
        def may(action: str) -> bool:
            return allowed(g.user, Permission(action, self.kind.resource))

        return {
            "kind": self.kind,
            "home": type(self).__name__,
            "may_create": may(CREATE),
            "may_edit": may(EDIT),
            "may_delete": may(DELETE),
            "suffixes": either(self.kind.suffixes),
        }


def either(words: Sequence[str]) -> str:
    """Return words as a choice: ".jar, .py or .zip"."""
    *head, last = words
    return f"{', '.join(head)} or {last}" if head else last
