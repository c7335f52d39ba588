"""Wrong passwords are limited, at each way in and in all processes, and nobody is locked out for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from couture_workflow.web import log_in_limit
from couture_workflow.web.log_in_limit import Attempts
from tests.support.api_server import ApiServer


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def attempts(tmp_path: Path, clock: _Clock) -> Attempts:
    return Attempts(lambda: tmp_path / "cache" / "attempts.json", clock=clock)


def _fail(attempts: Attempts, times: int, address: str, account: str) -> list[int]:
    return [attempts.begin(address, account) for _ in range(times)]


def test_an_account_may_be_tried_some_times_from_an_address(attempts: Attempts, clock: _Clock) -> None:
    waits = _fail(attempts, log_in_limit.MOST_OF_PAIR + 3, "1.2.3.4", "ann")

    assert not any(waits[: log_in_limit.MOST_OF_PAIR])
    assert all(0 < wait <= log_in_limit.WINDOW + 1 for wait in waits[log_in_limit.MOST_OF_PAIR :])
    clock.now += waits[-1]
    assert attempts.begin("1.2.3.4", "ann") == 0, "being refused does not make it longer"


def test_another_address_is_not_kept_out_by_one_that_guesses(attempts: Attempts) -> None:
    _fail(attempts, 100, "1.2.3.4", "ann")

    assert attempts.begin("5.6.7.8", "ann") == 0


def test_an_account_that_many_addresses_try_lets_its_owner_in(attempts: Attempts) -> None:
    for number in range(log_in_limit.MOST_OF_ACCOUNT):
        attempts.begin(f"10.0.0.{number}", "ann")

    assert attempts.begin("10.0.0.1", "ann") > 0
    assert attempts.begin("192.168.0.1", "ann") == 0


def test_an_address_may_not_try_one_account_after_the_other(attempts: Attempts) -> None:
    waits = [attempts.begin("1.2.3.4", f"user{number}") for number in range(log_in_limit.MOST_OF_ADDRESS + 1)]

    assert (any(waits[:-1]), waits[-1] > 0) == (False, True)


def test_the_right_password_makes_wrong_ones_forgotten(attempts: Attempts) -> None:
    for _ in range(5):
        _fail(attempts, log_in_limit.MOST_OF_PAIR - 1, "1.2.3.4", "ann")
        assert attempts.begin("1.2.3.4", "ann") == 0
        attempts.good("1.2.3.4", "ann")


@pytest.mark.parametrize("account", ["ANN", " ann ", "Ann"])
def test_another_spelling_is_the_same_account(account: str, attempts: Attempts) -> None:
    _fail(attempts, log_in_limit.MOST_OF_PAIR, "1.2.3.4", "ann")

    assert attempts.begin("1.2.3.4", account) > 0


def test_addresses_of_one_network_of_ipv6_are_one(attempts: Attempts) -> None:
    waits = [
        attempts.begin(f"2001:db8::{number:x}", "ann") for number in range(1, log_in_limit.MOST_OF_PAIR + 2)
    ]

    assert waits[-1] > 0


def test_two_processes_count_together_and_a_damaged_file_counts_as_empty(
    tmp_path: Path, clock: _Clock
) -> None:
    path = tmp_path / "attempts.json"
    one, two = (Attempts(lambda: path, clock=clock) for _ in range(2))
    for process in (one, two) * (log_in_limit.MOST_OF_PAIR // 2):
        assert process.begin("1.2.3.4", "ann") == 0
    assert one.begin("1.2.3.4", "ann") > 0

    path.write_bytes(b'[[1000, "a\xff')

    assert one.begin("1.2.3.4", "ann") == 0


def test_it_goes_on_in_the_process_where_the_home_cannot_be_written(clock: _Clock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    attempts = Attempts(lambda: tmp_path / "file" / "attempts.json", clock=clock)

    assert _fail(attempts, log_in_limit.MOST_OF_PAIR + 1, "1.2.3.4", "ann")[-1] > 0


def test_what_was_typed_as_a_name_is_not_kept(attempts: Attempts, tmp_path: Path) -> None:
    attempts.begin("1.2.3.4", "my password")

    assert "password" not in (tmp_path / "cache" / "attempts.json").read_text()


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with two workers and the limit that every installation has."""
    server = ApiServer(tmp_path_factory.mktemp("limited"), AIRFLOW__FAB__AUTH_RATE_LIMITED="True")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def fresh(limited: ApiServer) -> ApiServer:
    (limited.home / "couture" / "cache" / "log-in-attempts.json").unlink(missing_ok=True)
    return limited


