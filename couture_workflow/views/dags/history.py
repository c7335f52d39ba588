"""The page *DAG History*: every version of the DAG files, what it changed, its runs, the way back."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from flask import Response, g, jsonify, request, url_for

from couture_workflow.exceptions import ConflictError, InvalidError, NotFoundError
from couture_workflow.permissions import DAG_FILES, EDIT, READ, SAVE_GATE, Permission
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags import versions as dag_versions
from couture_workflow.services.review import checking as dag_checking
from couture_workflow.store.names import quote
from couture_workflow.store.repository import Commit
from couture_workflow.views.base import CouturePage, attachment, expose, message_of, requires, sent, user_name
from couture_workflow.views.history import read_part
from couture_workflow.web.dags.live import live, runs_by_version
from couture_workflow.web.dags.saving import known, save_dags
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, DAG_FILES)
CAN_EDIT = Permission(EDIT, DAG_FILES)
CAN_OVERRIDE = Permission(EDIT, SAVE_GATE)

_PART = 30


class DagHistoryPage(CouturePage):
    """The page and the calls that its scripts make."""

    route_base = "/dag-history"
    title = "DAG History"
    summary = "Every version of the DAG files: who changed what, which runs used it, and the way back."
    icon = "history"

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """List the versions of ``?path=``, a file or folder; of everything without it."""
        path = _path()
        history = read_part(partial(dag_versions.history, store(), path), part=_PART, path=path or None)
        entries = history.entries
        return self.page(
            "dags/history.html",
            path=path,
            crumbs=_crumbs(path),
            history=history,
            changes={each.commit.id: dag_versions.within(each.files, path) for each in entries},
            is_file=dag_versions.is_file(store(), path, [each.commit.id for each in entries]),
            can_edit=CAN_EDIT,
        )

    @expose("/<commit>")
    @requires(CAN_READ)
    def version(self, commit: str) -> str:
        """Show what a version changed; since ``?against=`` instead of the version before it."""
        chosen, path = store().dags.commit(dag_root.commit_of(commit)), _path()
        against = request.args.get("against", "")
        other: Commit | None
        if against:
            other = store().dags.commit(against)
        else:
            parent = dag_versions.before(store(), chosen.id)
            other = store().dags.commit(parent) if parent else None
        changes = dag_versions.changed_files(store(), other.id if other else None, chosen.id, path)
        return self.page(
            "dags/history_version.html",
            version=chosen,
            other=other,
            compared=bool(against),
            path=path,
            is_newest=chosen.id == store().dags.head(),
            changes=changes,
            state=json.dumps(
                {
                    "old": other.id if other else "",
                    "new": chosen.id,
                    "path": path,
                    "files": [change.json() for change in changes],
                    "compared": bool(against),
                }
            ),
            can_edit=CAN_EDIT,
        )

    @expose("/text")
    @requires(CAN_READ)
    def text(self) -> Response:
        """Return both versions of a file."""
        found = dag_versions.texts(
            store(),
            request.args.get("old") or None,
            request.args.get("new") or None,
            _path(),
            old_path=request.args.get("old_path", ""),
        )
        return jsonify(found.json())

    @expose("/graphs")
    @requires(CAN_READ)
    def graphs(self) -> Response:
        """Return what differs in the DAGs of two versions."""
        new = request.args.get("new", "")
        found = dag_checking.between(store(), request.args.get("old") or None, new, path=_path())
        return jsonify(dags=[each.json() for each in found])

    @expose("/runs")
    @requires(CAN_READ)
    def runs(self) -> Response:
        """Return the runs that used each version of ``?commit=``, newest first."""
        commits = request.args.getlist("commit")[: _PART + 1]
        return jsonify(
            runs=runs_by_version(store(), g.user, _path(), commits, newer=request.args.get("newer") or None)
        )

    @expose("/file")
    @requires(CAN_READ)
    def file(self) -> str:
        """Show a file as it was in a version."""
        commit, path = store().dags.commit(request.args.get("commit", "")), _path()
        content = dag_repository.read(store(), path, commit=commit.id)
        return self.page(
            "dags/history_file.html",
            title=path,
            path=path,
            version=commit,
            text=dag_versions.decoded(content),
            size=len(content),
        )

    @expose("/download")
    @requires(CAN_READ)
    def download(self) -> Response:
        """Return the bytes of a file as it was in a version."""
        path = _path()
        content = dag_repository.read(
            store(), path, commit=store().dags.known(request.args.get("commit", ""))
        )
        return attachment(content, "application/octet-stream", path.rpartition("/")[2])

    @expose("/restore", methods=["POST"])
    @requires(CAN_EDIT)
    def restore(self) -> Response:
        """Make the text of an old version a draft, to be reviewed and saved, or tell that it needs a plan.

        A draft that is there already is kept unless ``replace`` is sent.
        """
        payload = sent()
        path, commit = str(payload.get("path", "")), store().dags.known(str(payload.get("commit", "")))
        text = dag_versions.decoded(dag_versions.content(store(), path, commit))
        if text is None:
            return jsonify(plan=True)  # a folder, everything, or a file that is no text
        head = store().dags.head()
        if dag_versions.content(store(), path, head) == text.encode():
            raise InvalidError(f"{quote(path)} is as it was in that version. There is nothing to restore.")
        draft = dag_drafts.get(store(), user_name(), path)
        if draft and draft.content != text and payload.get("replace") is not True:
            raise ConflictError(f"You have an unsaved draft of {quote(path)}.", paths=[path])
        dag_drafts.put(store(), user_name(), path, base=head, content=text)
        return jsonify(review=url_for("DagReviewPage.index", path=path))

    @expose("/plan", methods=["POST"])
    @requires(CAN_EDIT)
    def plan(self) -> Response:
        """Return what bringing back a version of a folder, or of all, would change, and the gate's word."""
        payload = sent()
        head, changes = store().dags.head(), self._restoring(payload)
        checked = dag_checking.check(store(), changes, known=known())
        present = {file.path for file in dag_repository.files(store())}
        return jsonify(
            base=head,
            files=[
                {
                    "path": path,
                    "kind": "removed" if content is None else "changed" if path in present else "added",
                }
                for path, content in changes.items()
            ],
            mayOverride=allowed(g.user, CAN_OVERRIDE),
            **checked.json(),
        )

    @expose("/apply", methods=["POST"])
    @requires(CAN_EDIT)
    def apply(self) -> Response:
        """Bring back a version of a folder, or of everything, as one commit."""
        payload = sent()
        changes = self._restoring(payload)
        saved = save_dags(
            changes,
            user=g.user,
            message=message_of(payload) or "Restore an earlier version",
            base=payload.get("base") or None,
            override=payload.get("override") is True,
        )
        return jsonify(
            commit=saved.commit.id,
            message=saved.commit.message,
            overridden=saved.overridden,
            files=live(store(), saved.commit.id, list(changes), user=g.user),
        )

    @staticmethod
    def _restoring(payload: dict[str, Any]) -> dict[str, bytes | None]:
        path, commit = str(payload.get("path", "")), str(payload.get("commit", ""))
        changes = dag_repository.restore(store(), commit, path or None)
        if not changes:
            raise NotFoundError("Everything is as it was in that version. There is nothing to restore.")
        return changes


def _path() -> str:
    return request.args.get("path", "").strip("/")


def _crumbs(path: str) -> list[tuple[str, str]]:
    """Return name and path of each folder on the way to a path."""
    parts = path.split("/") if path else []
    return [(part, "/".join(parts[: number + 1])) for number, part in enumerate(parts)]
