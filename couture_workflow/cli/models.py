"""`couture-workflow serve-models` and `couture-workflow check-model`."""

from __future__ import annotations

import argparse
import json
import os

from couture_workflow.cli.commands import HOME, Command, Option, path, report

_TENSORFLOW = Option(
    ("--tensorflow-python",),
    {"type": path, "metavar": "FILE", "help": "a Python that has TensorFlow, for models that need it"},
)


def serve_models(arguments: argparse.Namespace) -> int:
    """Serve models by TensorFlow Serving's gRPC and REST interfaces, in the foreground until Ctrl-C."""
    from couture_workflow.services.models import serving
    from couture_workflow.services.runtimes.progress import Progress
    from couture_workflow.services.workbench import embedded

    config = arguments.config or serving.config_of(arguments.home or embedded.default_home())
    options = serving.Options(
        config=config,
        host=arguments.host,
        grpc_port=arguments.grpc_port,
        rest_port=arguments.rest_port,
        token_file=arguments.token_file,
        default_label=arguments.default_label,
        tensorflow_python=arguments.tensorflow_python,
        state_file=arguments.state_file,
        max_body=arguments.max_body,
    )
    program = serving.python(Progress(1))
    if not arguments.config:
        serving.prepare(config)
    os.execve(program, serving.command(program, options), serving.environment(os.environ))  # noqa: S606


def check_model(arguments: argparse.Namespace) -> int:
    """Look at one version of a model before it is served, and print as JSON what it is; 1 if it cannot be."""
    from couture_workflow.services.models import serving
    from couture_workflow.services.runtimes.progress import Progress

    found = serving.check(
        arguments.folder, program=serving.python(Progress(1)), tensorflow_python=arguments.tensorflow_python
    )
    report(json.dumps(found, indent=2))
    return 0 if found["ok"] else 1


COMMANDS: dict[str, Command] = {
    "serve-models": Command(
        serve_models,
        (
            HOME,
            Option(
                ("--config",),
                {
                    "type": path,
                    "metavar": "FILE",
                    "help": "model_config_list of TensorFlow Serving (default: that of the home)",
                },
            ),
            Option(
                ("--host",), {"default": "127.0.0.1", "help": "address to listen on (default: %(default)s)"}
            ),
            Option(("--grpc-port",), {"type": int, "default": 8500, "help": "default: %(default)s"}),
            Option(("--rest-port",), {"type": int, "default": 8501, "help": "default: %(default)s"}),
            Option(
                ("--token-file",),
                {"type": path, "metavar": "FILE", "help": "file with the token that requests need"},
            ),
            Option(
                ("--default-label",),
                {
                    "default": "",
                    "metavar": "LABEL",
                    "help": "where requests without version and label go (default: to the newest version)",
                },
            ),
            _TENSORFLOW,
            Option(
                ("--state-file",),
                {
                    "type": path,
                    "metavar": "FILE",
                    "help": "remembers what is served over a restart (default: beside the configuration)",
                },
            ),
            Option(
                ("--max-body",),
                {
                    "type": int,
                    "default": 64,
                    "metavar": "MIB",
                    "help": "size of a request (default: %(default)s)",
                },
            ),
        ),
    ),
    "check-model": Command(
        check_model,
        (
            Option(("folder",), {"type": path, "metavar": "FOLDER", "help": "the folder of one version"}),
            _TENSORFLOW,
        ),
    ),
}
