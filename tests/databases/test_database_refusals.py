"""What keeps the workbench from a server's database: a sentence each, with the remedy and no password."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest

from couture_workflow.exceptions import StartError
from couture_workflow.services.workbench import database as workbench_database
from couture_workflow.services.workbench import server_address, server_database
from tests.support.databases import PASSWORD, Database
from tests.support.spark import until

pytestmark = pytest.mark.always

Change = Callable[[Database], Database]


def elsewhere(old: str, new: str) -> Change:
    """Return what changes the address."""
    return lambda found: replace(found, url=found.url.replace(old, new))


def named(found: Database, name: str) -> Database:
    """Return another database of the same user."""
    return replace(found, url=found.url.removesuffix(found.name) + name)


def stranger(found: Database) -> Database:
    """Put somebody else's table in."""
    found.sql("create table theirs (x int)")
    return found


def newer(found: Database) -> Database:
    """Make it that of another program, or of a newer Airflow."""
    found.sql("create table alembic_version (version_num varchar(32))")
    found.sql("insert into alembic_version values ('ffffffffffff')")
    return found


def other_encoding(found: Database) -> Database:
    """Make it one that cannot store every text."""
    name = f"{found.name}_latin"
    if found.address.kind == "postgresql":
        found.server.sql(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
    else:
        found.server.sql(f"create database {name} character set latin1")
    return named(found, name)


def no_rights(found: Database) -> Database:
    """Take the user's rights away."""
    if found.address.kind == "postgresql":
        found.server.sql(f"alter database {found.name} owner to postgres")
    else:
        found.server.sql(f"revoke all on `{found.name}%`.* from '{found.name}'@'127.0.0.1'")
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (elsewhere(quote(PASSWORD, safe=""), "wrong"), "the password in COUTURE_DATABASE is wrong"),
        (elsewhere("127.0.0.1:", "nobody.invalid:"), "does not answer at that address"),
        (lambda found: elsewhere(f":{found.server.port}", ":1")(found), "does not answer at that address"),
        (lambda found: named(found, f"{found.name}_none"), "There is no database"),
        (stranger, "has tables of something else (theirs)"),
        (newer, "is of a newer Airflow, or of another program (revision ffffffffffff)"),
        (other_encoding, "which not every text can be written in"),
        (no_rights, "GRANT ALL ON"),
    ],
    ids=["password", "host", "port", "name", "tables", "newer", "encoding", "rights"],
)
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(
    database: Database, change: Change, said: str
) -> None:
    address = change(database).address

    with pytest.raises(StartError) as refused:
        workbench_database.check_server(address, server_database.check(address, began=False))

    assert said in str(refused.value)
    assert address.shown in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert quote(PASSWORD, safe="") not in str(refused.value)


def test_a_server_that_is_too_old_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    oldest = {each: (99, "a version of the far future") for each in server_database.OLDEST}
    monkeypatch.setattr(server_database, "OLDEST", oldest)

    with pytest.raises(StartError, match="Airflow needs a version of the far future or newer"):
        server_database.check(database.address, began=False)


def test_one_workbench_at_a_time_has_a_database(database: Database) -> None:
    first, second = (server_database.Claim(database.address) for _ in range(2))
    first.take()
    with pytest.raises(StartError, match="Another workbench, or a restore, uses the database"):
        second.take()

    first.release()
    until(lambda: is_taken(second), what="the server to see that the connection is closed")
    second.release()


def is_taken(claim: server_database.Claim) -> bool:
    """Take it if it can be had now."""
    try:
        claim.take()
    except StartError:
        return False
    return True


def test_a_server_that_refuses_to_encrypt_is_told(kind: str, database: Database) -> None:
    if kind != "postgresql":
        return
    address = server_address.parse(f"{database.url}?sslmode=verify-full")

    with pytest.raises(StartError, match="name the right sslrootcert"):
        server_database.check(address, began=False)
    assert (
        server_database.check(server_address.parse(f"{database.url}?sslmode=require"), began=False).tables
        == ()
    )
