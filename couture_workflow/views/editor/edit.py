"""The page *Edit DAG*: the code editor, its drafts, what it completes and what it underlines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flask import Response, g, jsonify, redirect, request, url_for
from flask_wtf.csrf import generate_csrf

from couture_workflow.exceptions import InvalidError, NotAllowedError, NotFoundError, TooLargeError
from couture_workflow.permissions import CODE_BRICKS, CREATE, DAG_FILES, EDIT, READ, Permission
from couture_workflow.services.dags import drafts as dag_drafts
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags.drafts import Draft
from couture_workflow.services.editor import completion
from couture_workflow.services.editor import files as dag_editor
from couture_workflow.services.editor import format as dag_format
from couture_workflow.services.gate import lint as dag_lint
from couture_workflow.services.gate import preparation as gate_preparation
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.services.upgrade import apart as upgrade_apart
from couture_workflow.services.upgrade import upgrading
from couture_workflow.store.repository import Commit
from couture_workflow.views.base import CouturePage, attachment, expose, requires, sent, user_name
from couture_workflow.web.dags import states as dag_states
from couture_workflow.web.dags.saving import known
from couture_workflow.web.editor.completion_names import names
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, DAG_FILES)
CAN_EDIT = Permission(EDIT, DAG_FILES)
CAN_CREATE = Permission(CREATE, DAG_FILES)

#: Problems of one text that are underlined; whoever has more begins at the top.
_MOST_PROBLEMS = 300


class DagEditorPage(CouturePage):
    """The page and the calls that its scripts make."""

    route_base = "/dag-editor"
    title = "Edit DAG"
    summary = "Write a DAG file with completion and checks."
    icon = "edit"

    #: What the page says of its keys; docs/pages.md has the same table.
    keys = (
        ("Ctrl-S", "Review & Save"),
        ("Ctrl-Space", "Complete"),
        ("F8, Shift-F8", "Next problem, problem before"),
        ("Ctrl-Shift-M", "List of problems"),
        ("Ctrl-F", "Find and replace"),
        ("Ctrl-G", "Go to line"),
        ("Ctrl-D", "Select the next occurrence too"),
        ("Alt-drag, Ctrl-click", "Select a column; add a cursor"),
        ("Ctrl-/", "Comment lines out, and back in"),
        ("Alt-Up, Alt-Down", "Move lines"),
        ("Ctrl-Z, Ctrl-Y", "Undo, redo"),
        ("Ctrl-Shift-[, Ctrl-Shift-]", "Fold, unfold"),
        ("Shift-Alt-F", "Format with ruff"),
        ("Shift-Alt-O", "Organise imports"),
        ("Tab, Shift-Tab", "Indent, outdent"),
        ("Esc, then Tab", "Leave the text"),
        ("F1", "This list"),
    )

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Open a file; a path that does not exist is a new file."""
        opened = dag_editor.open_file(store(), _path(request.args))
        may_type = not opened.obstacle and _may_type(exists=opened.exists)
        if may_type:
            gate_preparation.warm(store())
        draft = dag_drafts.get(store(), user_name(), opened.path) if may_type else None
        # A file with a draft is shown as that version from which the draft started.
        base = draft.base if draft else opened.base
        text = dag_editor.version_text(store(), opened.path, base) if draft else opened.text
        state = {
            "path": opened.path,
            "exists": opened.exists,
            "user": user_name(),
            "canType": may_type,
            "base": base,
            "text": text,
            "newest": {"base": opened.base, "text": opened.text} if base != opened.base else None,
            "changed": _commit(dag_editor.changed_since(store(), opened.path, base)) if draft else None,
            "draft": _draft(draft, text=True),
            "old": may_type and upgrading.looks_old(draft.content if draft else opened.text),
        }
        shown = bool(opened.text) or not opened.obstacle
        return self.page(
            "editor/editor.html",
            file=opened,
            state=json.dumps(state),
            shown=shown,
            may_type=may_type,
            can_read_bricks=Permission(READ, CODE_BRICKS),
        )

    @expose("/of/<dag_id>")
    @requires(CAN_READ)
    def of_dag(self, dag_id: str) -> Any:
        """Lead from Airflow's page of a DAG to its file, at its line; from an example to its copy."""
        if (example := dag_states.example_of(dag_id)) and allowed(g.user, CAN_CREATE):
            return redirect(url_for("ManageDagsPage.index", example=example))
        try:
            path = dag_states.file_of(dag_id)
        except NotFoundError as error:
            return self.page("editor/elsewhere.html", title=dag_id, reason=str(error)), 404
        line = dag_editor.line_of(store(), path, dag_id)
        return redirect(url_for("DagEditorPage.index", path=path, _anchor=f"L{line}" if line else None))

    @expose("/status")
    @requires(CAN_READ)
    def status(self) -> Response:
        """Return what happened to a file and its draft, and a token for further calls.

        ``?base=`` and ``?revision=`` are what the page knows; texts are sent only if it does not know them.
        """
        path, base = _path(request.args), request.args.get("base") or None
        draft = dag_drafts.get(store(), user_name(), path)
        is_known = draft is not None and draft.revision == request.args.get("revision")
        changed, newest = dag_editor.changed_since(store(), path, base), store().dags.head()
        text = dag_editor.version_text(store(), path, newest) if changed or draft is None else None
        return jsonify(
            user=user_name(),
            csrf=generate_csrf(),
            changed=_commit(changed),
            draft=_draft(draft, text=not is_known),
            newest=None if text is None else {"base": newest, "text": text},
        )

    @expose("/draft", methods=["POST"])
    @requires(CAN_READ)
    def keep(self) -> Response:
        """Keep what was typed."""
        payload = sent()
        path, base = _path(payload), _optional(payload, "base")
        _require_typing(path)
        draft = dag_editor.keep(
            store(),
            user_name(),
            path,
            base=base,
            content=_text(payload, "content"),
            expected=_optional(payload, "expected"),
        )
        return jsonify(draft=_draft(draft), changed=_commit(dag_editor.changed_since(store(), path, base)))

    @expose("/discard", methods=["POST"])
    @requires(CAN_READ)
    def discard(self) -> Response:
        """Throw the draft away and return what is saved."""
        path = _path(sent())
        dag_drafts.delete(store(), user_name(), path)
        opened = dag_editor.open_file(store(), path)
        return jsonify(base=opened.base, text=opened.text, exists=opened.exists)

    @expose("/problems", methods=["POST"])
    @requires(CAN_READ)
    def problems(self) -> Response:
        """Return what ruff finds in a text, with its fixes."""
        payload = sent()
        found = dag_lint.look(_path(payload), _text(payload, "content"))[:_MOST_PROBLEMS]
        return jsonify(
            problems=[{**problem.json(), "fix": asdict(fix) if fix else None} for problem, fix in found]
        )

    @expose("/check", methods=["POST"])
    @requires(CAN_READ)
    def check(self) -> Response:
        """Return what the save gate says of a text, and the DAGs in it."""
        payload = sent()
        path = _path(payload)
        _require_typing(path)
        content = _text(payload, "content").encode("utf-8", "replace")
        return jsonify(dag_saving.check(store(), {path: content}, known=known()).json())

    @expose("/format", methods=["POST"])
    @requires(CAN_READ)
    def laid_out(self) -> Response:
        """Return a text laid out by ruff; with ``imports`` as what to do, only its imports are sorted."""
        payload = sent()
        work = dag_format.organised if payload.get("what") == "imports" else dag_format.formatted
        return jsonify(content=work(_path(payload), _text(payload, "content")))

    @expose("/upgrade", methods=["POST"])
    @requires(CAN_READ)
    def upgraded(self) -> Response:
        """Return an old DAG file as Airflow 3 runs it, what was changed and what a person must look at."""
        payload = sent()
        [(found, _)] = upgrade_apart.texts([(_path(payload), _text(payload, "content"))])
        return jsonify(
            content=found.source,
            changes=[asdict(change) for change in found.changes],
            notes=[asdict(note) for note in found.notes],
        )

    @expose("/completion")
    @requires(CAN_READ)
    def installed(self) -> Response:
        """Return the index of what is installed; the browser keeps it while it is the same."""
        index = completion.index(store())
        answer = Response(index.body, content_type="application/json; charset=utf-8")
        answer.set_etag(index.fingerprint)
        answer.headers["Cache-Control"] = "private, no-cache"
        answer.make_conditional(request)
        return answer

    @expose("/names")
    @requires(CAN_READ)
    def names_to_complete(self) -> Response:
        """Return the names that the account may see, and the modules of the repository."""
        return jsonify(**names(store(), g.user), modules=dag_editor.modules(dag_repository.read_all(store())))

    @expose("/download")
    @requires(CAN_READ)
    def download(self) -> Response:
        """Send the saved file."""
        path = _path(request.args)
        return attachment(
            dag_editor.content(store(), path), "application/octet-stream", path.rpartition("/")[2]
        )


