"""The commands ``serve`` and ``check``: arguments, the event loop, and an end in peace."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from . import check, text_locale
from .engines.opening import Choices, open_engine
from .interfaces.access import Token
from .interfaces.handlers import Handlers, Limits
from .status import INTERNAL, ServingError
from .versions import model_config
from .versions.manager import Manager

log = logging.getLogger("serving")

#: Seconds that requests have to end when the server shall.
_DRAIN = 20.0
#: Bodies that are held at once, as a multiple of the largest one.
_BODIES = 8
_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        code: int = chosen.run(chosen)
    except ServingError as error:
        sys.stderr.write(f"serve-models: {error.message}\n")
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serve-models", description="Serves models as TensorFlow Serving does."
    )
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="serve the models of a configuration file")
    serve.set_defaults(run=_serve)
    serve.add_argument("--config", type=Path, required=True, help="model_config_list in text format")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--grpc-port", type=int, default=8500)
    serve.add_argument("--rest-port", type=int, default=8501)
    serve.add_argument("--poll-seconds", type=float, default=2.0)
    serve.add_argument("--token-file", type=Path)
    serve.add_argument("--default-label", default="", help="where requests without version and label go")
    serve.add_argument("--state-file", type=Path, help="remembers what is served over a restart")
    serve.add_argument("--max-body-bytes", type=int, default=Limits.body)
    serve.add_argument("--max-rows", type=int, default=Limits.rows)
    serve.add_argument("--unchecked", action="store_true", help="load versions without a check in a process")
    look = commands.add_parser("check", help="look at one version's folder and print JSON")
    look.set_defaults(run=_check)
    look.add_argument("folder", type=Path)
    look.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    look.add_argument("--seconds", type=int, default=check.SECONDS)
    look.add_argument("--memory-bytes", type=int)
    for each in (serve, look):
        each.add_argument("--tensorflow-python", type=Path, help="a Python that has TensorFlow")
        each.add_argument("--threads", type=int, default=0, help="of one request; 0: as many as cores")
    return parser


def _choices(chosen: argparse.Namespace) -> Choices:
    return Choices(chosen.tensorflow_python, chosen.threads)


def _check(chosen: argparse.Namespace) -> int:
    folder = chosen.folder.absolute()
    # Whoever asked may be killed; nobody waits for the answer then.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if chosen.inside:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        text_locale.provide()
        found = check.inside(folder, _choices(chosen))
    else:
        found = check.look(folder, _choices(chosen), seconds=chosen.seconds, limit=chosen.memory_bytes)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if found["ok"] else 1


def _serve(chosen: argparse.Namespace) -> int:
    model_config.read(chosen.config)
    token = Token(chosen.token_file)
    text_locale.provide()
    # A check needs none of these, and there are many checks.
    import uvloop

    from .engines import onnx as engine_onnx
    from .engines import openvino as engine_openvino

    log.info("Engines: %s, %s", engine_openvino.OpenVinoEngine.name, engine_onnx.OnnxEngine.name)
    _raise_open_files()
    choices = _choices(chosen)
    manager = Manager(
        chosen.config,
        check=(lambda folder: None) if chosen.unchecked else partial(check.check, choices=choices),
        opened=lambda folder: open_engine(folder, choices),
        default_label=chosen.default_label,
        remembered=chosen.state_file,
    )
    manager.poll()
    stop = threading.Event()
    follower = threading.Thread(target=_follow, args=(manager, token, chosen.poll_seconds, stop), daemon=True)
    follower.start()
    handlers = Handlers(manager, Limits(chosen.max_body_bytes, chosen.max_rows))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_listen(chosen, handlers, token))
    stop.set()
    manager.close()
    log.info("Ended.")
    sys.stderr.flush()
    # A load that is under way would be waited for, and nobody wants it any more.
    os._exit(0)


def _follow(manager: Manager, token: Token, pause: float, stop: threading.Event) -> None:
    while not stop.wait(pause):
        try:
            manager.poll()
            token.refresh()
        except ServingError as error:
            log.error("%s", error.message)
        except Exception:
            log.exception("The configuration could not be followed")


async def _listen(chosen: argparse.Namespace, handlers: Handlers, token: Token) -> None:
    """Serve until SIGTERM or SIGINT, then let requests end."""
    from .interfaces import rpc
    from .interfaces.http import Server
    from .interfaces.rest import Rest

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    threads = ThreadPoolExecutor(max(4, 2 * (os.cpu_count() or 1)), "predict")
    rest = Rest(handlers, token, threads)
    limit = handlers.limits.body
    web = Server(rest.respond, rest.refuse, body_limit=limit, total_limit=_BODIES * limit)
    caller, grpc_port = await rpc.start(
        rpc.Rpc(handlers, token, threads).handler(), chosen.host, chosen.grpc_port, body_limit=limit
    )
    try:
        rest_port = await web.start(chosen.host, chosen.rest_port)
    except OSError as error:
        raise ServingError(
            INTERNAL, f"The port {chosen.rest_port} for REST cannot be had: {error}"
        ) from error
    log.info("Serving gRPC on %s:%d and REST on %s:%d", chosen.host, grpc_port, chosen.host, rest_port)
    await ended.wait()
    log.info("Ending: requests have %d s.", _DRAIN)
    await asyncio.gather(caller.stop(_DRAIN), web.stop(patience=_DRAIN))
    threads.shutdown(wait=False)


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
