"""What of a request's head goes to a Jupyter server, and what of an answer's head goes to the browser.

The code behind a Jupyter server is its owner's, so it gets what it needs and nothing else: no cookie but its
own, no credentials, no header that Airflow or a proxy in front of it added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote, urlsplit

Headers = list[tuple[bytes, bytes]]

#: The one cookie that passes, in both directions: Jupyter's guard against foreign pages.
COOKIE = "_xsrf"

#: Headers of a request that pass. Those of a websocket's handshake are made anew.
_PASS = {
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "origin",
    "pragma",
    "range",
    "referer",
    "user-agent",
    "x-requested-with",
    "x-xsrftoken",
}

#: Those of them that tell where the browser is; whether that is the right place is looked at here.
_OF_THE_BROWSERS_ADDRESS = {"origin", "referer"}

#: Headers of an answer that stay here: of the connection, or good for all of Airflow's addresses.
_STAY = {
    "accept-ch",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "alt-svc",
    "clear-site-data",
    "connection",
    "critical-ch",
    "date",
    "expect-ct",
    "keep-alive",
    "nel",
    "origin-agent-cluster",
    "proxy-authenticate",
    "proxy-connection",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "sec-session-registration",
    "secure-session-registration",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "set-login",
    "strict-transport-security",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "use-as-dictionary",
    "www-authenticate",
    "x-frame-options",
}
#: So do those that a proxy in front of Airflow obeys: give out a file or an address of its own instead.
_FOR_PROXIES = ("x-accel-", "x-lighttpd-", "x-reproxy-", "x-sendfile")

#: Below a person's address: what answers with the content of files, which may be anybody's HTML.
_CONTENT = ("files/", "nbconvert/", "view/")
_POLICIES = (b"content-security-policy", b"content-security-policy-report-only")
_FRAME = "frame-ancestors 'self'"
_SANDBOX = f"sandbox allow-scripts; {_FRAME}"

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_TOKEN = re.compile(r"[!#-+\--:<-\[\]-~]+")
_WRITES_NOTHING = ("GET", "HEAD", "OPTIONS")

#: Attributes of a cookie that pass with a value, and what that may be.
_ATTRIBUTES = {
    "path": re.compile(r"/[!-:<-~]*"),
    "expires": re.compile(r"[A-Za-z0-9 ,:+-]+"),
    "max-age": re.compile(r"-?[0-9]+"),
    "samesite": re.compile(r"lax|strict|none", re.IGNORECASE),
}
_FLAGS = ("secure", "httponly")


def first(headers: Iterable[tuple[bytes, bytes]], name: str) -> str:
    """Return a header's value, "" if it was not sent."""
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in headers if key.lower() == wanted), "")


def public_host(headers: Headers, base_url: str) -> str:
    """Return the host that the browser's address names, "" if what was sent is none.

    :param base_url: ``[api] base_url``; a proxy in front of Airflow may have sent another ``Host`` on.
    """
    host, configured = first(headers, "host"), urlsplit(base_url).netloc
    came_from = {urlsplit(first(headers, name)).netloc for name in ("origin", "referer")}
    found = configured if configured and configured in came_from else host
    return found if _HOST.fullmatch(found) else ""


def is_foreign(scope_type: str, method: str, headers: Headers, host: str) -> bool:
    """Tell whether a page of another origin makes the browser write or open a websocket."""
    if scope_type == "http" and method in _WRITES_NOTHING:
        return False
    origin = first(headers, "origin")
    if origin and urlsplit(origin).netloc != host:
        return True
    return first(headers, "sec-fetch-site") in ("cross-site", "same-site")


def to_jupyter(
    headers: Headers, *, cookies: Mapping[str, str], badge: Mapping[str, str], by_name: bool = False
) -> list[tuple[str, str]]:
    """Return the head of a request for a Jupyter server.

    :param badge: headers that say who is there; the browser's own of these names never pass.
    :param by_name: the server is asked by its own name: what says where the browser is would not fit it.
    """
    stay = {each.lower() for each in badge} | (_OF_THE_BROWSERS_ADDRESS if by_name else set())
    kept = [
        (name, value.decode("latin-1"))
        for key, value in headers
        if (name := key.decode("latin-1").lower()) in _PASS and name not in stay
    ]
    if _TOKEN.fullmatch(token := cookies.get(COOKIE, "")):
        kept.append(("cookie", f"{COOKIE}={token}"))
    return [*kept, *badge.items()]


def to_browser(headers: Iterable[tuple[bytes, bytes]], *, base: str, below: str) -> Headers:
    """Return the head of an answer for the browser.

    :param base: path that the person's addresses begin with, with the prefix of ``[api] base_url``.
    :param below: the rest of the request's path.
    """
    headers = [(key.lower(), value) for key, value in headers]
    dropped = _STAY | {name.strip().lower() for name in first(headers, "connection").split(",")}
    kept = [
        (key, _without_frames(value) if key in _POLICIES else value)
        for key, value in headers
        if (name := key.decode("latin-1")) not in dropped and not name.startswith(_FOR_PROXIES)
    ]
    kept = [(key, value) for key, value in kept if value or key not in _POLICIES]
    for key, value in headers:
        if key == b"set-cookie" and (cookie := own_cookie(value.decode("latin-1"), base)):
            kept.append((key, cookie.encode("latin-1")))
    # A second policy takes away from the first one, never adds to it.
    policy = _SANDBOX if _plainly(below).startswith(_CONTENT) else _FRAME
    kept.append((b"content-security-policy", policy.encode()))
    kept = [each for each in kept if each[0] != b"x-content-type-options"]
    kept.append((b"x-content-type-options", b"nosniff"))
    if not any(key == b"referrer-policy" for key, _ in kept):
        kept.append((b"referrer-policy", b"same-origin"))
    return kept


def _plainly(below: str) -> str:
    """Return a path as whoever is generous in reading it may take it."""
    return re.sub("/+", "/", unquote(below)).lstrip("/")


def _without_frames(policies: bytes) -> bytes:
    """Return policies without what they say about frames: that is decided here, and a hub forbids each."""
    kept = [
        b"; ".join(part for each in policy.split(b";") if (part := each.strip()) and not _is_of_frames(part))
        for policy in policies.split(b",")
    ]
    return b", ".join(filter(None, kept))


def _is_of_frames(directive: bytes) -> bool:
    return directive.split(maxsplit=1)[0].lower() == b"frame-ancestors"


def own_cookie(text: str, base: str) -> str:
    """Return a cookie as a Jupyter server may set it, "" if it may not: its own, and below its own path."""
    cookie: SimpleCookie = SimpleCookie()
    try:
        cookie.load(text)
    except CookieError:
        return ""
    morsel = cookie.get(COOKIE)
    if morsel is None or (morsel.value and not _TOKEN.fullmatch(morsel.value)):
        return ""
    for name, value in morsel.items():  # in quotes, each could hold line breaks and further attributes
        rule = _ATTRIBUTES.get(name)
        if name not in _FLAGS and not (rule and rule.fullmatch(str(value))):
            morsel[name] = ""
    if not str(morsel["path"]).startswith(base):
        morsel["path"] = base
    return morsel.OutputString()
