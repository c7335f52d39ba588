"""Fixtures of the tests of log-in by a directory: ``slapd``, a real one."""

from __future__ import annotations

from tests.services.slapd import slapd

__all__ = ["slapd"]