APPBUILDER = "/auth/api/v1/security/login"


def _token(client: httpx.Client, account: str, password: str, path: str = "/auth/token") -> httpx.Response:
    more = {"provider": "db"} if path == APPBUILDER else {}
    return client.post(path, json={"username": account, "password": password, **more})


def _basic(client: httpx.Client, account: str, password: str) -> httpx.Response:
    return client.get("/api/artifacts/files", auth=(account, password))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["/auth/token", "/auth/token/cli", APPBUILDER, "basic"])
def test_twenty_five_wrong_passwords_are_too_many(way: str, fresh: ApiServer) -> None:
    def attempt(password: str) -> httpx.Response:
        client = fresh.client()  # a connection of its own, so that both workers are asked
        return _basic(client, "dev", password) if way == "basic" else _token(client, "dev", password, way)

    answers = [attempt(f"wrong{number}") for number in range(25)]

    looked_at = [answer for answer in answers if answer.status_code == 401]
    assert len(looked_at) == log_in_limit.MOST_OF_PAIR
    refused = answers[-1]
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= log_in_limit.WINDOW + 1
    assert "Too many wrong passwords" in refused.json()["detail"]
    assert attempt("dev").status_code == 429, "nor is the right one looked at"
    assert _token(fresh.client(), "op", "op").status_code == 201, "another account goes on"


@pytest.mark.slow
def test_the_ways_in_share_one_limit(fresh: ApiServer) -> None:
    for number in range(log_in_limit.MOST_OF_PAIR // 2):
        assert _token(fresh.client(), "dev", f"wrong{number}").status_code == 401
        assert _basic(fresh.client(), "dev", f"wrong{number}").status_code == 401

    assert _token(fresh.client(), "dev", "dev").status_code == 429
    assert _token(fresh.client(), "dev", "dev", APPBUILDER).status_code == 429
    assert _basic(fresh.client(), "dev", "dev").status_code == 429
    form = fresh.client().post("/auth/login/", data={"username": "dev", "password": "dev"})
    assert (form.status_code, "Too many wrong passwords" in form.text) == (429, True)


@pytest.mark.slow
def test_right_passwords_are_not_limited(fresh: ApiServer) -> None:
    for _ in range(log_in_limit.MOST_OF_PAIR + 5):
        assert _token(fresh.client(), "dev", "dev").status_code == 201
        assert _token(fresh.client(), "dev", "dev", APPBUILDER).status_code == 200
        assert _basic(fresh.client(), "dev", "dev").status_code == 200


@pytest.mark.slow
def test_wrong_passwords_of_the_form_count_and_a_log_in_ends_the_count(fresh: ApiServer) -> None:
    for number in range(log_in_limit.MOST_OF_PAIR - 1):
        assert _token(fresh.client(), "dev", f"wrong{number}").status_code == 401

    assert fresh.browser_login("dev").get("/couture/developer/").status_code == 200

    for number in range(log_in_limit.MOST_OF_PAIR):
        assert _token(fresh.client(), "dev", f"wrong{number}").status_code == 401
    assert _token(fresh.client(), "dev", "wrong").status_code == 429


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "without"),
    [
        ("/auth/users/userinfo/", 302),
        ("/auth/users/list/", 302),
        ("/auth/roles/list/", 302),
        ("/auth/resetmypassword/form", 302),
        ("/auth/fab/v1/users", 401),
        ("/auth/fab/v1/roles", 401),
        ("/auth/fab/v1/permissions", 401),
        ("/api/v2/dags", 401),
    ],
)
def test_a_password_by_basic_opens_nothing_of_airflow(fresh: ApiServer, path: str, without: int) -> None:
    """So nobody can try passwords there: right ones and wrong ones have the same answer."""
    client = fresh.client()
    found = [client.get(path, auth=("admin", password)) for password in ("admin", "wrong")]

    assert client.get(path).status_code == without, "nor with the cookies of these answers"
    assert [answer.status_code for answer in found] == [without, without]
    assert found[0].headers.get("location") == found[1].headers.get("location")
    assert "_token" not in client.cookies
