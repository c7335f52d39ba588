"""The page *Review & Save*: drafts beside the newest version, what becomes of their DAGs, the save."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, g, jsonify, request

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import DAG_FILES, EDIT, READ, SAVE_GATE, Permission
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.review import before_save as dag_review
from couture_workflow.services.review import checking as dag_checking
from couture_workflow.views.base import CouturePage, expose, message_of, requires, sent, user_name
from couture_workflow.web.dags.live import live
from couture_workflow.web.dags.saving import known, save_dags
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, DAG_FILES)
CAN_EDIT = Permission(EDIT, DAG_FILES)
CAN_OVERRIDE = Permission(EDIT, SAVE_GATE)


class DagReviewPage(CouturePage):
    """The page and the calls that its scripts make."""

    route_base = "/dag-review"
    title = "Review & Save"
    summary = "What your drafts change, in text and in the graphs of their DAGs, before they are saved."
    icon = "check"

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the caller's drafts of ``?path=``, given once or several times; all of them without it."""
        return self.page("review/review.html", state=json.dumps(self._state()), can_edit=CAN_EDIT)

    @expose("/state")
    @requires(CAN_READ)
    def state(self) -> Response:
        """Return what the page begins with, as of now."""
        return jsonify(self._state())

    @expose("/draft", methods=["POST"])
    @requires(CAN_EDIT)
    def draft(self) -> Response:
        """Keep a change that was made in the review."""
        payload = sent()
        draft = dag_drafts.put(
            store(),
            user_name(),
            str(payload.get("path", "")),
            base=payload.get("base") or None,
            content=str(payload.get("content", "")),
            expected=str(payload.get("revision", "")) or None,
        )
        return jsonify(revision=draft.revision)

    @expose("/discard", methods=["POST"])
    @requires(CAN_EDIT)
    def discard(self) -> Response:
        """Throw a draft away."""
        return jsonify(discarded=dag_drafts.delete(store(), user_name(), str(sent().get("path", ""))))

    @expose("/move", methods=["POST"])
    @requires(CAN_EDIT)
    def move(self) -> Response:
        """Give a draft the path to which somebody renamed its file."""
        payload = sent()
        moved = dag_review.move(
            store(), user_name(), str(payload.get("path", "")), str(payload.get("new_path", ""))
        )
        return jsonify(path=moved.path)

    @expose("/check", methods=["POST"])
    @requires(CAN_EDIT)
    def check(self) -> Response:
        """Return what the gate says of some texts, and what becomes of the DAGs in them."""
        checked = dag_checking.check(store(), _changes(sent()), known=known())
        return jsonify(checked.json())

    @expose("/save", methods=["POST"])
    @requires(CAN_EDIT)
    def save(self) -> Response:
        """Save some texts as one commit; their drafts are done with."""
        payload = sent()
        changes = _changes(payload)
        saved = save_dags(
            changes,
            user=g.user,
            message=message_of(payload) or "Change DAG files",
            base=payload.get("base") or None,
            override=payload.get("override") is True,
        )
        for file in payload["files"]:
            revision = str(file.get("revision", ""))
            dag_review.drop_saved(store(), user_name(), file["path"], file["content"], revision)
        return jsonify(
            commit=saved.commit.id,
            message=saved.commit.message,
            overridden=saved.overridden,
            files=live(store(), saved.commit.id, list(changes), user=g.user),
        )

    @expose("/live")
    @requires(CAN_READ)
    def live(self) -> Response:
        """Tell how far Airflow is with the files of ``?path=`` as of ``?commit=``."""
        return jsonify(
            files=live(store(), request.args.get("commit", ""), request.args.getlist("path"), user=g.user)
        )

    def _state(self) -> dict[str, Any]:
        found = dag_review.review(store(), user_name(), request.args.getlist("path"))
        return {**found.json(), "user": user_name(), "mayOverride": allowed(g.user, CAN_OVERRIDE)}


def _changes(payload: Mapping[str, Any]) -> dict[str, bytes]:
    files = payload.get("files")
    if not isinstance(files, list) or not files:
        raise InvalidError("There is nothing to save. Change a file first.")
    found = {}
    for file in files:
        if not isinstance(file, dict) or not all(
            isinstance(file.get(key), str) for key in ("path", "content")
        ):
            raise InvalidError("The page sent something else than files. Reload the page.")
        found[file["path"]] = dag_review.encoded(file["path"], file["content"])
    return found
