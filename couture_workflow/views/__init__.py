"""The pages, in the order of the hub's cards."""

from __future__ import annotations

from couture_workflow.views.base import CouturePage
from couture_workflow.views.hub import DeveloperHubPage

PAGES: tuple[type[CouturePage], ...] = (DeveloperHubPage,)
