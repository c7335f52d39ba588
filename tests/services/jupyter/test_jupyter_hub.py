"""What is made of a JupyterHub's answers, also of those that no hub should give."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter import hub as jupyter_hub
from couture_workflow.services.jupyter.hub import HubServers, hub_name
from couture_workflow.services.jupyter.hub_api import words
from couture_workflow.services.jupyter.servers import Listed, Person, Progress, Server
from tests.support import asynchronous
from tests.support.asgi import Served

ANN = Person(number=3, name="ann")
API = "/pre/jupyter/hub/api"
URL = "/pre/jupyter/user/ann/"
READY = {"name": "", "ready": True, "pending": None, "stopped": False, "url": URL}
SCOPES = {"scopes": ["servers", "tokens", "list:users!group=team", "admin:users"]}
NOT_STARTED = "Your Jupyter server could not be started."

Answers = dict[str, Any]
T = TypeVar("T")


@dataclass
class SmallHub:
    """A server whose answers a test gives: by method and path, one for all calls or a list of them."""

    answers: Answers
    port: int = 0
    asked: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        call = f"{request.method} {request.url.path.removeprefix(API + '/')}"
        self.asked.append(call)
        self.heads.append(dict(request.headers))
        if body := await request.body():
            self.bodies.append((call, body))
        given = self.answers.get(call, JSONResponse({"message": None}, 404))
        if isinstance(given, list):
            given = given.pop(0) if len(given) > 1 else given[0]
        if callable(given) and not isinstance(given, Response):
            given = given(request)
        return given if isinstance(given, Response) else JSONResponse(given)


@pytest.fixture
def hub() -> Iterator[SmallHub]:
    small = SmallHub({"GET user": SCOPES})
    app = Starlette(routes=[Route("/{path:path}", small.answer, methods=["GET", "POST", "DELETE"])])
    with Served(app) as served:
        small.port = served.port
        yield small


def run(hub: SmallHub, do: Callable[[HubServers], Awaitable[T]]) -> T:
    async def inside() -> T:
        servers = HubServers(f"http://127.0.0.1:{hub.port}", "t", prefix="/pre", path="/jupyter/")
        try:
            return await do(servers)
        finally:
            await servers.close()

    return asynchronous.run(inside())


def problem(hub: SmallHub, do: Callable[[HubServers], Awaitable[Any]]) -> str:
    with pytest.raises(JupyterError) as error:
        run(hub, do)
    return str(error.value)


def user(model: Any = None) -> dict[str, Any]:
    return {"name": "ann", "servers": {} if model is None else {"": model}}


def test_names_are_plain_and_nobody_elses() -> None:
    names = ["ann", "Ann", "ANN", "a/n", "../hub", "user", "", "ü", "a b", "a.b", "shared", "x" * 300, "a\n"]

    found = [hub_name(Person(number=1, name=name)) for name in names]

    assert len(set(found)) == len(names)
    assert all(each.isascii() and "/" not in each and each == each.lower() for each in found)


def test_a_server_that_is_ready_is_found_with_a_token_for_it_alone(hub: SmallHub) -> None:
    hub.answers |= {
        "GET users/ann": user(READY),
        "POST users/ann/tokens": JSONResponse({"token": "short"}, 201),
    }

    async def twice(servers: HubServers) -> tuple[Server | None, Any]:
        found = await asyncio.gather(*(servers.find(ANN) for _ in range(20)))
        assert found[0] is not None
        return found[0], servers.headers(ANN, found[0])

    server, headers = run(hub, twice)

    assert server == Server(
        address=f"http://127.0.0.1:{hub.port}", base_path="/jupyter/user/ann/", by_name=True
    )
    assert headers == {"Authorization": "token short"}
    assert hub.asked == ["GET users/ann", "POST users/ann/tokens"]  # for twenty requests at once
    assert b'"access:servers!user=ann"' in hub.bodies[0][1]
    assert b'"expires_in":300' in hub.bodies[0][1].replace(b" ", b"")
    assert {head["authorization"] for head in hub.heads} == {"token t"}
    assert not [head for head in hub.heads if "cookie" in head]


def test_a_hub_that_does_not_answer_is_asked_once_for_many_requests(
    hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jupyter_hub, "_NOT_GOOD", 60.0)
    hub.answers["GET users/ann"] = JSONResponse({"message": "no"}, 500)

    async def often(servers: HubServers) -> list[Any]:
        return await asyncio.gather(*(servers.find(ANN) for _ in range(20)), return_exceptions=True)

    said = {str(each) for each in run(hub, often) if isinstance(each, JupyterError)}

    at = f"http://127.0.0.1:{hub.port}"
    assert said == {f"Whether your Jupyter server runs is not known. The JupyterHub at {at} says: no"}
    assert hub.asked == ["GET users/ann"]


@pytest.mark.parametrize(
    ("model", "state"),
    [
        (None, "stopped"),
        ({**READY, "ready": False, "pending": "spawn"}, "starting"),
        ({**READY, "pending": "stop"}, "starting"),
        ({**READY, "ready": "yes"}, "starting"),
        ({**READY, "ready": False, "stopped": True, "url": "/else/"}, "stopped"),
        (READY, "ready"),
    ],
)
def test_how_far_a_server_is(hub: SmallHub, model: Any, state: str) -> None:
    hub.answers["GET users/ann"] = user(model)

    assert run(hub, lambda servers: servers.progress(ANN)).state == state
    if state != "ready":
        assert run(hub, lambda servers: servers.find(ANN)) is None


def test_a_user_whom_the_hub_does_not_know_is_made_and_the_server_begun(hub: SmallHub) -> None:
    starting = {**READY, "ready": False, "pending": "spawn"}
    unknown = JSONResponse({"message": None}, 404)
    hub.answers |= {
        "GET users/ann": user(starting),
        "POST users/ann/server": [unknown, Response(status_code=202)],
        "POST users": JSONResponse([{"name": "ann"}], 201),
        "GET users/ann/server/progress": PlainTextResponse(
            'data: {"progress": 0, "message": "Server requested"}\n\ndata: nonsense\n\ndata: [1]\n\n'
            'data: {"progress": 50, "message": "Pulling\\n an image"}\n\n'
        ),
    }

    assert run(hub, lambda servers: servers.start(ANN)) == Progress(
        state="starting", waits_for="Pulling an image"
    )
    begun = [each for each in hub.asked if each.startswith("POST")]  # who waits looks meanwhile
    assert begun == ["POST users/ann/server", "POST users", "POST users/ann/server"]
    assert hub.bodies[-1][1].replace(b" ", b"") == b'{"couture_workflow":{"number":3,"name":"ann"}}'


def test_a_start_waits_for_the_end_of_the_former_server(hub: SmallHub) -> None:
    ending = user({**READY, "ready": False, "pending": "stop"})
    refused = JSONResponse({"message": "ann is pending stop"}, 400)
    hub.answers |= {
        "POST users/ann/server": [refused, refused, Response(status_code=201)],
        "GET users/ann": [ending, ending, ending, user(READY)],
    }

    async def start(servers: HubServers) -> Progress:
        found = await servers.start(ANN)
        while found.state != "ready":
            assert found == Progress(state="starting", waits_for="Waiting for the former server to end.")
            found = await servers.progress(ANN)
        return found

    assert run(hub, start).state == "ready"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (JSONResponse({"message": "Active user limit exceeded."}, 429), "Active user limit exceeded."),
        (JSONResponse({"message": "no image\n<b>x</b>"}, 500), "no image <b>x</b>"),
        (JSONResponse({"message": 7}, 500), "status 500"),
        (JSONResponse({"message": "ann is pending rename"}, 400), "ann is pending rename"),
    ],
)
def test_why_the_hub_starts_nothing_is_told(hub: SmallHub, answer: Response, says: str) -> None:
    hub.answers |= {"POST users/ann/server": answer, "GET users/ann": user()}

    said = problem(hub, lambda servers: servers.start(ANN))

    assert said == f"{NOT_STARTED} The JupyterHub at http://127.0.0.1:{hub.port} says: {says}"


def test_a_start_that_failed_later_is_told_by_whichever_process_is_asked(hub: SmallHub) -> None:
    failed = 'data: {"progress": 100, "failed": true, "message": "Spawn failed: no room"}\n\n'
    hub.answers |= {
        "GET users/ann": user(),
        "GET users/ann/server/progress": PlainTextResponse(failed),
        "POST users/ann/server": JSONResponse({"message": "Unknown error"}, 500),
    }

    said = {
        problem(hub, lambda servers: servers.progress(ANN)),
        problem(hub, lambda servers: servers.start(ANN)),
    }

    assert said == {f"{NOT_STARTED} The JupyterHub says: Spawn failed: no room"}


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (JSONResponse({"message": "Invalid username: ann"}, 400), "Invalid username: ann"),
        (JSONResponse([{"name": "ANN"}], 201), "it has given the user another name"),
        (JSONResponse({"name": "ann"}, 201), "it has given the user another name"),
    ],
)
def test_a_name_that_the_hub_does_not_take_is_told(hub: SmallHub, made: Response, says: str) -> None:
    hub.answers["POST users"] = made

    said = problem(hub, lambda servers: servers.start(ANN))

    assert (
        f"The JupyterHub takes no user 'ann', which is what the account 'ann' is called there: {says}" in said
    )


@pytest.mark.parametrize(
    ("me", "says"),
    [
        (JSONResponse({"message": None}, 403), "does not know the token"),
        ({"scopes": ["servers"]}, "lacks “list:users”, “tokens”."),
        ({"scopes": "all"}, "lacks “list:users”, “servers”, “tokens”."),
        ([], "lacks “list:users”, “servers”, “tokens”."),
    ],
)
def test_what_the_token_lacks_is_told(hub: SmallHub, me: Any, says: str) -> None:
    hub.answers |= {"GET user": me, "GET users/ann": JSONResponse({"message": "no"}, 403)}
    hub.answers["GET users"] = hub.answers["GET users/ann"]

    assert says in problem(hub, lambda servers: servers.find(ANN))
    assert says in problem(hub, lambda servers: servers.listed())


def test_that_nobody_may_be_made_is_told(hub: SmallHub) -> None:
    hub.answers |= {
        "GET user": {"scopes": ["servers", "tokens", "list:users"]},
        "POST users": JSONResponse({"message": "no"}, 403),
    }

    said = problem(hub, lambda servers: servers.start(ANN))

    assert said.startswith("The JupyterHub knows no user 'ann' and makes none. ")
    assert "lacks “admin:users”." in said


def endless(_request: Request) -> Response:
    async def pieces() -> Any:
        while True:
            yield b"[" * 2**16
            await asyncio.sleep(0)  # where a server that is left may end

    return StreamingResponse(pieces(), media_type="application/json")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (RedirectResponse("http://127.0.0.1:9/"), "sends on to another address (status 307)"),
        (Response("<html>", media_type="text/html"), "status 200 and no JSON"),
        (Response("{", media_type="application/json"), "status 200 and no JSON"),
        (Response("[" * 200_000, media_type="application/json"), "status 200 and no JSON"),
        (Response("<html>", 502, media_type="text/html"), "does not answer: status 502 of its proxy"),
        (endless, "its answer is far too long"),
        ([], "its JSON has another form"),
        ({"servers": []}, "its JSON has another form"),
        ({"servers": {"": []}}, "its JSON has another form"),
        (
            {"servers": {"": {**READY, "url": "/jupyter/user/ann/"}}},
            "c.JupyterHub.base_url = '/pre/jupyter/'",
        ),
        (
            {"servers": {"": {**READY, "url": "//elsewhere/user/ann/"}}},
            "can be shown at /pre/jupyter/user/ann/",
        ),
        ({"servers": {"": {**READY, "url": "/pre/jupyter/user/bob/"}}}, "and no subdomain_host"),
    ],
)
def test_an_answer_that_is_none_of_a_hubs_is_told(hub: SmallHub, answer: Any, says: str) -> None:
    hub.answers["GET users/ann"] = [answer]

    for call in ("find", "progress"):
        assert says in problem(hub, lambda servers, call=call: getattr(servers, call)(ANN))


@pytest.mark.parametrize("token", ["", "two words", "line\r\nX: y", None, 7, "ü"])
def test_a_token_that_cannot_be_sent_is_not_used(hub: SmallHub, token: Any) -> None:
    hub.answers |= {
        "GET users/ann": user(READY),
        "POST users/ann/tokens": JSONResponse({"token": token}, 201),
    }

    said = problem(hub, lambda servers: servers.find(ANN))

    assert said.startswith("The JupyterHub gives no token for your server.")


def test_a_hub_that_is_not_there_is_told(hub: SmallHub) -> None:
    gone = SmallHub({}, port=1)

    said = problem(gone, lambda servers: servers.start(ANN))

    assert said.startswith(
        "The JupyterHub at http://127.0.0.1:1, which has people's Jupyter servers, does not"
    )
    assert said.endswith("look whether it runs, and whether [couture_workflow] jupyter_hub_url is right.")


@pytest.mark.parametrize(
    ("address", "token", "says"),
    [
        ("hub.example.org", "t", "is no address of a JupyterHub"),
        ("ftp://hub.example.org", "t", "is no address of a JupyterHub"),
        ("http://", "t", "is no address of a JupyterHub"),
        ("http://hub:99999", "t", "is no address of a JupyterHub"),
        ("http://me:secret@hub", "t", "is no address of a JupyterHub"),
        ("http://hub/?a=b", "t", "is no address of a JupyterHub"),
        ("http://[::1", "t", "is no address of a JupyterHub"),
        ("http://hub/elsewhere/", "t", "set c.JupyterHub.base_url = '/pre/jupyter/'"),
        ("http://hub/pre/jupyter/", "", "jupyter_hub_token is empty or no token"),
        ("http://hub", "a b", "jupyter_hub_token is empty or no token"),
    ],
)
def test_options_that_cannot_work_are_told(address: str, token: str, says: str) -> None:
    servers = HubServers(address, token, prefix="/pre", path="/jupyter/")

    with pytest.raises(JupyterError) as error:
        asynchronous.run(servers.find(ANN))

    assert says in str(error.value)
    assert "secret" not in str(error.value)


def test_the_list_has_what_was_started_from_here(hub: SmallHub) -> None:
    def of(name: Any, mark: Any, **more: Any) -> dict[str, Any]:
        model = {"started": "2026-01-02T03:04:05Z", "user_options": {"couture_workflow": mark}, **more}
        return {"name": name, "servers": {"": model}}

    mine = of("ann", {"number": 3, "name": "ann"}, last_activity="2026-01-02T03:04:06")
    other = hub_name(Person(number=4, name="Bob ü"))
    odd = [
        of("eve", {"number": 3, "name": "ann"}),  # says that it is another's
        of("ann", {"number": "3", "name": "ann"}),
        of("ann", {"number": True, "name": "ann"}),
        of("ann", []),
        of(None, None),
        {"name": "ann", "servers": {}},
        {"name": "ann", "servers": {"second": {}}},
        "ann",
        None,
    ]
    first = [mine, *[{"name": "x", "servers": {}}] * 99]
    pages = {"0": first, "100": [of(other, {"number": 4, "name": "Bob ü"}, started="never"), *odd]}
    hub.answers["GET users"] = lambda request: JSONResponse(
        {"items": pages[request.query_params["offset"]]}, media_type="application/jupyterhub-pagination+json"
    )

    ann, bob = run(hub, lambda servers: servers.listed())

    assert isinstance(ann, Listed)
    assert (ann.person, bob.person) == (ANN, Person(number=4, name="Bob ü"))
    assert ann.since.isoformat() == "2026-01-02T03:04:05+00:00"
    assert ann.last_activity is not None
    assert ann.last_activity.isoformat() == "2026-01-02T03:04:06+00:00"
    assert (bob.last_activity, bob.memory, bob.kernels, bob.busy) == (None, None, None, None)


def test_a_list_without_end_ends(hub: SmallHub) -> None:
    hub.answers["GET users"] = {"items": [{"name": "x"}] * 100}

    assert run(hub, lambda servers: servers.listed()) == []
    assert len(hub.asked) == 100


def test_a_stop_waits_until_the_server_has_ended(hub: SmallHub) -> None:
    ending = user({**READY, "ready": False, "pending": "stop"})
    hub.answers |= {
        "DELETE users/ann/server": Response(status_code=202),
        "GET users/ann": [ending, ending, user()],
    }

    run(hub, lambda servers: servers.stop(ANN))

    assert hub.asked == ["DELETE users/ann/server", *["GET users/ann"] * 3]


def test_a_stop_of_what_does_not_run_is_done_and_a_refusal_is_told(hub: SmallHub) -> None:
    run(hub, lambda servers: servers.stop(ANN))
    hub.answers["DELETE users/ann/server"] = JSONResponse({"message": "it is being renamed"}, 400)

    said = problem(hub, lambda servers: servers.stop(ANN))

    assert said.startswith("The Jupyter server could not be stopped.")
    assert said.endswith("says: it is being renamed")


def test_what_the_hub_says_is_one_line_of_a_bounded_length() -> None:
    assert words("a\x00\r\n\tb") == "a b"
    assert len(words("x" * 10_000)) == 500
    assert words(None) == words(7) == ""
