"""The page *Import/Export*: archives out, and archives in after a look at what they would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, g, jsonify

from couture_workflow import settings
from couture_workflow.permissions import EDIT, IMPORT_EXPORT, READ, SAVE_GATE, Permission
from couture_workflow.services.archives import import_export as service
from couture_workflow.views.base import CouturePage, expose, message_of, requires, sent
from couture_workflow.web.archives import import_export as account_archives
from couture_workflow.web.archives.import_export import EXPORTS, IMPORTS, Choices
from couture_workflow.web.errors import describe
from couture_workflow.web.paths import APIS
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

CAN_READ = Permission(READ, IMPORT_EXPORT)

#: Noun -> what it is called and what is in it.
LABELS = {
    "dags": ("DAGs", "Every file of the DAG repository, as it is now."),
    "configs": (
        "Configurations",
        "Spark configuration, Hadoop files, krb5.conf and code bricks. Secrets and keytabs stay here.",
    ),
    "dependencies": ("Dependencies", "Spark dependencies and code artifacts, the current version of each."),
}


class ImportExportPage(CouturePage):
    """The page and the calls that its script makes; the archive itself goes through the REST API."""

    route_base = "/import-export"
    title = "Import/Export"
    summary = "Take DAGs, configurations and dependencies out as an archive, or bring one in."
    icon = "upload"
    group = "Administer"
    permission = CAN_READ

    @expose("/")
    @requires(CAN_READ)
    def index(self) -> str:
        """Show what can be exported, and the form of an import."""

        def readable(resource: str) -> bool:
            return allowed(g.user, Permission(READ, resource))

        nouns = [
            {
                "noun": noun,
                "label": label,
                "text": text,
                "address": APIS[noun].removeprefix("/api"),
                "holdings": service.holdings(store(), service.check_noun(noun), readable=readable),
                "may_export": allowed(g.user, EXPORTS[service.check_noun(noun)]),
                "may_import": allowed(g.user, IMPORTS[service.check_noun(noun)]),
            }
            for noun, (label, text) in LABELS.items()
        ]
        return self.page(
            "archives/import_export.html",
            nouns=nouns,
            most_bytes=settings.max_upload_size(),
            may_override=allowed(g.user, Permission(EDIT, SAVE_GATE)),
        )

    @expose("/plan", methods=["POST"])
    @requires(CAN_READ)
    def plan(self) -> Response:
        """Return what the import of an archive that was sent would do."""
        payload = sent()
        return jsonify(
            account_archives.plan_kept(_text(payload, "kept"), _choices(payload), g.user).plan.json()
        )

    @expose("/import", methods=["POST"])
    @requires(CAN_READ)
    def apply(self) -> tuple[Response, int]:
        """Import an archive that was sent, if that still does what was shown."""
        payload = sent()
        done = account_archives.import_kept(
            _text(payload, "kept"), _choices(payload), _text(payload, "token"), g.user
        )
        if done.error is None:
            return jsonify({**done.plan.json(), "applied": True, "commit": done.commit}), 200
        report = describe(done.error)
        return jsonify({**report.json(), "plan": done.plan.json()}), report.status

    @expose("/drop", methods=["POST"])
    @requires(CAN_READ)
    def drop(self) -> Response:
        """Remove an archive that was sent."""
        account_archives.drop_kept(_text(sent(), "kept"), g.user)
        return jsonify({})


def _text(payload: Mapping[str, Any], name: str) -> str:
    return str(payload.get(name) or "")


def _choices(payload: Mapping[str, Any]) -> Choices:
    return Choices(
        on_conflict=service.check_choice(_text(payload, "on_conflict") or "replace"),
        override=payload.get("override") is True,
        upgrade=payload.get("upgrade") is True,
        message=message_of(payload),
    )
