"""The page of one source: its settings, a preview, who uses it; and its runs, which have their own part."""

from __future__ import annotations

from flask import g, request

from couture_workflow.permissions import EDA, READ, Permission
from couture_workflow.services.eda import sources
from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.views.eda.form import form_context
from couture_workflow.web.eda.outputs import panel
from couture_workflow.web.state import store

CAN_READ = Permission(READ, EDA)


class EdaSourcePage(CouturePage):
    """One source."""

    route_base = "/exploratory-data-analysis/source"
    title = "Data Source"

    @expose("/<name>")
    @requires(CAN_READ)
    def index(self, name: str) -> str:
        """Show a source; ``?restore=<version>`` puts an earlier one into the form."""
        source, commit = sources.read(store(), name)
        restored = request.args.get("restore", "")
        shown = sources.get(store(), name, commit=restored) if restored else source
        return self.page(
            "eda/source.html",
            title=name,
            is_new=False,
            restored=bool(restored),
            runs=panel(g.user, name),
            **form_context(shown, base=commit, user=g.user),
        )
