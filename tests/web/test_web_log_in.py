"""Log-in and log-out: what counts is Airflow's token, and it ends when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.api_server import ApiServer

HUB = "/couture/developer/"


@pytest.fixture
def restored(api_server: ApiServer) -> Iterator[ApiServer]:
    """The server, with the account dev as it was, afterwards."""
    (account,) = api_server.sql("select id, password from ab_user where username = 'dev'")
    (role,) = api_server.sql("select id, role_id from ab_user_role where user_id = ?", account[0])
    yield api_server
    api_server.sql("update ab_user set active = true, password = ? where id = ?", account[1], account[0])
    api_server.sql("delete from ab_user_role where user_id = ?", account[0])
    row = (role[0], account[0], role[1])
    api_server.sql("insert into ab_user_role (id, user_id, role_id) values (?, ?, ?)", *row)


def test_log_in_by_the_form_opens_our_pages(api_server: ApiServer) -> None:
    person = api_server.browser_login("dev")

    assert person.get(HUB).status_code == 200


@pytest.mark.parametrize("address", ["/api/v2/auth/logout", "/auth/logout", "/auth/logout/"])
def test_copied_cookies_are_worth_nothing_after_log_out(address: str, api_server: ApiServer) -> None:
    person = api_server.browser_login("admin")
    copies = {cookie.name: cookie.value for cookie in person.cookies.jar if cookie.path != "/airflow/couture"}
    assert {"session", "_token"} <= set(copies)
    assert person.get(HUB).status_code == 200

    person.get(address, follow_redirects=True)

    for names in (["session", "_token"], ["session"], ["_token"]):
        thief = httpx.Client(base_url=api_server.url, cookies={name: copies[name] or "" for name in names})
        assert thief.get(HUB).status_code == 401, names
        assert thief.get("/ui/auth/me").status_code in (401, 403), names
        assert "/auth/login" in str(thief.get("/auth/users/list/").headers.get("location")), names
        answer = thief.get("/auth/login/")
        assert "_token" not in answer.cookies, names
    assert api_server.sql("select count(*) from log where event = 'logout' and owner = 'admin'")[0][0] >= 1


def test_deactivation_counts_at_once(restored: ApiServer) -> None:
    page, api = restored.client("dev"), restored.client()
    basic = ("dev", "dev")
    assert page.get(HUB).status_code == 200
    assert api.get("/api/artifacts/", auth=basic).status_code != 401

    restored.sql("update ab_user set active = false where username = 'dev'")

    assert page.get(HUB).status_code == 401
    refused = api.get("/api/artifacts/", auth=basic)
    assert (refused.status_code, "password is wrong" in refused.json()["detail"]) == (401, True)


def test_taking_a_role_away_counts_at_once(restored: ApiServer) -> None:
    person = restored.client("dev")
    assert person.get(HUB).status_code == 200

    restored.sql("delete from ab_user_role where user_id = (select id from ab_user where username = 'dev')")

    assert person.get(HUB).status_code == 403


def test_changed_password_counts_at_once_for_http_basic(restored: ApiServer) -> None:
    from werkzeug.security import generate_password_hash

    client = restored.client()
    for _ in range(4):  # both workers remember it
        assert client.get("/api/artifacts/", auth=("dev", "dev")).status_code != 401

    restored.sql(
        "update ab_user set password = ? where username = 'dev'",
        generate_password_hash("new", "pbkdf2:sha256:1000"),
    )

    assert [client.get("/api/artifacts/", auth=("dev", "dev")).status_code for _ in range(4)] == [401] * 4
    assert client.get("/api/artifacts/", auth=("dev", "new")).status_code != 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Authorization": "Bearer nonsense"}, id="no token"),
        pytest.param({"Authorization": "Basic ZGV2OndyYW5n"}, id="wrong password"),
        pytest.param({"Authorization": "Basic %%%"}, id="no base64"),
        pytest.param({"Cookie": "_token=a'b\"<&>"}, id="hostile cookie"),
    ],
)
def test_api_refuses_whoever_is_not_logged_in(headers: dict[str, str], api_server: ApiServer) -> None:
    answer = api_server.client().get("/api/artifacts/", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json()["error"] == "not_authenticated"


@pytest.mark.parametrize("way", ["bearer", "basic", "cookie"])
def test_api_takes_token_password_and_cookie(way: str, api_server: ApiServer) -> None:
    client = api_server.client("dev" if way == "cookie" else None)
    options = {
        "bearer": {"headers": {"Authorization": f"Bearer {api_server.token('dev')}"}},
        "basic": {"auth": ("dev", "dev")},
        "cookie": {},
    }[way]

    assert client.get("/api/artifacts/", **options).status_code not in (401, 403)  # type: ignore[arg-type]


def test_writing_with_the_cookie_needs_a_header_that_foreign_pages_cannot_send(api_server: ApiServer) -> None:
    person = api_server.client("admin")

    refused = person.delete("/api/artifacts/no-such-file")
    passed = person.delete("/api/artifacts/no-such-file", headers={"X-Requested-With": "tests"})

    assert (refused.status_code, refused.json()["error"]) == (403, "not_allowed")
    assert passed.status_code not in (401, 403)


def test_core_api_is_not_disturbed(api_server: ApiServer) -> None:
    token = {"Authorization": f"Bearer {api_server.token('dev')}"}

    assert api_server.client().get("/api/v2/dags", headers=token).status_code == 200
    assert api_server.client().get("/api/v2/dags", auth=("dev", "dev")).status_code == 401
    assert api_server.client().get("/api/nothing").status_code == 404


def _new_password(server: ApiServer, text: str) -> None:
    from werkzeug.security import generate_password_hash

    hashed = generate_password_hash(text, "pbkdf2:sha256:1000")
    server.sql("update ab_user set password = ? where username = 'dev'", hashed)


@pytest.mark.parametrize("address", ["/api/v2/dags", "/api/artifacts/files"])
def test_tokens_end_with_the_password_that_they_were_given_for(address: str, restored: ApiServer) -> None:
    old = {"Authorization": f"Bearer {restored.token('dev')}"}
    client = restored.client()
    assert [client.get(address, headers=old).status_code for _ in range(4)] == [200] * 4  # both workers

    _new_password(restored, "new")

    assert {client.get(address, headers=old).status_code for _ in range(4)} <= {401, 403}
    answer = client.post("/auth/token", json={"username": "dev", "password": "new"})
    new = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert [client.get(address, headers=new).status_code for _ in range(4)] == [200] * 4


def test_a_password_that_an_administrator_changes_ends_the_tokens(restored: ApiServer) -> None:
    admin = {"Authorization": f"Bearer {restored.token('admin')}"}
    old = {"Authorization": f"Bearer {restored.token('dev')}"}
    client = restored.client()

    changed = client.patch(
        "/auth/fab/v1/users/dev?update_mask=password", headers=admin, json={"password": "another"}
    )

    assert changed.status_code == 200, changed.text
    assert client.get("/api/v2/dags", headers=old).status_code in (401, 403)
    assert client.get("/api/v2/dags", headers=admin).status_code == 200


def test_a_deactivated_account_is_out_of_airflows_own_api_at_once(restored: ApiServer) -> None:
    token = {"Authorization": f"Bearer {restored.token('dev')}"}
    client = restored.client()
    assert [client.get("/api/v2/dags", headers=token).status_code for _ in range(4)] == [200] * 4

    restored.sql("update ab_user set active = false where username = 'dev'")

    assert {client.get("/api/v2/dags", headers=token).status_code for _ in range(4)} <= {401, 403}


@pytest.mark.parametrize("address", ["/api/v2/auth/logout", "/auth/logout", "/auth/logout/"])
def test_log_out_with_a_bearer_token_ends_the_token(address: str, api_server: ApiServer) -> None:
    ended, other = ({"Authorization": f"Bearer {api_server.token('dev')}"} for _ in range(2))
    client = api_server.client()
    assert client.get("/api/v2/dags", headers=ended).status_code == 200

    client.get(address, headers=ended)

    for path in ("/api/v2/dags", "/api/artifacts/files"):
        assert client.get(path, headers=ended).status_code in (401, 403)
        assert client.get(path, headers=other).status_code == 200
