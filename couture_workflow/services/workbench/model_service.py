"""The service ``serving`` of the embedded workbench: whether it has one, and where that listens."""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from couture_workflow.exceptions import StartError
from couture_workflow.services.models import on_demand, readiness, serving

NAME = "serving"
#: The option that says whether it has one, and those that say where pages and tasks look for it.
_OPTION = "AIRFLOW__COUTURE_WORKFLOW__SERVE_MODELS"
_URL = "AIRFLOW__COUTURE_WORKFLOW__SERVING_URL"
_GRPC = "AIRFLOW__COUTURE_WORKFLOW__SERVING_GRPC"
_WORDS: Mapping[str, Literal["auto", "always", "never"]] = {
    **dict.fromkeys(("", "auto"), "auto"),
    **dict.fromkeys(("t", "true", "1"), "always"),
    **dict.fromkeys(("f", "false", "0"), "never"),
}


def command(home: Path, variables: Mapping[str, str]) -> list[str] | None:
    """Return the command of the service, None if the workbench has none.

    :param variables: that the services get.
    """
    when = _when(variables)
    if when == "always":
        found = [sys.executable, "-P", "-m", "couture_workflow.cli", "serve-models", "--home", str(home)]
        found += ["--default-label", "stable"]
        for argument, name in (("--rest-port", _URL), ("--grpc-port", _GRPC)):
            if port := _port(variables, name):
                found += [argument, str(port)]
        return found
    if when == "never" or not _is_here(variables):
        return None
    place = on_demand.Place(
        home,
        state_file(home),
        rest_port=_port(variables, _URL) or serving.REST_PORT,
        grpc_port=_port(variables, _GRPC) or serving.GRPC_PORT,
        chosen=bool(variables.get(_URL, "").strip()),
    )
    return on_demand.service(place)


def on_demand_variables(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what the services get beside ``variables`` where the server starts with the first model.

    What an earlier run told is forgotten.
    """
    state_file(home).unlink(missing_ok=True)
    if _when(variables) == "auto" and _is_here(variables):
        return {readiness.VARIABLE: str(state_file(home))}
    return {}


def state_file(home: Path) -> Path:
    """Return the file in which a running workbench tells what its model server waits for."""
    return home / "airflow" / "model-server.json"


def _when(variables: Mapping[str, str]) -> Literal["auto", "always", "never"]:
    given = variables.get(_OPTION, "")
    found = _WORDS.get(given.strip().lower())
    if found is None:
        raise StartError(f"{_OPTION} is {given!r}: set it to auto, True or False, or leave it out.")
    return found


def _is_here(variables: Mapping[str, str]) -> bool:
    """Tell whether pages and tasks look for the server where the workbench can start one."""
    given = variables.get(_URL, "").strip()
    if not given:
        return True
    try:
        place = urlsplit(given)
        host = place.hostname or ""
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
        return is_local and place.scheme == "http" and place.port is not None
    except ValueError:  # whoever asks the address says what is wrong with it
        return False


def _port(variables: Mapping[str, str], name: str) -> int | None:
    place = variables.get(name, "").strip()
    with contextlib.suppress(ValueError):
        return urlsplit(place if "//" in place else f"//{place}").port
    return None
