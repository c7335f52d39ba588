"""The page of one report: what it is of, its downloads, the report in a frame that no script can leave."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from flask import g

from couture_workflow.permissions import EDA, READ, Permission
from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.web.eda import outputs as web_outputs
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.runs import frames

CAN_READ = Permission(READ, EDA)


class EdaReportPage(CouturePage):
    """The page."""

    route_base = "/exploratory-data-analysis/report"
    title = "Report"
    default_view = "report"

    @expose("/<name>/<int:number>")
    @requires(CAN_READ)
    def report(self, name: str, number: int) -> str:
        """Show the report of an output, or how its run ended."""
        output = web_outputs.get(name, min(number, LARGEST))
        place = f"/eda/outputs/{quote(name, safe='')}/{output.number}"
        context: dict[str, Any] = {
            "title": f"{name}, output {output.number}",
            "output": output,
            "place": place,
            "frame": _frame(name, output.number, place) if output.has_report else "",
        }
        return self.page("eda/report.html", **context)


def _frame(name: str, number: int, place: str) -> str:
    """Return the path for the frame below the root of the REST API; good for this account alone."""
    ticket = frames.ticket(g.user, web_outputs.frame_key(name, number))
    return f"{place}/frame?{urlencode({'ticket': ticket})}"
