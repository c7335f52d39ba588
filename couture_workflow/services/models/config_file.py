"""The model configuration that the model server follows: TensorFlow Serving's ``model_config_list`` as text.

One file drives both servers, ours and the container ``tensorflow/serving``. It is replaced as a whole, and
both look at it every few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from couture_workflow.exceptions import InvalidError
from couture_workflow.store import atomic

#: What a part of an address of TensorFlow Serving can be without being written in another way.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_VERSION = 10**18


@dataclass(frozen=True)
class ServedModel:
    """One model that is served.

    :param base_path: absolute path of the folder that has a folder for each version, as the server sees it.
    :param versions: which of them are served.
    :param labels: label -> version, such as ``{"stable": 3, "canary": 4}``.
    """

    name: str
    base_path: Path
    versions: tuple[int, ...]
    labels: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, text in [("model", self.name), *(("label", label) for label in self.labels)]:
            if not _NAME.fullmatch(text):
                raise InvalidError(
                    f"The {what} {text!r} cannot be served: a name has letters, digits, '.', '_' and '-', "
                    "begins with a letter or a digit, and is at most 128 characters long."
                )
        if not self.base_path.is_absolute():
            raise InvalidError(f"The folder of the model {self.name} must be absolute, not {self.base_path}.")
        if not self.versions or not all(0 < each < _MAX_VERSION for each in self.versions):
            raise InvalidError(f"The model {self.name} needs versions to serve, which are numbers from 1.")
        for label, version in self.labels.items():
            if version not in self.versions:
                raise InvalidError(
                    f"The label {label} of the model {self.name} names version {version}, which is not among "
                    f"the versions that are served. Serve it, or let the label name another."
                )


def render(models: Iterable[ServedModel]) -> str:
    """Return the text of a configuration.

    :raises InvalidError: two models have one name.
    """
    ordered = sorted(models, key=lambda each: each.name)
    for one, other in zip(ordered, ordered[1:], strict=False):
        if one.name == other.name:
            raise InvalidError(f"The model {one.name} stands twice in the configuration.")
    return "model_config_list {\n" + "".join(_rendered(each) for each in ordered) + "}\n"


def write(file: Path, models: Iterable[ServedModel]) -> None:
    """Replace the configuration as a whole.

    :raises InvalidError: two models have one name.
    :raises StorageError: it cannot be written.
    """
    with atomic.storage_errors(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write(file, render(models).encode(), mode=0o640)


def parse(text: str, root: Path) -> dict[str, ServedModel]:
    """Return name -> model of a configuration that ``render`` has made; what another has written is left out.

    :param root: the folder that has a folder for each model.
    """
    found = {}
    for part in re.findall(r"^  config \{\n(.*?)^  \}\n", text, re.MULTILINE | re.DOTALL):
        name = re.search(r'^    name: "(.+)"$', part, re.MULTILINE)
        versions = tuple(
            int(each) for each in re.findall(r"^        versions: ([0-9]+)$", part, re.MULTILINE)
        )
        labels = re.findall(r'^    version_labels \{ key: "(.+)" value: ([0-9]+) \}$', part, re.MULTILINE)
        if name is not None:
            with suppress(InvalidError):
                by_label = {label: int(version) for label, version in labels}
                found[name[1]] = ServedModel(name[1], root / name[1], versions, by_label)
    return found


def _rendered(model: ServedModel) -> str:
    lines = [
        "  config {",
        f"    name: {_quoted(model.name)}",
        f"    base_path: {_quoted(str(model.base_path))}",
        '    model_platform: "tensorflow"',
        "    model_version_policy {",
        "      specific {",
        *(f"        versions: {version}" for version in sorted(set(model.versions))),
        "      }",
        "    }",
        *(
            f"    version_labels {{ key: {_quoted(label)} value: {version} }}"
            for label, version in sorted(model.labels.items())
        ),
        "  }",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text as protobuf's text format has it: bytes that are no plain letters as octal numbers."""
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{"".join(plain)}"'
