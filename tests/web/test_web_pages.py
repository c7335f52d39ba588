"""Pages as the browser gets them: headers, errors, static files, address prefix, two workers, audit rows."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from tests.support.api_server import ApiServer

HUB = "/couture/developer/"


def csrf_token(page: str) -> str:
    found = re.search(r'<meta name="csrf-token" content="([^"]+)"', page)
    assert found
    return found.group(1)


def test_pages_may_run_no_foreign_and_no_inline_code(api_server: ApiServer) -> None:
    answer = api_server.client("dev").get(HUB)

    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'self'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'self'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)


def test_cookie_of_our_own_authenticates_nobody(api_server: ApiServer) -> None:
    person = api_server.client("dev")
    header = person.get(HUB).headers["set-cookie"]

    assert all(part in header for part in ("couture=", "HttpOnly", "SameSite=Lax", "Path=/airflow/couture"))
    person.cookies.delete("_token")
    assert "couture" in person.cookies
    assert person.get(HUB).status_code == 401


@pytest.mark.parametrize(
    ("account", "path", "status", "code"),
    [
        pytest.param(None, HUB, 401, "not_authenticated", id="anonymous"),
        pytest.param("viewer", HUB, 403, "not_allowed", id="not allowed"),
        pytest.param("dev", "/couture/a'b\"<&>ü", 404, "not_found", id="no such page"),
        pytest.param(None, "/couture/no-such-page", 401, "not_authenticated", id="anonymous, no such page"),
    ],
)
def test_refusal_is_a_page_for_people_and_json_for_programs(
    account: str | None, path: str, status: int, code: str, api_server: ApiServer
) -> None:
    client = api_server.client(account)

    page = client.get(path, headers={"Accept": "text/html"})
    data = client.get(path, headers={"Accept": "application/json"})

    assert (page.status_code, data.status_code) == (status, status)
    assert page.headers["content-type"].startswith("text/html")
    assert f'<p class="error-status">{status}</p>' in page.text
    assert data.json()["error"] == code
    assert data.json()["detail"]
    assert ('id="login"' in page.text) == (status == 401)


def test_body_that_is_too_large_is_refused(api_server: ApiServer) -> None:
    person = api_server.client("admin")
    token = csrf_token(person.get(HUB).text)

    answer = person.post(
        "/couture/spark-configuration/no-such-page",
        headers={"X-CSRFToken": token, "Accept": "application/json"},
        data={"text": "x" * (9 * 2**20)},
    )

    assert answer.status_code in (404, 413)


def test_static_files_need_no_log_in_and_may_be_kept(api_server: ApiServer) -> None:
    page = api_server.client("dev").get(HUB).text
    (address,) = re.findall(r'href="(/airflow/couture/assets/\w+/common/app.css)"', page)

    kept = httpx.get(api_server.root + address)
    other = httpx.get(api_server.root + re.sub(r"assets/\w+/", "assets/", address))
    missing = httpx.get(api_server.root + re.sub(r"app.css", "../../plugin.py", address))

    assert (kept.status_code, other.status_code, missing.status_code) == (200, 200, 404)
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert other.headers["cache-control"] == "public, max-age=300"
    assert kept.headers["content-type"].startswith("text/css")
    assert kept.headers["content-encoding"] == "gzip"


def test_every_static_file_that_a_page_names_exists(api_server: ApiServer) -> None:
    page = api_server.client("admin").get(HUB).text

    addresses = set(re.findall(r'(?:src|href)="([^"#]*/assets/[^"#]+)', page))

    assert len(addresses) >= 4
    assert {httpx.get(api_server.root + address).status_code for address in addresses} == {200}


def test_addresses_keep_the_prefix_of_the_base_url(api_server: ApiServer) -> None:
    person = api_server.client("dev")

    html = person.get(HUB).text
    redirect = person.get("/couture/developer")

    local = re.findall(r'(?:src|href|action)="(/[^"]*)"', html)
    assert [address for address in local if not address.startswith("/airflow/")] == []
    assert redirect.status_code == 308
    assert redirect.headers["location"].removeprefix(api_server.root) == "/airflow/couture/developer/"


def test_two_workers_share_sessions_and_tokens(api_server: ApiServer) -> None:
    person = api_server.client("admin")
    path = "/couture/spark-configuration/no-such-page"
    codes = []
    for _ in range(12):  # a fresh connection each, so either worker may get it
        with api_server.client() as fresh:
            fresh.cookies = person.cookies
            token = csrf_token(fresh.get(HUB).text)
            person.cookies = fresh.cookies
        with api_server.client() as fresh:
            fresh.cookies = person.cookies
            codes.append(fresh.post(path, headers={"X-CSRFToken": token}).status_code)

    assert codes == [404] * 12


def test_audit_rows_of_airflow_carry_the_address_of_the_client(api_server: ApiServer) -> None:
    person = api_server.client("admin")
    query = "select owner, extra from log where event = 'post_variable' order by id"
    before = len(api_server.sql(query))

    answer = person.post("/api/v2/variables", json={"key": "a'b\"<&>ü password", "value": "hush-hush"})

    assert answer.status_code == 201
    ((owner, extra),) = api_server.sql(query)[before:]
    assert owner == "admin"
    assert json.loads(extra)["ip"] == "127.0.0.1"
    assert "hush-hush" not in extra


def test_log_in_is_audited_with_the_address(api_server: ApiServer) -> None:
    query = "select owner, extra from log where event = 'login' and owner = 'op' order by id"
    before = len(api_server.sql(query))

    api_server.browser_login("op")

    ((owner, extra),) = api_server.sql(query)[before:]
    assert (owner, json.loads(extra)["ip"]) == ("op", "127.0.0.1")
