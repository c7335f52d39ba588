"""`COUTURE_DATABASE`: one address becomes two, a refusal is one sentence, the password is nowhere else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.workbench import airflow_settings, checks, server_address
from couture_workflow.services.workbench.airflow_settings import Layout

#: How "p@:/%#ü'" is written in an address, and what must be found nowhere.
SECRET = "p%40%3A%2F%25%23%C3%BC%27"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An embedded home with a hostile name."""
    return checks.check_home(tmp_path / "hö'me 100%")


@pytest.mark.parametrize(
    ("given", "waiting", "other", "shown"),
    [
        (
            f"postgresql://ann:{SECRET}@[::1]:5433/air?sslmode=require",
            f"postgresql+psycopg2://ann:{SECRET}@[::1]:5433/air?sslmode=require",
            f"postgresql+asyncpg://ann:{SECRET}@[::1]:5433/air?ssl=require",
            "postgresql://ann@[::1]:5433/air",
        ),
        (
            "postgres://ann@%2Frun%2Fpg/air?connect_timeout=3",
            "postgresql+psycopg2://ann@/air?connect_timeout=3&host=%2Frun%2Fpg",
            "postgresql+asyncpg://ann@/air?host=%2Frun%2Fpg",
            "postgresql://ann@/run/pg/air",
        ),
        (
            f"mysql://ann:{SECRET}@db/air",
            f"mysql+mysqldb://ann:{SECRET}@db/air?charset=utf8mb4",
            f"mysql+aiomysql://ann:{SECRET}@db/air?charset=utf8mb4",
            "mysql://ann@db/air",
        ),
    ],
)
def test_one_address_becomes_one_for_each_driver(given: str, waiting: str, other: str, shown: str) -> None:
    address = server_address.parse(given)

    assert (address.text, address.asynchronous, address.shown) == (waiting, other, shown)
    assert server_address.parse(address.text) == address  # as it is read from the home


def test_files_of_certificates_reach_the_driver_that_does_not_take_them_in_its_address() -> None:
    address = server_address.parse("postgresql://a@h/d?sslmode=verify-full&sslrootcert=/ca.pem")

    assert address.asynchronous == "postgresql+asyncpg://a@h/d?ssl=verify-full"
    assert address.variables == {"PGSSLROOTCERT": "/ca.pem"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("oracle://ann:geheim@h/d", "names no database that the workbench can use"),
        ("geheim", "names no database that the workbench can use"),
        ("postgresql://ann:geheim@h:port/d", "is no address of a database"),
        ("postgresql://ann:geheim@h", "names no database at its end"),
        ("postgresql://ann:ge@heim@h/d", "%40 for @"),
        ("postgresql://ann:geheim@h/d?options=-cx%3Dy", "ALTER ROLE"),
        ("postgresql://ann:geheim@h/d?sslmode=maybe", "verify-full"),
        ("mysql://ann:geheim@h/d?sslmode=require", "these can be given: charset, unix_socket"),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence_without_the_password(given: str, said: str) -> None:
    with pytest.raises(InvalidError) as refused:
        server_address.parse(given)

    assert said in str(refused.value)
    assert "geheim" not in str(refused.value)
    assert "heim" not in str(refused.value)


def test_the_home_remembers_its_server_in_private_files_alone(layout: Layout) -> None:
    given = {server_address.VARIABLE: f"postgresql://ann:{SECRET}@h/air"}
    server_address.keep(layout, server_address.wanted(layout, given))
    airflow_settings.write_config(layout, host="127.0.0.1", port=8080, examples=False)
    variables = airflow_settings.environment(layout, base=given)
    having = [
        path
        for path in layout.home.rglob("*")
        if path.is_file() and SECRET in path.read_text(errors="replace")
    ]

    assert sorted(having) == [layout.server, layout.server_async]
    assert [stat.S_IMODE(path.stat().st_mode) for path in having] == [0o600, 0o600]
    assert SECRET not in str(variables)
    assert "sqlite" not in layout.config.read_text()
    found = server_address.wanted(layout, {})
    assert found is not None
    assert found.shown == "postgresql://ann@h/air"
    assert server_address.wanted(layout, {server_address.VARIABLE: "sqlite"}) is None

    server_address.keep(layout, None)

    assert server_address.wanted(layout, {}) is None
    assert SECRET not in "".join(p.read_text(errors="replace") for p in layout.home.rglob("*") if p.is_file())
