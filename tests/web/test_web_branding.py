"""The product's name and sign on Airflow's own pages."""

from __future__ import annotations

import re

import pytest

from tests.support.api_server import ApiServer


def test_airflows_bar_has_the_sign(api_server: ApiServer) -> None:
    client = api_server.client("viewer")

    theme = client.get("/ui/config").json()["theme"]

    sign = client.get(theme["icon"].removeprefix(api_server.prefix))
    assert theme["icon"].startswith(f"{api_server.prefix}/couture/assets/")
    assert (sign.status_code, sign.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("address", ["/auth/login/", "/auth/users/list/"])
def test_pages_of_the_auth_manager_have_name_and_sign(address: str, api_server: ApiServer) -> None:
    page = api_server.browser_login("admin").get(address, follow_redirects=True)
    if "/auth/login/" in address:
        page = api_server.client().get(address)

    assert page.status_code == 200
    assert re.search(r"<title>[^<]*Couture Workflow</title>", page.text)
    assert "brand-logo-pinwheel" not in page.text
    for asset in re.findall(r'(?:src|href)="[^"]*(/couture/assets/[^"]+)"', page.text):
        assert api_server.client().get(asset).status_code == 200
    assert "/couture/assets/" in page.text
