"""The account of a storage: what a connection of Airflow has of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from couture_workflow.exceptions import XComError


@dataclass(frozen=True)
class Account:
    """Who asks the storage, "" for what the machine says itself."""

    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def of(conn_id: str) -> Account:
    """Return the account of a connection, or raise ``XComError``; of none, an empty one."""
    if not conn_id:
        return Account()
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowException as error:
        raise XComError(
            f"The storage of values between tasks cannot be opened: Airflow has no connection {conn_id}, "
            "which the option xcom_connection names. An administrator can add it under Admin > Connections."
        ) from error
    return Account(found.login or "", found.password or "", found.extra_dejson)
