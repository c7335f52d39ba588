"""A backup of PostgreSQL, made complete in a schema of its own, and put in place in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from couture_workflow.exceptions import StorageError
from couture_workflow.services.backup import postgresql
from couture_workflow.services.backup.place import Place
from couture_workflow.services.backup.postgresql import OWN, connect, errors, quoted
from couture_workflow.services.backup.restore_staging import Staging

#: What is moved from a schema to another, each with the word for it: what belongs to a table goes with it.
_MOVED = f"""
SELECT 'TABLE', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OWN}
UNION ALL
SELECT 'SEQUENCE', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind = 'S' AND {OWN}
      AND NOT EXISTS (SELECT FROM pg_depend o
                      WHERE o.objid = c.oid AND o.deptype IN ('a', 'i') AND o.refobjsubid > 0)
UNION ALL
SELECT 'TYPE', c.typname FROM pg_type c JOIN pg_namespace n ON n.oid = c.typnamespace
WHERE n.nspname = %s AND c.typtype = 'e' AND {OWN}
"""  # noqa: S608
_FOREIGN = """
SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND NOT pg_has_role(tableowner, 'USAGE')
"""
_USERS = """
SELECT DISTINCT COALESCE(client_addr::text, 'this machine') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
#: How long the moment of the restore waits for somebody who reads a table.
_LOCK_TIMEOUT = "60s"


class PostgresqlSchemas:
    """The three schemas of a restore on PostgreSQL.

    :param place: the installation, whose own user is used.
    """

    def __init__(self, place: Place) -> None:
        self._url = place.url
        with errors("The database cannot be asked for its schema"), connect(self._url) as connection:
            found = connection.exec_driver_sql("SELECT current_schema()").scalar()
        if not found:
            raise StorageError(
                "The user of the database has no schema in its search path. Set one, try again."
            )
        self.main = str(found)
        self.new = f"{self.main}_restore"
        self.old = f"{self.main}_restore_old"

    def address(self, schema: str) -> str:
        """Return the address of one of the schemas."""
        from sqlalchemy.engine import make_url

        # The server splits the options at blanks; a backslash keeps one in a name.
        name = quoted(schema).replace("\\", "\\\\").replace(" ", "\\ ")
        url = make_url(self._url).update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)

    def users(self) -> list[str]:
        """Return the hosts that are connected to the database now, beside this process."""
        with errors("The database cannot be asked who uses it"), connect(self._url) as connection:
            return sorted(str(host) for host in connection.exec_driver_sql(_USERS).scalars())

    def load(self, staging: Staging) -> None:
        """Fill the new schema from a backup, all of it or nothing."""
        schema = postgresql.parse((staging.database / "schema.json").read_bytes())
        what = (
            f"The database of the backup cannot be written into the schema {self.new} (its user needs: GRANT "
            "CREATE ON DATABASE ... TO ...)"
        )
        with errors(what), connect(self._url) as connection:
            if foreign := list(connection.exec_driver_sql(_FOREIGN).scalars()):
                raise StorageError(
                    f"The table {foreign[0]} belongs to another user, so it cannot be replaced: "
                    f"type ALTER TABLE {foreign[0]} OWNER TO the user of Airflow."
                )
            postgresql.prepare(connection)
            self._drop(connection)
            for name in (self.new, self.old):
                _run(connection, f"CREATE SCHEMA {quoted(name)}")
            _run(connection, f"SET LOCAL search_path = {quoted(self.new)}")
            for statement in schema.before:
                _run(connection, statement)
            for number, table in enumerate(schema.tables):
                _copy_in(connection, table, staging.pieces(number))
            for sequence, last, called in schema.values:
                _run(connection, f"SELECT setval({sequence}, {last}, {str(called).lower()})")
            for statement in schema.after:
                _run(connection, statement)
            connection.commit()

    def swap(self, new_tables: set[str]) -> None:
        """Put the new tables in place of the old ones in one transaction; done again, it does nothing.

        :param new_tables: every table that the new schema held at first.
        """
        with errors("The new tables cannot be put in place"), connect(self._url) as connection:
            waiting = _moved(connection, self.new)
            if not any(kind == "TABLE" and name in new_tables for kind, name in waiting):
                return
            _run(connection, f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            moves = [(self.main, self.old, each) for each in _moved(connection, self.main)]
            moves += [(self.new, self.main, each) for each in waiting]
            for source, target, (kind, name) in moves:
                _run(connection, f"ALTER {kind} {quoted(source)}.{quoted(name)} SET SCHEMA {quoted(target)}")
            connection.commit()

    def tables(self) -> set[str]:
        """Return the tables of the new schema."""
        with errors("The new tables cannot be listed"), connect(self._url) as connection:
            return {name for kind, name in _moved(connection, self.new) if kind == "TABLE"}

    def clean(self) -> None:
        """Remove the schemas that a restore needed."""
        with errors("The schemas of the restore cannot be removed"), connect(self._url) as connection:
            self._drop(connection)
            connection.commit()

    def _drop(self, connection: Any) -> None:
        for name in (self.new, self.old):
            _run(connection, f"DROP SCHEMA IF EXISTS {quoted(name)} CASCADE")


def _run(connection: Any, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _moved(connection: Any, schema: str) -> list[tuple[str, str]]:
    rows = connection.exec_driver_sql(_MOVED, (schema, schema, schema)).all()
    return [(str(kind), str(name)) for kind, name in rows]


def _copy_in(connection: Any, table: postgresql.Table, paths: list[Path]) -> None:
    if paths:
        with connection.connection.driver_connection.cursor() as cursor:
            cursor.copy_expert(table.copy("FROM STDIN"), postgresql.Stream(paths))
