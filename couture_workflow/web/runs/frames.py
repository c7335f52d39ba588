"""Addresses for frames that show the output of a run, and whether a request comes from such a frame."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.configuration import conf

from couture_workflow.services.runs.records import RunKey


def ticket(user: BaseUser, key: RunKey) -> str:
    """Return what the address of a frame has, which nobody else can know."""
    secret = conf.get_mandatory_value("api", "secret_key")
    said = repr((user.get_id(), key)).encode(errors="replace")
    return hmac.new(b"couture-workflow frames|" + secret.encode(), said, hashlib.sha256).hexdigest()[:32]


def is_framed(headers: Mapping[str, str], given: str, user: BaseUser, key: RunKey) -> bool:
    """Tell whether an answer goes into a frame of ours.

    Browsers say so, but not to plain HTTP of another machine; then the address has to be one that we gave.

    :param given: the ticket of the address.
    """
    if destination := headers.get("Sec-Fetch-Dest"):
        return destination == "iframe"
    return hmac.compare_digest(given.encode(errors="replace"), ticket(user, key).encode())
