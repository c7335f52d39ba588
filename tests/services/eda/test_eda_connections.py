"""From the fields of Airflow's connections to what the child is told; what is no connection for a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.eda import connections
from couture_workflow.store.home import Store


def test_fields_and_extras_go_where_the_child_wants_them(store: Store) -> None:
    found = connections.of_fields(
        "pg",
        "postgres",
        host=" db ",
        login="me",
        password="s3cret",
        schema="sales",
        port=5433,
        extra='{"sslmode": "require", "cursor": "x", "sslpassword": "k"}',
    )
    assert found["dialect"] == "postgresql" and found["seconds"] == 3600
    assert found["connect"] == {
        "name": "pg",
        "host": "db",
        "port": 5433,
        "user": "me",
        "password": "s3cret",
        "database": "sales",
        "options": {"sslmode": "require", "sslpassword": "k"},
    }


@pytest.mark.parametrize(
    ("extra", "options"),
    [
        (None, {}),
        ("{}", {}),
        ({"ssl_mode": None, "unix_socket": None}, {}),
        ({"ssl_mode": "required"}, {"ssl_required": True}),
        ({"ssl": {"ca": "/ca.pem"}}, {"ssl_ca": "/ca.pem", "ssl_verify_cert": True}),
        ({"ssl": '{"ca": "/ca.pem"}', "ssl_mode": "PREFERRED"}, {"ssl_ca": "/ca.pem"}),
        ({"ssl_mode": "VERIFY_IDENTITY"}, {"ssl_verify_cert": True, "ssl_verify_identity": True}),
        ({"unix_socket": "/run/my", "init_command": "drop"}, {"unix_socket": "/run/my"}),
    ],
)
def test_how_mysql_is_encrypted(store: Store, extra: object, options: dict[str, object]) -> None:
    found = connections.of_fields("my", "mysql", host="db", extra=extra)  # type: ignore[arg-type]
    assert found["connect"]["options"] == options


@pytest.mark.parametrize(
    ("conn_type", "fields", "words"),
    [
        ("http", {}, "is of the type http"),
        (None, {}, "is of the type none"),
        ("postgres", {"extra": "[]"}, "must be a JSON object"),
        ("postgres", {"extra": "{"}, "must be a JSON object"),
        ("postgres", {"extra": {"sslmode": ["x"]}}, "sslmode must be a text"),
        ("mysql", {"extra": {"ssl_mode": "maybe"}}, "ssl_mode must be one of"),
        ("mysql", {"extra": {"ssl": [1]}}, "ssl must be an object"),
        ("mysql", {"extra": {"iam": True}}, "logs in by iam"),
        ("sqlite", {"host": "file.db"}, "absolute path"),
        ("sqlite", {"host": ":memory:"}, "absolute path"),
    ],
)
def test_what_a_source_cannot_use_is_one_sentence(
    store: Store, conn_type: str | None, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidError, match=words) as caught:
        connections.of_fields("it", conn_type, password="s3cret", **fields)  # type: ignore[arg-type]
    assert caught.value.field == "sql.connection" and "s3cret" not in str(caught.value)


def test_files_of_the_installation_itself_are_no_data(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.root)
    for path in (
        store.root / "airflow.db",
        tmp_path / "link" / "x",
        store.root / ".." / store.root.name / "x",
    ):
        with pytest.raises(InvalidError, match="installation itself"):
            connections.of_fields("it", "sqlite", host=str(path))
