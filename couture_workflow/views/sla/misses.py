"""The page *Browse > SLA Misses*: tasks that had not succeeded in time, who was told, what people note."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote, urlencode

from flask import Response, g, jsonify, request, url_for

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import RUNS
from couture_workflow.services.sla import listing
from couture_workflow.services.sla.listing import Row, Wish
from couture_workflow.services.sla.misses import Notice
from couture_workflow.services.sla.notes import LONGEST
from couture_workflow.views.base import CouturePage, address_of, attachment, expose, requires, sent
from couture_workflow.web.sla import page as slas

#: What the form and the links of the page are made of; ``offset`` alone is left out by them.
_FILTERS = ("q", "dag_id", "notified", "documented", "since", "until")
_NAMES = {"sent": "sent", "not_sent": "not sent", "open": "not documented", "documented": "documented"}
#: How far a notice is -> look of its badge.
BADGES = {"sent": "badge-ok", "waiting": "badge-warn", "failed": "badge-error", "none": ""}


class SlaMissesPage(CouturePage):
    """The page and the calls that its script makes."""

    route_base = "/sla-misses"
    title = "SLA Misses"
    summary = "Tasks that had not succeeded when their SLA was due, who was told of it, and what came of it."
    icon = "clock"
    group = "Run"
    permission = RUNS

    @expose("/")
    @requires(RUNS)
    def index(self) -> str:
        """Show the misses that the address asks for; the newest if it asks for none."""
        problem, wish = "", Wish()
        try:
            wish = slas.wish_of(request.args)
        except InvalidError as error:
            problem = str(error)
        found = slas.page_for(g.user, wish)
        given = {name: value for name in _FILTERS if (value := request.args.get(name, "").strip())}
        may_note = {row.miss.dag_id: slas.may_note(g.user, row.miss.dag_id) for row in found.rows}
        return self.page(
            "sla/misses.html",
            rows=found.rows,
            problem=problem,
            cut=found.cut,
            most=listing.MOST,
            given=given,
            notified=listing.NOTIFIED,
            documented=listing.DOCUMENTED,
            names=_NAMES,
            badges=BADGES,
            told=_told,
            span=_span,
            task_path=_task_path,
            may_note=may_note,
            longest=LONGEST,
            newer=_address(given, offset=max(0, wish.offset - wish.limit)) if wish.offset else "",
            older=_address(given, offset=wish.offset + wish.limit) if found.more else "",
            csv=f"{url_for('SlaMissesPage.as_csv')}?{urlencode(given)}",
        )

    @expose("/csv")
    @requires(RUNS)
    def as_csv(self) -> Response:
        """Return the misses that the address asks for as CSV."""
        return attachment(slas.file_for(g.user, request.args).encode(), "text/csv", "sla-misses.csv")

    @expose("/note", methods=["POST"])
    @requires(RUNS)
    def note(self) -> Response:
        """Keep a note of a miss."""
        payload = sent()
        made = slas.note(
            g.user,
            str(payload.get("id", "")),
            text=payload.get("text"),
            done=payload.get("done"),
            base=payload.get("base"),
        )
        return jsonify(text=made.text, done=made.done, by=made.by, at=made.at.isoformat())


def _told(notice: Notice, what: str) -> str:
    """Say in words how somebody is told."""
    match notice.state:
        case "sent":
            return f"{what} sent" if what == "mail" else f"{what} done"
        case "waiting" if notice.error:
            return f"{what} not sent yet" if what == "mail" else f"{what} waits"
        case "waiting":
            return f"{what} is on its way"
        case "failed":
            return f"{what} failed"
        case _:
            return ""


def _span(seconds: float) -> str:
    """Return an SLA in words, such as ``1 d 2 h``."""
    left, parts = int(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts) or "0 s"


def _task_path(row: Row) -> str:
    """Return where Airflow shows the task of the run, below its own root."""
    parts = ("dags", row.miss.dag_id, "runs", row.miss.run_id, "tasks", row.task.task_id)
    return "/".join(quote(part, safe="") for part in parts)


_address = partial(address_of, "SlaMissesPage.index")
