"""The doctor's look at the model server: whether it answers, or what the workbench that has it says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from couture_workflow import settings
from couture_workflow.services.models import readiness
from couture_workflow.services.workbench import model_service
from couture_workflow.services.workbench.airflow_settings import Layout

REMEDY = (
    "In containers type: docker compose up -d serving, then docker compose logs serving; elsewhere start it, "
    "or correct [couture_workflow] serving_url."
)


def look() -> Iterator[tuple[str, str, str]]:
    """Return what is at fault, the problem and the remedy.

    A server on loopback is one of the embedded workbench, which starts and ends it: see ``look_at_own``.
    """
    from couture_workflow.services.models import server  # loads what no other command needs

    address = settings.serving_url()
    if not _is_loopback(address) and (error := server.look().error):
        yield f"model server {address}", error.removesuffix(f" {server.HOW}"), REMEDY


def look_at_own(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Return why a workbench that runs cannot have the model server that it starts by itself."""
    own = readiness.read(model_service.state_file(layout.home))
    if own is not None and own.is_problem:
        yield "model server", own.said, f"{layout.logs / 'serving.log'} tells more."


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
