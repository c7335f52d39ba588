"""The page *Spark Jobs and Notebooks*: the runs of all DAGs, with the way to the details of each."""

from __future__ import annotations

from functools import partial

from flask import g, request

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import RUNS
from couture_workflow.services.runs import listing
from couture_workflow.services.runs.listing import Listed, Sort, Wish
from couture_workflow.views.base import CouturePage, address_of, expose, requires, user_name
from couture_workflow.views.runs.addresses import compare_url, key_text, key_url
from couture_workflow.views.runs.details import BADGES, seconds
from couture_workflow.web.runs import listing as runs

#: What the form and the links of the page are made of; ``offset`` alone is left out by them.
_FILTERS = (
    "q",
    "state",
    "kind",
    "user",
    "dag_id",
    "since",
    "until",
    "at_least",
    "at_most",
    "sort",
    "order",
)
STATE_NAMES = {"lost": "ended, not recorded"}
KIND_NAMES = {"spark": "Spark job", "notebook": "Notebook"}


class RunListPage(CouturePage):
    """The page."""

    route_base = "/runs"
    title = "Spark Jobs and Notebooks"
    summary = (
        "What ran and what is running, in all DAGs: find a job by user, state or duration, and its details."
    )
    icon = "runs"
    group = "Run"
    permission = RUNS

    @expose("/")
    @requires(RUNS)
    def index(self) -> str:
        """Show the runs that the address asks for; the newest if it asks for none."""
        problem, wish = "", Wish()
        try:
            wish = runs.wish_of(request.args)
        except InvalidError as error:
            problem = str(error)
        found = runs.page_for(g.user, wish)
        given = {name: value for name in _FILTERS if (value := request.args.get(name, "").strip())}
        me = user_name()
        return self.page(
            "runs/runs.html",
            runs=found.runs,
            problem=problem,
            cut=listing.MOST if found.cut else 0,
            given=given,
            filtered=bool(given.keys() - {"sort", "order"}) or bool(problem),
            states=listing.STATES,
            kinds=listing.KINDS,
            state_names=STATE_NAMES,
            kind_names=KIND_NAMES,
            badges={**BADGES, "lost": "badge-warn"},
            mine=_address(given, user="" if given.get("user") == me else me),
            is_mine=given.get("user") == me,
            sorted_by=lambda sort: _order(given, wish, sort),
            newer=_address(given, offset=max(0, wish.offset - wish.limit)) if wish.offset else "",
            older=_address(given, offset=wish.offset + wish.limit) if found.more else "",
            place=f"From {wish.offset + 1:,} on" if wish.offset else "",
            run_url=_run_url,
            run_text=_run_text,
            compare_url=compare_url(),
            seconds=seconds,
        )


def _run_url(run: Listed) -> str:
    return key_url(run.key)


def _run_text(run: Listed) -> str:
    return key_text(run.key)


_address = partial(address_of, "RunListPage.index")


def _order(given: dict[str, str], wish: Wish, sort: Sort) -> dict[str, str]:
    """Return what the head of a column needs: the order of now, and the address that sorts by it."""
    is_now = wish.sort == sort
    first = "desc" if sort in ("started", "duration") else "asc"
    now = "desc" if wish.descending else "asc"
    other = {"asc": "desc", "desc": "asc"}[now]
    order = {"asc": "ascending", "desc": "descending"}[now] if is_now else ""
    return {"order": order, "href": _address(given, sort=sort, order=other if is_now else first)}
