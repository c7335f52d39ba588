"""Every route of pages and REST API, called as every role: who gets in is what ``permissions.py`` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from couture_workflow import permissions
from couture_workflow.web.paths import APIS, PAGES
from tests.support.api_server import ACCOUNTS, ApiServer

ROLES = tuple(ACCOUNTS.values())

#: What each role may do, in words: a change of ``permissions.py`` must be repeated here.
EXPECTED: dict[str, set[str]] = {
    "can read on Spark Configuration": {"Admin", "Developer"},
    "can edit on Spark Configuration": {"Admin"},
    "can read on Spark Dependencies": {"Admin", "Developer"},
    "can create on Spark Dependencies": {"Admin", "Developer"},
    "can edit on Spark Dependencies": {"Admin"},
    "can delete on Spark Dependencies": {"Admin"},
    "can read on Code Artifacts": {"Admin", "Developer"},
    "can create on Code Artifacts": {"Admin", "Developer"},
    "can edit on Code Artifacts": {"Admin", "Developer"},
    "can delete on Code Artifacts": {"Admin", "Developer"},
    "can read on Developer Hub": {"Admin", "Developer"},
    "can read on DAG Files": {"Admin", "Developer"},
    "can create on DAG Files": {"Admin", "Developer"},
    "can edit on DAG Files": {"Admin", "Developer"},
    "can delete on DAG Files": {"Admin", "Developer"},
    "can create on DAG Imports": {"Admin", "Developer", "Deployer"},
    "can edit on Save Gate": {"Admin"},
    "can read on Code Bricks": {"Admin", "Developer"},
    "can create on Code Bricks": {"Admin", "Developer"},
    "can edit on Code Bricks": {"Admin", "Developer"},
    "can delete on Code Bricks": {"Admin", "Developer"},
    "can read on Notebook Schedules": {"Admin", "Developer"},
    "can create on Notebook Schedules": {"Admin", "Developer"},
    "can edit on Notebook Schedules": {"Admin", "Developer"},
    "can delete on Notebook Schedules": {"Admin", "Developer"},
    "can read on Exploratory Data Analysis": {"Admin", "Developer"},
    "can create on Exploratory Data Analysis": {"Admin", "Developer"},
    "can edit on Exploratory Data Analysis": {"Admin", "Developer"},
    "can delete on Exploratory Data Analysis": {"Admin", "Developer"},
    "can read on Trained Models": {"Admin", "Developer"},
    "can create on Trained Models": {"Admin", "Developer"},
    "can edit on Trained Models": {"Admin", "Developer"},
    "can delete on Trained Models": {"Admin", "Developer"},
    "can read on DAG Repository": {"Admin"},
    "can edit on DAG Repository": {"Admin"},
    "can read on Import and Export": {"Admin"},
    "can read on LDAP Configuration": {"Admin"},
    "can edit on LDAP Configuration": {"Admin"},
    "can read on Jupyter": {"Admin", "Developer"},
    "can edit on Jupyter": {"Admin"},
    "can read on Hadoop Configuration": {"Admin"},
    "can edit on Hadoop Configuration": {"Admin"},
    "can read on Kerberos Configuration": {"Admin"},
    "can edit on Kerberos Configuration": {"Admin"},
    "can read on Mail": {"Admin"},
    "can edit on Mail": {"Admin"},
    "knows the secret of the web hook": set(),
    "can read on the DAG's task instance": {"Admin", "Developer", "User", "Op", "Viewer"},
    "can read on a DAG's task instance": {"Admin", "Developer", "User", "Op", "Viewer"},
}

#: What also asks for a right of Airflow's own, such as to read the connection at hand -> who has that.
ASKS_AIRFLOW = {"GET /api/eda/connections/x/tables": {"Admin"}}

#: The tabs on Airflow's pages of a DAG, a run, a task and a task instance; the page asks for the DAG.
ZOOM = ("Zoom",) * 4
EDIT = "Edit"

#: Role -> names of the menu entries, None where Airflow's list of plugins is refused altogether.
MENU: dict[str, list[str] | None] = {
    "Admin": [
        "Developer",
        "Spark Configuration",
        "Spark Dependencies",
        "Manage DAGs",
        "DAG Repository",
        "Hadoop Configuration",
        "Kerberos Configuration",
        "Import/Export",
        "Code Bricks",
        "Code Artifacts",
        "Jupyter Notebook",
        "Jupyter Servers",
        "Notebook Schedules",
        "Exploratory Data Analysis",
        "Trained Models",
        "LDAP Configuration",
        "Mail",
        "SLA Misses",
        EDIT,
        *ZOOM,
    ],
    "Developer": [
        "Developer",
        "Spark Configuration",
        "Spark Dependencies",
        "Manage DAGs",
        "Code Bricks",
        "Code Artifacts",
        "Jupyter Notebook",
        "Notebook Schedules",
        "Exploratory Data Analysis",
        "Trained Models",
        "SLA Misses",
        EDIT,
        *ZOOM,
    ],
    "Op": ["Spark Jobs and Notebooks", "SLA Misses", *ZOOM],
    "User": None,
    "Viewer": None,
    "Public": None,
    "Deployer": None,
}


@dataclass(frozen=True)
class Route:
    """One method at one address, and the permission that it declares."""

    method: str
    path: str
    permission: permissions.Permission | permissions.AirflowPermission | permissions.SharedSecret | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def page_routes() -> Iterator[Route]:
    from couture_workflow.views import PAGES as pages
    from couture_workflow.web.flask_app import make_flask_app

    app = make_flask_app(pages)
    for rule in app.url_map.iter_rules():
        permission = getattr(app.view_functions[rule.endpoint], "permission", None)
        values = {name: 1 if name in ("number", "version") else "x" for name in rule.arguments}
        with app.test_request_context():
            path = app.url_for(rule.endpoint, **{**(rule.defaults or {}), **values})
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(method, PAGES + path, permission)


def api_routes() -> Iterator[Route]:
    from couture_workflow.api.app import api_apps
    from couture_workflow.api.auth import declared

    for noun, app in api_apps().items():
        for route in app.routes:
            path: Any = route.path
            for name, convertor in route.param_convertors.items():
                value = "1" if name in ("number", "version") else "x"
                path = path.replace(f"{{{name}:{_convertor(convertor)}}}", value).replace(
                    f"{{{name}}}", value
                )
            for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
                yield Route(method, APIS[noun] + path, declared(route))


def _convertor(convertor: Any) -> str:
    return type(convertor).__name__.removesuffix("Convertor").lower()


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    return [*page_routes(), *api_routes()]


@pytest.fixture(scope="module")
def clients(api_server: ApiServer) -> dict[str, httpx.Client]:
    clients = {role: api_server.client(account) for account, role in ACCOUNTS.items()}
    return {**clients, "anonymous": api_server.client()}


def call(client: httpx.Client, route: Route) -> int:
    """Call without a body: whoever gets in changes nothing, but is not refused either."""
    headers = {"X-Requested-With": "tests", "Accept": "application/json"}
    return client.request(route.method, route.path, headers=headers).status_code


def test_table_of_expected_rights_is_complete() -> None:
    ours = {str(permission) for granted in permissions.ROLES.values() for permission in granted}

    airflows = {str(permissions.RUN_DETAILS), str(permissions.RUNS)}
    assert set(EXPECTED) == ours | airflows | {str(permissions.HOOK)}


def test_roles_are_seeded_as_expected(api_server: ApiServer) -> None:
    rows = api_server.sql(
        "select r.name, p.name, v.name from ab_role r join ab_permission_view_role pvr on pvr.role_id = r.id "
        "join ab_permission_view pv on pv.id = pvr.permission_view_id join ab_permission p on "
        "p.id = pv.permission_id join ab_view_menu v on v.id = pv.view_menu_id "
        "where r.name not in (select username from ab_user)"  # other tests' (``ApiServer.add_account``)
    )
    seeded: dict[str, set[str]] = {name: set() for name in EXPECTED}
    for role, action, resource in rows:
        if (name := f"{action.replace('_', ' ')} on {resource}") in seeded:
            seeded[name].add(role)

    for airflows in (permissions.RUN_DETAILS, permissions.RUNS):
        del seeded[str(airflows)]
    assert seeded == {name: roles for name, roles in EXPECTED.items() if name in seeded}


def test_every_route_declares_a_permission(routes: list[Route]) -> None:
    assert [str(route) for route in routes if route.permission is None] == []
    assert routes


@pytest.mark.slow
def test_every_role_gets_in_where_it_may_and_nowhere_else(
    routes: list[Route], clients: dict[str, httpx.Client]
) -> None:
    wrong = []
    for route in routes:
        for role, client in clients.items():
            status = call(client, route)
            may = role in ASKS_AIRFLOW.get(str(route), EXPECTED[str(route.permission)])
            refused = 401 if role == "anonymous" or route.permission == permissions.HOOK else 403
            if (status in (401, 403)) if may else (status != refused):
                wrong.append(f"{route} as {role}: {status}, expected {'to get in' if may else refused}")

    assert wrong == []


@pytest.mark.slow
def test_no_call_of_somebody_who_may_ends_in_a_server_error(
    routes: list[Route], clients: dict[str, httpx.Client]
) -> None:
    # The service that has people's Jupyter servers is not there.
    own = {str(route) for route in routes if route.path == "/api/notebooks/servers/mine"}
    found = {str(route): call(clients["Admin"], route) for route in routes}

    assert {route for route, status in found.items() if status >= 500} == own
    assert {found[route] for route in own} == {503}


@pytest.mark.parametrize("role", [*ROLES, "anonymous"])
def test_jupyterlab_is_for_those_who_may(role: str, clients: dict[str, httpx.Client]) -> None:
    may = role in EXPECTED["can read on Jupyter"]
    refused = 401 if role == "anonymous" else 403

    answer = clients[role].get("/jupyter/", headers={"Accept": "application/json"})

    assert answer.status_code == (303 if may else refused)


#: A server is stopped: nothing is deleted. A configuration is edited as a whole, its parts with it.
WITHOUT_DELETION = {
    permissions.JUPYTER,
    permissions.HADOOP_CONFIGURATION,
    permissions.KERBEROS_CONFIGURATION,
    permissions.LDAP_CONFIGURATION,
}


def test_reading_and_writing_differ(routes: list[Route]) -> None:
    wrong = [
        f"{route} asks for {route.permission}"
        for route in routes
        if isinstance(route.permission, permissions.Permission)
        and (route.method == "DELETE" and route.permission.action != permissions.DELETE)
        and route.permission.resource not in WITHOUT_DELETION
    ]

    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_menu_holds_what_the_role_may_open(role: str, clients: dict[str, httpx.Client]) -> None:
    answer = clients[role].get("/api/v2/plugins")

    if MENU[role] is None:
        assert answer.status_code == 403
        return
    (plugin,) = [item for item in answer.json()["plugins"] if item["name"] == "couture_workflow"]
    assert [entry["name"] for entry in plugin["external_views"]] == MENU[role]


def test_one_entry_of_the_menu_leads_to_every_page_and_each_keeps_its_address() -> None:
    """What is for administrators is in Airflow's own menu *Admin*, too."""
    from couture_workflow.plugin import CouturePlugin
    from couture_workflow.views import PAGES as pages
    from couture_workflow.web.paths import NAV_OUTSIDE_HUB, NAV_READS_RUNS

    entries = CouturePlugin().external_views
    menu = [(entry["href"], entry["couture_resource"]) for entry in entries if entry["destination"] == "nav"]
    framed = {entry["href"]: entry["couture_resource"] for entry in entries if entry["destination"] == "base"}

    assert menu == [
        ("couture/developer/", permissions.DEVELOPER_HUB),
        ("couture/hadoop-configuration/", permissions.HADOOP_CONFIGURATION),
        ("couture/kerberos-configuration/", permissions.KERBEROS_CONFIGURATION),
        ("couture/ldap-configuration/", permissions.LDAP_CONFIGURATION),
        ("couture/mail/", permissions.MAIL),
        ("couture/runs/", NAV_OUTSIDE_HUB),
        ("couture/sla-misses/", NAV_READS_RUNS),
    ]
    assert {entry["name"] for entry in entries if entry.get("category") == "admin"} == {
        permissions.HADOOP_CONFIGURATION,
        permissions.KERBEROS_CONFIGURATION,
        permissions.LDAP_CONFIGURATION,
        permissions.MAIL,
    }
    assert framed | dict(menu[1:-2]) == {
        f"couture{page.route_base}/": page.permission.resource
        for page in pages
        if isinstance(page.permission, permissions.Permission)
    }


