"""The way to people's servers at a JupyterHub: by its own name, and to nothing of the hub itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from websockets.exceptions import InvalidStatus

import couture_workflow
from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter.client import HostedServers
from couture_workflow.services.jupyter.hub import HubServers
from couture_workflow.services.jupyter.servers import Person, certificates
from couture_workflow.web.jupyter import state
from couture_workflow.web.jupyter.people import has_hub
from tests.support import asynchronous
from tests.support.asgi import Served
from tests.web.jupyter.conftest import BADGE, Site, run_site
from tests.web.jupyter.test_jupyter_proxy import PAGE, client
from tests.web.jupyter.test_jupyter_sockets import socket

pytestmark = pytest.mark.slow

HUB = "AIRFLOW__COUTURE_WORKFLOW__JUPYTER_HUB_URL"
HERE = "https://public.example.org"


@pytest.fixture
def at_a_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let people's servers be at a hub."""
    monkeypatch.setenv(HUB, "https://hub.example.org")
    has_hub.cache_clear()
    yield
    has_hub.cache_clear()


@pytest.fixture(params=["first", "stripped"])
def hub_site(
    request: pytest.FixtureRequest, at_a_hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Run the proxy where people's servers are at a hub; only bob's has a port, as a hub's proxy has."""
    for site in run_site(request.param, tmp_path, monkeypatch):
        site.servers.by_name = True
        yield site


def test_a_server_is_asked_by_its_own_name_and_learns_no_other(hub_site: Site) -> None:
    headers = {"Origin": HERE, "Referer": f"{HERE}/jupyter/user/bob/lab", "Authorization": "token stolen"}

    told = client(hub_site, "bob").post("/jupyter/user/bob/api/kernels", headers=headers).json()

    sent = told["headers"]
    assert told["path"] == f"{hub_site.configured}/jupyter/user/bob/api/kernels"
    assert sent["host"] == hub_site.servers.addresses["bob"].removeprefix("http://")
    assert (sent[BADGE.lower()], sent["cookie"]) == ("this is bob", "_xsrf=x|1")
    assert not {"origin", "referer", "authorization"} & set(sent)


def test_so_is_a_websocket(hub_site: Site) -> None:
    with socket(hub_site, "/jupyter/user/bob/socket", account="bob", Origin=HERE) as opened:
        opened.send("grüße")
        assert opened.recv() == "grüße"

    (asked,) = hub_site.upstream.requests
    assert asked["path"] == f"{hub_site.configured}/jupyter/user/bob/socket"
    assert asked["headers"]["host"] == hub_site.servers.addresses["bob"].removeprefix("http://")
    assert (asked["headers"][BADGE.lower()], asked["headers"]["cookie"]) == ("this is bob", "_xsrf=x")
    assert "origin" not in asked["headers"]


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null"])
def test_a_foreign_page_neither_writes_nor_listens(hub_site: Site, origin: str) -> None:
    answer = client(hub_site, "bob").post("/jupyter/user/bob/api/kernels", headers={"Origin": origin})
    with pytest.raises(InvalidStatus) as refused:
        socket(hub_site, "/jupyter/user/bob/socket", account="bob", Origin=origin)

    assert (answer.status_code, refused.value.response.status_code) == (403, 403)
    assert hub_site.upstream.requests == []


def test_a_websocket_is_led_nowhere_else(hub_site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        socket(hub_site, "/jupyter/user/bob/elsewhere", account="bob")

    assert refused.value.response.status_code == 502
    assert hub_site.upstream.requests == []


@pytest.mark.parametrize(
    "path", ["/jupyter/user/ann/lab", "/jupyter/bob/lab", "/jupyter/user/", "/jupyter/user/bob"]
)
def test_nobody_gets_to_the_server_of_another_nor_to_an_address_of_before(hub_site: Site, path: str) -> None:
    assert client(hub_site, "bob").get(path).status_code == 403
    assert hub_site.upstream.requests == []


@pytest.mark.parametrize("below", ["home", "spawn", "spawn/bob", "spawn-pending/bob", "user/bob/lab?reset"])
def test_a_page_of_the_hub_that_starts_a_server_is_ours(hub_site: Site, below: str) -> None:
    answer = client(hub_site, "bob").get(f"/jupyter/hub/{below}", headers=PAGE)

    assert answer.status_code == 303
    assert answer.headers["location"] == (
        f"{hub_site.configured}/couture/jupyter-notebook/start?next=%2Fjupyter%2Fuser%2Fbob%2F"
    )


@pytest.mark.parametrize(
    "below", ["", "login", "api/users", "api/oauth2/authorize", "token", "admin", "userx"]
)
def test_other_pages_of_the_hub_are_not_shown(hub_site: Site, below: str) -> None:
    for headers in (PAGE, {}):
        answer = client(hub_site, "bob").get(f"/jupyter/hub/{below}", headers=headers)
        assert (answer.status_code, "not shown here" in answer.text) == (404, True)
    assert hub_site.upstream.requests == []


def self_signed(file: Path) -> Path:
    """Write a key and a certificate of this machine that its own key signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of tests")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kinds = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(key.private_bytes(*kinds) + made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("known", [True, False])
def test_a_hub_behind_https_must_be_whom_it_says_it_is(
    at_a_hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    certificate = self_signed(tmp_path / "own.pem")
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    certificates.cache_clear()
    for site in run_site("first", tmp_path, monkeypatch):
        with Served(site.upstream.app(), certificate=certificate) as served:
            site.servers.by_name = True
            address = site.servers.addresses["bob"] = f"https://127.0.0.1:{served.port}"
            servers = HubServers(address, "t", prefix="", path="/jupyter/")
            with pytest.raises(JupyterError) as error:
                asynchronous.run(servers.find(Person(number=2, name="bob")))
            answer = client(site, "bob").get("/jupyter/user/bob/lab")
            if known:
                with socket(site, "/jupyter/user/bob/socket", account="bob") as opened:
                    opened.send("x")
                    assert opened.recv() == "x"
            else:
                with pytest.raises(InvalidStatus) as refused:
                    socket(site, "/jupyter/user/bob/socket", account="bob")
                assert refused.value.response.status_code == 503
    certificates.cache_clear()

    assert answer.status_code == (200 if known else 503)
    assert ("certificate verify failed" in str(error.value)) is not known
    assert ("the role of its service lacks" in str(error.value)) is known


def test_who_may_not_use_jupyterlab_sees_no_page_of_the_hub(hub_site: Site) -> None:
    assert client(hub_site, "eve").get("/jupyter/hub/home", headers=PAGE).status_code == 403
    assert client(hub_site, "nobody").get("/jupyter/hub/api/users").status_code == 401


@pytest.mark.parametrize(
    ("base", "root"),
    [
        ("https://a.example.org/jupyter/ann/", "https://a.example.org/"),
        ("https://a.example.org/airflow/jupyter/bob.d9eb5dbc0a/", "https://a.example.org/airflow/"),
        ("https://a.example.org/airflow/jupyter/user/ann/", "https://a.example.org/airflow/"),
        ("https://a.example.org/jupyter/user/", "https://a.example.org/"),
        ("https://a.example.org/jupyter/user/jupyter/user/ann/", "https://a.example.org/jupyter/user/"),
    ],
)
def test_schedule_finds_airflows_own_address_from_that_of_jupyterlab(base: str, root: str) -> None:
    script = (
        Path(couture_workflow.__file__).parent / "runtimes/lab/extensions/couture-lab/static/remoteEntry.js"
    )
    found = re.search(r'getBaseUrl\(\)\.replace\(/(.+)/, ""\)', script.read_text())

    assert found is not None
    assert re.sub(found[1].replace("\\/", "/"), "", base) == root


def test_without_the_option_people_have_their_servers_here() -> None:
    assert isinstance(state.servers.__wrapped__(), HostedServers)


def test_with_the_option_they_have_them_at_the_hub(at_a_hub: None) -> None:
    assert isinstance(state.servers.__wrapped__(), HubServers)
