"""The use of a database server by one run of the embedded workbench: checked, claimed, made and watched."""

from __future__ import annotations

from collections.abc import Mapping

from couture_workflow.services.workbench import database, server_database
from couture_workflow.services.workbench.airflow_settings import Layout
from couture_workflow.services.workbench.server_address import Address, check_drivers


class ServerUse:
    """One run's hold of the database of a server."""

    def __init__(self, layout: Layout, address: Address) -> None:
        self.address = address
        self.claim = server_database.Claim(address)
        self._layout = layout

    def _look(self) -> server_database.State:
        return server_database.check(self.address, began=database.has_begun(self._layout, self.address))

    def begin(self) -> None:
        """Refuse a database that cannot be used, and keep other workbenches out of it."""
        check_drivers(self.address)
        self.claim.take()
        database.check_server(self.address, self._look())

    def step(self) -> str:
        """Return what has to be done before the services start, in words; "" for nothing."""
        state = self._look()
        if database.is_current_server(self._layout, self.address, state):
            return ""
        verb = "migrating" if "alembic_version" in state.revisions else "making"
        return f"{verb} the database {self.address.shown}"

    def prepare(self, *, environment: Mapping[str, str], password: str) -> bool:
        """Make or migrate the tables and return whether they are new."""
        return database.prepare_server(
            self._layout, self.address, self._look, environment=environment, password=password
        )
