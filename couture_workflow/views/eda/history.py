"""The page *Data Source History*: who changed a source, when and what; earlier versions are brought back."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from flask import Response, jsonify, request

from couture_workflow.exceptions import NotFoundError
from couture_workflow.permissions import EDA, EDIT, READ, Permission
from couture_workflow.services.eda import sources
from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.views.history import read_part
from couture_workflow.web.state import store

CAN_READ = Permission(READ, EDA)
CAN_EDIT = Permission(EDIT, EDA)


class EdaHistoryPage(CouturePage):
    """The versions of one source, also of one that was deleted."""

    route_base = "/exploratory-data-analysis/history"
    title = "Data Source History"

    @expose("/<name>")
    @requires(CAN_READ)
    def index(self, name: str) -> str:
        """Show who changed a source and when."""
        history = read_part(partial(sources.history, store(), name))
        snapshot = sources.snapshot(store())
        if not history.versions and not history.newest_url and name not in snapshot.names:
            raise NotFoundError(f"There never was a source {name}. Choose one of the list.")
        return self.page(
            "eda/history.html",
            title=f"History of {name}",
            name=name,
            is_here=name in snapshot.sources,
            problem=snapshot.damaged.get(name, ""),
            history=history,
            can_edit=CAN_EDIT,
        )

    @expose("/<name>/<commit>")
    @requires(CAN_READ)
    def version(self, name: str, commit: str) -> Response:
        """Return what one version changed since the one ``before`` it."""
        found = sources.changes(store(), name, before=request.args.get("before") or None, commit=commit)
        return jsonify(changes=[asdict(change) for change in found])
