"""The page *Developer > Manage DAGs*: the DAG files, their states, and what is done to whole files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, g, jsonify, request

from couture_workflow.exceptions import InvalidError, InvalidNameError, NotFoundError
from couture_workflow.permissions import CREATE, DAG_FILES, DELETE, EDIT, READ, Permission
from couture_workflow.services.dags import downloads as dag_downloads
from couture_workflow.services.dags import examples as dag_examples
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import uploads as dag_uploads
from couture_workflow.services.personal import view as personal_view
from couture_workflow.services.saving import plans as dag_plans
from couture_workflow.store.names import check_path, quote, suggested_path
from couture_workflow.views.base import CouturePage, accepts, attachment, expose, requires, sent
from couture_workflow.web.dags import changes as dag_changes
from couture_workflow.web.dags import files as dag_files
from couture_workflow.web.dags.changes import Change, Tree
from couture_workflow.web.dags.states import import_error, states
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, DAG_FILES)
CAN_CREATE = Permission(CREATE, DAG_FILES)
CAN_EDIT = Permission(EDIT, DAG_FILES)
CAN_DELETE = Permission(DELETE, DAG_FILES)
_MATCHES = 200


class ManageDagsPage(CouturePage):
    """The page and the calls that its scripts make."""

    route_base = "/manage-dags"
    title = "Manage DAGs"
    summary = "The files of your DAGs: edit, upload, search, rename and delete them, with every version kept."
    icon = "dag"
    group = "Build"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the page; its script reads the files, and offers a copy of the example in the address."""
        may = {name: allowed(g.user, permission) for name, permission in _ACTIONS.items()}
        return self.page(
            "dags/manage_dags.html",
            rights={**may, "rename": may["create"] and may["delete"]},
            view=personal_view.present(),
            folder=personal_view.folder(store()),
            example=request.args.get("example", ""),
            limits={"bytes": dag_uploads.MOST_SENT, "files": dag_uploads.MOST_FILES},
        )

    @expose("/files")
    @requires(CAN_READ)
    def files(self) -> Response:
        """Return the files with their states; ``same`` alone if the caller's ``known`` is the newest."""
        found = dag_files.listing(store(), g.user.get_name(), known=request.args.get("known", ""))
        return current_app.response_class(found or '{"same":true}', mimetype="application/json")

    @expose("/error")
    @requires(CAN_READ)
    def error(self) -> Response:
        """Return the traceback of a file's import error, "" if it has none."""
        return jsonify(error=import_error(states().get(request.args.get("path", "")), g.user))

    @expose("/search")
    @requires(CAN_READ)
    def search(self) -> Response:
        """Return the lines that contain a text."""
        text, regex = request.args.get("text", ""), request.args.get("regex") == "1"
        found = dag_repository.search(store(), text, regex=regex, limit=_MATCHES + 1)
        matches = [{"path": one.path, "line": one.line, "text": one.text[:500]} for one in found[:_MATCHES]]
        return jsonify(matches=matches, more=len(found) > _MATCHES)

    @expose("/download")
    @requires(CAN_READ)
    def download(self) -> Response:
        """Send a file as it is; a folder, or several files, as a zip archive."""
        wanted, tree = request.args.getlist("path"), Tree.newest()
        if len(wanted) == 1 and wanted[0] in tree.files:
            content = tree.files[wanted[0]]
            return attachment(content, "application/octet-stream", wanted[0].rpartition("/")[2])
        paths = tree.chosen(wanted)
        name = f"{wanted[0].rstrip('/').rpartition('/')[2]}.zip" if len(wanted) == 1 else "dags.zip"
        pieces = dag_downloads.zipped((path, tree.files[path]) for path in paths)
        return attachment(pieces, "application/zip", name)

    @expose("/name", methods=["POST"])
    @requires(CAN_CREATE)
    def name(self) -> Response:
        """Return a path that a new file may have, or refuse it with the rule."""
        payload = sent()
        path, old = str(payload.get("path", "")), str(payload.get("old", ""))
        return jsonify(path=_free_path(path, old))

    @expose("/upload/check", methods=["POST"])
    @requires(CAN_CREATE)
    @accepts(dag_uploads.MOST_SENT, parts=dag_uploads.MOST_FILES)
    def check_upload(self) -> Response:
        """Return what an upload would do."""
        tree = Tree.newest()
        return jsonify(dag_changes.look(_upload(tree, _plan()), tree))

    @expose("/upload/save", methods=["POST"])
    @requires(CAN_CREATE)
    @accepts(dag_uploads.MOST_SENT, parts=dag_uploads.MOST_FILES)
    def save_upload(self) -> Response:
        """Save an upload."""
        plan = _plan()
        return jsonify(dag_changes.save(_upload(Tree.newest(), plan), plan))

    @expose("/rename/check", methods=["POST"])
    @requires(CAN_CREATE)
    def check_rename(self) -> Response:
        """Return what a rename would do."""
        tree = Tree.newest()
        return jsonify(dag_changes.look(_renaming(tree, sent()), tree))

    @expose("/rename/save", methods=["POST"])
    @requires(CAN_CREATE)
    def save_rename(self) -> Response:
        """Rename a file or folder."""
        payload = sent()
        return jsonify(dag_changes.save(_renaming(Tree.newest(), payload), payload))

    @expose("/delete/check", methods=["POST"])
    @requires(CAN_DELETE)
    def check_delete(self) -> Response:
        """Return what a deletion would do."""
        tree = Tree.newest()
        return jsonify(dag_changes.look(dag_changes.removal(tree, _texts(sent(), "paths")), tree))

    @expose("/delete/save", methods=["POST"])
    @requires(CAN_DELETE)
    def save_delete(self) -> Response:
        """Delete files and folders."""
        payload = sent()
        return jsonify(
            dag_changes.save(dag_changes.removal(Tree.newest(), _texts(payload, "paths")), payload)
        )

    @expose("/examples")
    @requires(CAN_READ)
    def examples(self) -> Response:
        """Return the examples that can be copied."""
        return jsonify(
            examples=[{"name": one.name, "summary": one.summary} for one in dag_examples.examples()]
        )

    @expose("/examples/check", methods=["POST"])
    @requires(CAN_CREATE)
    def check_examples(self) -> Response:
        """Return what a copy of examples would do."""
        tree = Tree.newest()
        return jsonify(dag_changes.look(_copies(tree, sent()), tree))

    @expose("/examples/save", methods=["POST"])
    @requires(CAN_CREATE)
    def save_examples(self) -> Response:
        """Copy examples."""
        payload = sent()
        return jsonify(dag_changes.save(_copies(Tree.newest(), payload), payload))

    @expose("/meanwhile")
    @requires(CAN_READ)
    def meanwhile(self) -> Response:
        """Return what others saved of some files since the commit ``base``."""
        return jsonify(dag_changes.meanwhile(request.args.get("base", ""), request.args.getlist("path")))


