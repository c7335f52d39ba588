"""REST API of the configs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter()
