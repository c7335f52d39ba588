"""Tokens that end with the password that they were given for, and with the account (``ended-tokens``)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from couture_workflow import patches
from couture_workflow.patches import guard

#: Claim of a token that tells which password of the account it was given for.
CLAIM = "pwd"


def end() -> None:
    """Let Airflow's tokens end when their account gets another password or is deactivated; idempotent."""
    if not guard.is_needed(patches.named("ended-tokens")) or not guard.fits("ended-tokens"):
        return
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    guard.replace(FabAuthManager, "serialize_user", _serializing)
    guard.replace(FabAuthManager, "deserialize_user", _deserializing)


def mark(password: str | None) -> str:
    """Return what a token says of a password: a digest of its salted hash, which tells nothing of it."""
    return hashlib.sha256(b"couture-workflow token|" + (password or "").encode()).hexdigest()[:32]


def _serializing(method: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def serialize_user(self: Any, user: Any) -> dict[str, Any]:
        return {**method(self, user), CLAIM: mark(getattr(user, "password", None))}

    return serialize_user


def _deserializing(method: Callable[..., Any]) -> Callable[..., Any]:
    def deserialize_user(self: Any, token: dict[str, Any]) -> Any:
        number = int(token["sub"])
        kept = self.cache.get(number)
        active, password = _account(number)
        if not active or (kept is not None and kept.password != password):
            self.cache.pop(number, None)  # Airflow would keep it for 30 seconds
        if not active or not hmac.compare_digest(str(token.get(CLAIM, "")).encode(), mark(password).encode()):
            raise ValueError("the account was deactivated or has another password since; log in again")
        return method(self, token)

    return deserialize_user


def _account(number: int) -> tuple[bool, str | None]:
    """Return whether an account is active, and the hash of its password, as they are now."""
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        found = session.execute(select(User.active, User.password).where(User.id == number)).one_or_none()
    return (bool(found[0]), found[1]) if found else (False, None)