_ACTIONS = {"create": CAN_CREATE, "edit": CAN_EDIT, "delete": CAN_DELETE}


def _plan() -> dict[str, Any]:
    try:
        plan = current_app.json.loads(request.form.get("plan", ""))
    except ValueError:
        plan = None
    if not isinstance(plan, dict):
        raise InvalidError("The page sent an upload without its plan. Reload the page.", field="plan")
    return plan


def _texts(payload: Mapping[str, Any], name: str) -> list[str]:
    found = payload.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InvalidError(f"{quote(name)} must be a list of texts. Reload the page.", field=name)
    return found


def _upload(tree: Tree, plan: Mapping[str, Any]) -> Change:
    paths, files = _texts(plan, "paths"), request.files.getlist("files")
    names = plan.get("names", {})
    if len(paths) != len(files) or not paths or not isinstance(names, dict):
        raise InvalidError("The upload came without some of its files. Choose them again.", field="files")
    found = dag_uploads.receive(
        ((path, file.stream.read()) for path, file in zip(paths, files, strict=True)),
        folder=str(plan.get("folder", "")),
        names={str(source): str(path) for source, path in names.items()},
        skip=_texts(plan, "skip"),
        present=tree.files.keys(),
    )
    ready, offers = dag_plans.upgraded(found.files, _texts(plan, "upgrade"))
    changes = {file.path: file.content for file in ready if not file.refused}
    return Change(
        tree.head,
        changes,
        dag_plans.offering(dag_plans.incoming(tree.files, ready), offers),
        dag_plans.message("Upload", list(changes)),
        left_out=found.left_out,
    )


def _renaming(tree: Tree, payload: Mapping[str, Any]) -> Change:
    return dag_changes.renaming(tree, str(payload.get("old", "")), str(payload.get("new", "")))


def _copies(tree: Tree, payload: Mapping[str, Any]) -> Change:
    names = _texts(payload, "names")
    changes = dag_examples.copies(
        names, folder=str(payload.get("folder", "")), user=personal_view.present().user
    )
    plans = dag_plans.planned(tree.files, changes)
    return Change(tree.head, changes, plans, dag_plans.message("Copy the example", names))


def _free_path(path: str, old: str) -> str:
    """Return the path in composed form, or raise ``InvalidError`` with the rule and a path that would do."""
    try:
        path = check_path(path)
    except InvalidNameError as error:
        suggestion = suggested_path(path)
        hint = f" Type {quote(suggestion)}, for example." if suggestion else ""
        raise InvalidNameError(f"{error}{hint}", field="path") from None
    present = [file.path for file in dag_repository.files(store())]
    if old and not any(one == old or one.startswith(f"{old}/") for one in present):
        raise NotFoundError(f"There is no {quote(old)} any more. Reload the page.")
    if path == old:
        return path
    others = {one.casefold(): one for one in present if one != old and not one.startswith(f"{old}/")}
    if (other := others.get(path.casefold())) is not None:
        raise InvalidError(f"There is already {quote(other)}. Choose another name.", field="path")
    return path
