"""The output of a notebook's run for a frame of our pages, which no script of an output can leave.

What cells have shown is HTML and script of others. It is served for frames alone, as a document of no origin
and without a network; whoever opens its address in a tab is led to the page around the frame.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from couture_workflow.api.auth import User, requires
from couture_workflow.api.runs.outputs import MapIndex
from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.notebooks import opening, outputs
from couture_workflow.services.runs.records import RunKey
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.paths import PAGES
from couture_workflow.web.runs import frames
from couture_workflow.web.state import store

router = APIRouter()

#: Scripts run, for charts; but they have no origin, so no cookie and no API, and no requests.
#: What reaches out, as nbconvert's pages do for MathJax, is refused at once and not waited for.
SANDBOX = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; media-src data: blob:; connect-src 'none'; frame-src 'none'; worker-src 'none'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; webrtc 'block'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=(), clipboard-write=()",
}


@router.get("/{dag_id}/{run_id}/{task_id}/frame", include_in_schema=False)
def frame(
    request: Request,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: MapIndex = -1,
    try_number: Annotated[int, Query(ge=1, le=LARGEST)] = 1,
    code: str = "1",
    ticket: str = "",
    user: User = requires(RUN_DETAILS),  # noqa: B008
) -> Response:
    """Return the output with its code or, for ``code=0``, without it."""
    key = RunKey(dag_id, run_id, task_id, map_index, try_number)
    if not frames.is_framed(request.headers, ticket, user, key):
        ids = "/".join(quote(part, safe="") for part in (dag_id, run_id, task_id))
        query = urlencode({"map_index": map_index, "try_number": try_number, "code": code})
        return RedirectResponse(f"../../../../..{PAGES}/runs/{ids}/output?{query}", status_code=302)
    file = opening.opened(store(), key, outputs.HTML_WITHOUT_CODE if code == "0" else outputs.HTML)
    length = opening.size(file)
    headers = {**SANDBOX, "Content-Length": str(length)}
    return StreamingResponse(opening.pieces(file, length), media_type="text/html", headers=headers)