def test_every_card_of_the_hub_is_in_a_group_and_has_an_icon() -> None:
    from couture_workflow.views import GROUPS
    from couture_workflow.views import PAGES as pages
    from couture_workflow.web.assets import FOLDER

    icons = (FOLDER / "icons.svg").read_text()
    offered = [page for page in pages if page.permission is not None]

    assert {page.title for page in offered if page.group not in GROUPS} == set()
    assert {page.title for page in offered if f'id="{page.icon}"' not in icons} == set()
    assert len({page.icon for page in offered}) == len(offered)


def test_tabs_on_airflows_pages_lead_to_pages(routes: list[Route], clients: dict[str, httpx.Client]) -> None:
    from couture_workflow.plugin import CouturePlugin

    filled = {"DAG_ID": "x", "RUN_ID": "r", "TASK_ID": "t", "MAP_INDEX": "-1"}
    entries = CouturePlugin().external_views
    tabs = [entry["href"] for entry in entries if entry["destination"] not in ("nav", "base")]
    pages = {route.path for route in routes if route.method == "GET"}

    assert len(tabs) == len((EDIT, *ZOOM))
    for tab in tabs:
        address = f"/{tab.format(**filled)}"
        assert address.partition("?")[0] in pages
        # Past the permission: it is the DAG that does not exist.
        assert clients["Admin"].get(address).status_code == 404


def test_hub_shows_cards_for_what_the_role_may_use(clients: dict[str, httpx.Client]) -> None:
    from couture_workflow.views import PAGES as pages

    offered = {page.title: str(page.permission) for page in pages if page.permission is not None}

    for role in ("Admin", "Developer"):
        html = clients[role].get(f"{PAGES}/developer/").text
        shown = {title for title in offered if f">{title}</a>" in html}
        assert shown == {title for title, permission in offered.items() if role in EXPECTED[permission]}
