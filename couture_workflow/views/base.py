"""What every page shares: its place in the hub and the menu, permission, template, what its script sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode

from flask import Response, g, request, url_for
from flask_appbuilder import BaseView
from flask_appbuilder import expose as fab_expose

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import AirflowPermission, Permission
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.security import allowed

__all__ = [
    "CouturePage",
    "accepts",
    "attachment",
    "expose",
    "message_of",
    "number_asked",
    "requires",
    "sent",
    "user_name",
]

View = TypeVar("View", bound=Callable[..., Any])

Default = TypeVar("Default", int, None)

_LONGEST_MESSAGE = 2000


def expose(url: str = "/", methods: Sequence[str] = ("GET",)) -> Callable[[View], View]:
    """Make a method of a page answer at an address below the page's ``route_base``."""
    decorate: Callable[[View], View] = fab_expose(url, methods)
    return decorate


def requires(permission: Permission | AirflowPermission) -> Callable[[View], View]:
    """Declare the permission of a view; ``web.flask_app`` refuses whoever lacks it, before the body is read.

    A view without it is refused to everybody. An ``AirflowPermission`` is asked for the DAG in the URL's
    ``dag_id``.
    """

    def declare(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return declare


def accepts(most_bytes: int, *, parts: int) -> Callable[[View], View]:
    """Let a view take more than the small texts of a form.

    :param most_bytes: of the request's body.
    :param parts: of a multipart body, beside a few for fields.
    """

    def declare(view: View) -> View:
        view.accepts = (most_bytes + 2**20, parts + 20)  # type: ignore[attr-defined]
        return view

    return declare


def number_asked(name: str, default: Default, *, least: int = 0) -> int | Default:
    """Return a number of the address, within what git and databases count with; else the default."""
    found = request.args.get(name, type=int)
    return default if found is None else min(max(found, least), LARGEST)


def address_of(endpoint: str, given: Mapping[str, Any], **news: Any) -> str:
    """Return the address of a page with what it was asked for and other values; an empty one is left out."""
    values = {name: value for name, value in {**given, **news}.items() if value}
    return url_for(endpoint) + (f"?{urlencode(values)}" if values else "")


def sent() -> dict[str, Any]:
    """Return the JSON object that the page's script sent."""
    payload = request.get_json(silent=True)
    if not isinstance(payload, dict):
        raise InvalidError("The page sent something that the server does not understand. Reload the page.")
    return payload


def message_of(payload: Mapping[str, Any]) -> str:
    """Return why something is saved, for the history; "" if nothing was typed."""
    return str(payload.get("message") or "").strip()[:_LONGEST_MESSAGE]


def user_name() -> str:
    """Return the name of the account, as it stands in the history."""
    return str(g.user.get_name())


def attachment(content: bytes | Iterable[bytes], kind: str, name: str) -> Response:
    """Return an answer that the browser saves as a file.

    :param kind: MIME type.
    :param name: name of the file; what no header can hold, a line break say, becomes ``_``.
    """
    answer = Response(content, mimetype=kind)
    plain = "".join(character if character.isprintable() else "_" for character in name)
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{percent_encode(plain, safe='')}"
    return answer


class CouturePage(BaseView):  # type: ignore[misc]
    """One page: one module, one template.

    ::

        class SparkConfigurationPage(CouturePage):
            route_base = "/spark-configuration"
            title = "Spark Configuration"
            summary = "Arguments and configurations of every Spark job."
            icon = "sliders"
            group = "Run"
            permission = Permission(READ, SPARK_CONFIGURATION)

            @expose("/")
            @requires(Permission(READ, SPARK_CONFIGURATION))
            def index(self) -> str:
                return self.page("spark/configuration.html", configuration=...)
    """

    default_view = "index"

    #: Heading of the page and of its card in the hub.
    title = ""
    #: One sentence for the card.
    summary = ""
    #: Name of a symbol in ``static/icons.svg``.
    icon = ""
    #: What people do on the page, one of ``views.GROUPS``: its heading in the hub.
    group = ""
    #: Who finds the page in the hub; None keeps it out of there.
    permission: Permission | AirflowPermission | None = None

    def page(self, template: str, **context: Any) -> str:
        """Render a template of ours.

        :param template: file name below ``templates/couture_workflow``.
        """
        context.setdefault("title", self.title)
        return str(self.render_template(f"couture_workflow/{template}", page=self, **context))

    @classmethod
    def offered(cls) -> bool:
        """Tell whether the hub offers this page to the account of the request."""
        return cls.permission is not None and allowed(g.user, cls.permission)