def _may_type(*, exists: bool) -> bool:
    return allowed(g.user, CAN_EDIT if exists else CAN_CREATE)


def _require_typing(path: str) -> None:
    """Refuse whoever may not change this file; whether it exists decides which permission that takes."""
    exists = path in store().dags.paths(path)
    if not _may_type(exists=exists):
        needed = CAN_EDIT if exists else CAN_CREATE
        raise NotAllowedError(
            f"Your role does not include “{needed}”. Copy your text, then ask an administrator."
        )


def _path(values: Any) -> str:
    path = values.get("path")
    if not isinstance(path, str) or not path:
        raise InvalidError("The address names no file. Choose one on the page Manage DAGs.", field="path")
    return path


def _text(payload: dict[str, Any], name: str) -> str:
    text = payload.get(name)
    if not isinstance(text, str):
        raise InvalidError("The page sent no text. Reload the page.", field=name)
    if len(text) > dag_drafts.LARGEST:
        raise TooLargeError(f"The text has more than {dag_drafts.LARGEST:,} characters. Make it shorter.")
    return text


def _optional(payload: dict[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) and value else None


def _draft(draft: Draft | None, *, text: bool = False) -> dict[str, Any] | None:
    if draft is None:
        return None
    fields = {"base": draft.base, "saved": draft.saved.isoformat(), "revision": draft.revision}
    return {**fields, "content": draft.content} if text else fields


def _commit(commit: Commit | None) -> dict[str, Any] | None:
    if commit is None:
        return None
    return {
        "id": commit.id,
        "author": commit.author,
        "when": commit.when.isoformat(),
        "message": commit.message,
    }
