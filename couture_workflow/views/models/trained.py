"""The page *Trained Models*: the list of one kind, and one model. Writes go to the REST API."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from flask import g, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from couture_workflow import settings
from couture_workflow.permissions import CREATE, DELETE, EDIT, MODELS, READ, Permission
from couture_workflow.services.models import document, library, server
from couture_workflow.services.models.library import Summary
from couture_workflow.services.models.states import State
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, MODELS)

PART = 50
#: Kind -> its tab, and what a model of it is good for.
KINDS = {
    "tensorflow": (
        "TensorFlow",
        "A SavedModel, or an ONNX model such as skl2onnx writes of scikit-learn, is served by gRPC and REST.",
    ),
    "spark": ("Spark", "A model of Spark is kept in versions; jobs and tasks name it."),
    "other": ("Other", "Any other model is kept in versions; jobs and tasks name it."),
}
#: Kind -> what the name of an upload may end in; of the others in anything.
SUFFIXES = {"tensorflow": (".tar", ".tar.gz", ".tgz", ".onnx")}
BADGES = {
    "serving": "badge-ok",
    "ready": "badge-ok",
    "kept": "badge-ok",
    "stopped": "",
    "refused": "badge-error",
    "failed": "badge-error",
    "damaged": "badge-error",
    "choose": "badge-warn",
}
#: States in which something goes on: the page looks again soon.
MOVING = ("received", "extracting", "checking", "loading")


@dataclass(frozen=True)
class Row:
    """A model of the list, and how far its newest version is."""

    model: Summary
    state: State


class TrainedModelsPage(CouturePage):
    """The list of models, and one of them."""

    route_base = "/trained-models"
    title = "Trained Models"
    summary = "Models that are served, and models for jobs: versions, checks, promote and roll back."
    icon = "model"
    group = "Data and models"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show the models of ``?kind=`` that ``?search=`` finds."""
        kind = request.args.get("kind", "")
        kind = kind if kind in KINDS else "tensorflow"
        search = request.args.get("search", "").strip()[:1000]
        number = number_asked("page", 1, least=1)
        found = self._found(kind, search, number)
        if not found.models and found.total:  # a page beyond the end, such as after a delete
            number = ceil(found.total / PART)
            found = self._found(kind, search, number)
        rows = _rows(found.models)
        pages = max(1, ceil(found.total / PART))
        first = (number - 1) * PART

        def address(page: int) -> str:
            return str(
                url_for(
                    "TrainedModelsPage.index",
                    kind=kind,
                    search=search or None,
                    page=page if page > 1 else None,
                )
            )

        return self.page(
            "models/models.html",
            rows=rows,
            search=search,
            back=address(number - 1) if number > 1 else "",
            on=address(number + 1) if number < pages else "",
            place=f"{first + 1:,}–{first + len(found.models):,} of {found.total:,}" if pages > 1 else "",
            moving=any(row.state.name in MOVING for row in rows),
            deleted=[
                file.name.removeprefix(f"{kind}.")
                for file in store().models.deleted()
                if file.name.startswith(f"{kind}.")
            ],
            counts=Counter(file.name.partition(".")[0] for file in store().models.list()),
            **_common(kind),
        )

    @expose("/<name>")
    @requires(CAN_READ)
    def named(self, name: str) -> WerkzeugResponse:
        """Lead to the model of a name, which is of one kind."""
        kind = library.kind_of(store(), name)
        return redirect(url_for("TrainedModelsPage.model", kind=kind, name=name))

    @expose("/<kind>/<name>")
    @requires(CAN_READ)
    def model(self, kind: str, name: str) -> str:
        """Show one model; its script asks the REST API for what changes."""
        if problem := library.is_damaged(store(), kind, name):
            common = _common(document.check_kind(kind))
            return self.page("models/damaged.html", title=name, name=name, problem=problem, **common)
        model = library.get(store(), kind, name)
        return self.page("models/model.html", title=model.name, model=model, **_common(model.kind))

    def _found(self, kind: str, search: str, number: int) -> library.Listing:
        return library.listed(store(), kind=kind, search=search, offset=(number - 1) * PART, limit=PART)


def _rows(models: Sequence[Summary]) -> list[Row]:
    asks = any(model.document.is_served for model in models)
    look = server.look() if asks else server.Look()
    return [Row(model, model.state(look)) for model in models]


def _common(kind: str) -> dict[str, Any]:
    rights = {
        word: allowed(g.user, Permission(action, MODELS))
        for word, action in (("create", CREATE), ("edit", EDIT), ("delete", DELETE))
    }
    return {
        "kind": kind,
        "kinds": KINDS,
        "suffixes": SUFFIXES.get(kind, ()),
        "badges": BADGES,
        "most_bytes": settings.max_upload_size(),
        "may_create": rights["create"],
        "may_edit": rights["edit"],
        "may_delete": rights["delete"],
        "rights": json.dumps(rights),
    }
