"""REST API of the dependencies."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
