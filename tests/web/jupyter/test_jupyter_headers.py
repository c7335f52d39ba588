"""Which headers pass, and what a cookie of a Jupyter server is made of."""

from __future__ import annotations

import pytest

from couture_workflow.web.jupyter import headers as heads

BASE = "/airflow/jupyter/ann/"


@pytest.mark.parametrize(
    ("cookie", "passes"),
    [
        ("_xsrf=a; Path=/airflow/jupyter/ann/; Secure", "_xsrf=a; Path=/airflow/jupyter/ann/; Secure"),
        ("_xsrf=a; Path=/airflow/jupyter/ann/lab", "_xsrf=a; Path=/airflow/jupyter/ann/lab"),
        ("_xsrf=a", "_xsrf=a; Path=/airflow/jupyter/ann/"),
        ("_xsrf=a; Path=/", "_xsrf=a; Path=/airflow/jupyter/ann/"),
        ("_xsrf=a; Path=/airflow/jupyter/anna/; Domain=.example.org", "_xsrf=a; Path=/airflow/jupyter/ann/"),
        ("_token=a; Path=/airflow/jupyter/ann/", ""),
        ("session=a", ""),
        ("_XSRF=a", ""),
        (r'_xsrf=a; Path="/airflow/jupyter/ann/\073 Path=/"', "_xsrf=a; Path=/airflow/jupyter/ann/"),
        (
            r'_xsrf=a; Path="/airflow/jupyter/ann/\015\012Set-Cookie: _token=e"',
            "_xsrf=a; Path=/airflow/jupyter/ann/",
        ),
        (r'_xsrf=a; Expires="x\015\012Set-Cookie: _token=e"', "_xsrf=a; Path=/airflow/jupyter/ann/"),
        (r'_xsrf=a; Max-Age="1\073 Path=/"', "_xsrf=a; Path=/airflow/jupyter/ann/"),
        (r'_xsrf=a; SameSite="None\073 Path=/"', "_xsrf=a; Path=/airflow/jupyter/ann/"),
        (r'_xsrf=a; Comment="x\015\012Y: z"', "_xsrf=a; Path=/airflow/jupyter/ann/"),
        (r'_xsrf="a\015\012Set-Cookie: _token=e"', ""),
        (
            "_xsrf=a; Max-Age=60; SameSite=Lax; HttpOnly",
            "_xsrf=a; HttpOnly; Max-Age=60; Path=/airflow/jupyter/ann/; SameSite=Lax",
        ),
        (
            "_xsrf=a; expires=Wed, 25 Nov 2026 20:00:00 GMT",
            "_xsrf=a; expires=Wed, 25 Nov 2026 20:00:00 GMT; Path=/airflow/jupyter/ann/",
        ),
        ("", ""),
        ("no cookie at all", ""),
    ],
)
def test_only_jupyters_own_cookie_passes_below_its_own_path(cookie: str, passes: str) -> None:
    assert heads.own_cookie(cookie, BASE) == passes


@pytest.mark.parametrize("token", ["a\r\nX-Badge: bob", "a; _token=b", 'a"b', "a b", "", "ü"])
def test_a_cookie_that_could_be_read_as_more_does_not_pass(token: str) -> None:
    sent = heads.to_jupyter([], cookies={"_xsrf": token}, badge={"X-Badge": "ann"})

    assert sent == [("X-Badge", "ann")]


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({b"host": b"localhost:8080"}, "localhost:8080"),
        ({b"Host": b"[::1]:8080"}, "[::1]:8080"),
        ({b"host": b"inner", b"origin": b"https://public.example.org"}, "public.example.org"),
        ({b"host": b"inner", b"referer": b"https://public.example.org/x"}, "public.example.org"),
        ({b"host": b"inner", b"origin": b"https://evil.example.org"}, "inner"),
        ({b"host": b"a b"}, ""),
        ({b"host": b"a/b@c"}, ""),
        ({}, ""),
    ],
)
def test_the_host_is_that_of_the_browsers_address(headers: dict[bytes, bytes], host: str) -> None:
    assert heads.public_host(list(headers.items()), "https://public.example.org/airflow") == host


@pytest.mark.parametrize(
    "below",
    [
        "files/a.html",
        "files/shared/a.svg",
        "nbconvert/html/a.ipynb",
        "view/a.html",
        "/files/a.html",
        "%66iles/a",
        "files%2Fa",
    ],
)
def test_a_second_policy_is_added_to_jupyters_own(below: str) -> None:
    sent = heads.to_browser([(b"Content-Security-Policy", b"default-src 'self'")], base=BASE, below=below)

    policies = [value for name, value in sent if name == b"content-security-policy"]
    assert policies == [b"default-src 'self'", b"sandbox allow-scripts; frame-ancestors 'self'"]


@pytest.mark.parametrize(
    "name", ["X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile", "X-LIGHTTPD-send-file", "X-Reproxy-URL"]
)
def test_what_a_proxy_in_front_would_obey_stays_here(name: str) -> None:
    sent = heads.to_browser([(name.encode(), b"/etc/passwd"), (b"X-Other", b"1")], base=BASE, below="lab")

    assert name.lower().encode() not in dict(sent) and (b"x-other", b"1") in sent


@pytest.mark.parametrize(
    ("sent", "passes"),
    [
        (b"frame-ancestors 'none'", []),
        (b"Frame-Ancestors 'none'; report-uri /r", [b"report-uri /r"]),
        (b"img-src *;;frame-ancestors 'none' ; script-src 'self';", [b"img-src *; script-src 'self'"]),
        (b"frame-ancestors, img-src *, frame-ancestors 'none'; x", [b"img-src *, x"]),
        (b"frame-ancestorsx", [b"frame-ancestorsx"]),
        (b" ; ", []),
    ],
)
def test_who_may_frame_a_page_is_decided_here(sent: bytes, passes: list[bytes]) -> None:
    head = heads.to_browser([(b"Content-Security-Policy", sent)], base=BASE, below="lab")

    policies = [value for name, value in head if name == b"content-security-policy"]
    assert policies == [*passes, b"frame-ancestors 'self'"]
