"""Whose JupyterLab it is: the person behind an account, and the addresses that are theirs alone."""

from __future__ import annotations

from functools import cache
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import JupyterError
from couture_workflow.permissions import EDIT, JUPYTER, READ, Permission
from couture_workflow.services.jupyter.hub import USERS as HUB_USERS
from couture_workflow.services.jupyter.servers import Person
from couture_workflow.services.notebooks.people import folder_name
from couture_workflow.web import paths

CAN_OPEN = Permission(READ, JUPYTER)
CAN_STOP = Permission(EDIT, JUPYTER)


@cache
def has_hub() -> bool:
    """Tell whether a JupyterHub has people's servers, as it was when this process asked first."""
    return bool(settings.jupyter_hub_url())


def person_of(user: Any) -> Person:
    """Return the person behind an account of Airflow."""
    number = str(user.get_id())
    if not (number.isascii() and number.isdigit()):
        raise JupyterError(
            "JupyterLab needs accounts that have a number, which those of this auth manager do not. Set "
            "[core] auth_manager to Airflow's FabAuthManager."
        )
    return Person(number=int(number), name=str(user.get_name()))


def base_path(person: Person) -> str:
    """Return what the addresses of a person's JupyterLab begin with, below ``[api] base_url``."""
    below = HUB_USERS if has_hub() else ""
    return f"{paths.JUPYTER}/{below}{folder_name(person.name)}/"
