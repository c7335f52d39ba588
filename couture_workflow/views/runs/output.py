"""The output of a notebook's run as a page, in a frame that no script of an output can leave.

What cells have shown is HTML and script of others. It is served for frames alone, as a document of no origin
and without a network; whoever opens its address in a tab is led to the page around the frame.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from flask import Response, current_app, g, redirect, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.notebooks import opening, outputs
from couture_workflow.services.runs.records import RunKey
from couture_workflow.views.base import CouturePage, expose, number_asked, requires
from couture_workflow.views.runs.addresses import key_url
from couture_workflow.web.state import store

#: Scripts run, for charts; but they have no origin, so no cookie and no API, and no way to send anything.
#: What reaches out, as nbconvert's pages do for MathJax, is refused at once and not waited for.
_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; media-src data: blob:; connect-src 'none'; frame-src 'none'; worker-src 'none'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=(), clipboard-write=()",
}


class RunOutputPage(CouturePage):
    """The page around the frame, and what is in the frame."""

    route_base = "/runs"
    title = "Run output"
    default_view = "output"

    @expose("/<dag_id>/<run_id>/<task_id>/output")
    @requires(RUN_DETAILS)
    def output(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Show the output of a try; ``code=0`` without the code."""
        key, code = _asked(dag_id, run_id, task_id)
        opening.opened(store(), key, _name(code=code)).close()
        return self.page(
            "runs/run_output.html",
            title=f"Output of {task_id} in {dag_id}",
            key=key,
            code=code,
            frame=frame_url(key, code=code),
            run_url=key_url(key),
        )

    @expose("/<dag_id>/<run_id>/<task_id>/frame")
    @requires(RUN_DETAILS)
    def frame(self, dag_id: str, run_id: str, task_id: str) -> WerkzeugResponse:
        """Return the output itself, for the frame of one of our pages."""
        key, code = _asked(dag_id, run_id, task_id)
        if not _is_framed(key):
            return redirect(output_url(key, code=code))
        file = opening.opened(store(), key, _name(code=code))
        length = opening.size(file)
        answer = Response(opening.pieces(file, length), mimetype="text/html", headers=_HEADERS)
        answer.call_on_close(file.close)
        return answer


def output_url(key: RunKey, *, code: bool) -> str:
    """Return the address of the page around the frame."""
    return url_for("RunOutputPage.output", **_address(key, code=code))


def frame_url(key: RunKey, *, code: bool) -> str:
    """Return the address for the frame of one of our pages, good for the account of this request alone."""
    return url_for("RunOutputPage.frame", **_address(key, code=code), ticket=_ticket(key))


def _address(key: RunKey, *, code: bool) -> dict[str, Any]:
    return {
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "task_id": key.task_id,
        "map_index": key.map_index,
        "try_number": key.try_number,
        "code": int(code),
    }


def _asked(dag_id: str, run_id: str, task_id: str) -> tuple[RunKey, bool]:
    map_index, try_number = number_asked("map_index", -1, least=-1), number_asked("try_number", 1, least=1)
    return RunKey(dag_id, run_id, task_id, map_index, try_number), request.args.get("code") != "0"


def _name(*, code: bool) -> str:
    return outputs.HTML if code else outputs.HTML_WITHOUT_CODE


def _is_framed(key: RunKey) -> bool:
    """Tell whether the answer goes into a frame of ours.

    Browsers say so, but not to plain HTTP of another machine; then the address has to be one that we gave.
    """
    if destination := request.headers.get("Sec-Fetch-Dest"):
        return destination == "iframe"
    return hmac.compare_digest(request.args.get("ticket", "").encode(), _ticket(key).encode())


def _ticket(key: RunKey) -> str:
    secret = str(current_app.config["SECRET_KEY"]).encode()
    said = repr((g.user.get_id(), key)).encode(errors="replace")
    return hmac.new(secret, b"frame|" + said, hashlib.sha256).hexdigest()[:32]
