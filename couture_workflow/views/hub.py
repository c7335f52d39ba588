"""The page *Developer*: a card for each page that the account may use, by what people do there."""

from __future__ import annotations

from couture_workflow.permissions import DEVELOPER_HUB, READ, Permission
from couture_workflow.services.personal import view as personal_view
from couture_workflow.views.base import CouturePage, expose, requires


class DeveloperHubPage(CouturePage):
    """The hub."""

    route_base = "/developer"
    title = "Developer"

    @expose("/")
    @requires(Permission(READ, DEVELOPER_HUB))
    def index(self) -> str:
        """Show the cards."""
        from couture_workflow.views import GROUPS, PAGES

        offered = [page for page in PAGES if page.offered()]
        groups = {group: [page for page in offered if page.group == group] for group in GROUPS}
        return self.page("hub.html", groups=groups, any=bool(offered), view=personal_view.present())
