"""The model configuration: TensorFlow Serving's own ``model_config_list`` in text format, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from .. import schema
from ..status import invalid

_MAX_BYTES = 4 << 20
_PLATFORMS = {"", "tensorflow", "onnx"}


@dataclass(frozen=True)
class Policy:
    """Which versions are served: given ones, or the newest ones (``latest`` of them; 0: all)."""

    versions: tuple[int, ...] = ()
    latest: int = 1

    def chosen(self, there: Mapping[int, Path]) -> set[int]:
        """Return which of the versions that are there are served; given ones, whether there or not."""
        if self.versions:
            return set(self.versions)
        return set(sorted(there, reverse=True)[: self.latest or None])


@dataclass(frozen=True)
class Model:
    """One model of the configuration; its versions are the folders with a number in ``base_path``."""

    name: str
    base_path: Path
    policy: Policy
    labels: Mapping[str, int]

    def folders(self) -> dict[int, Path]:
        """Return the versions on disk."""
        try:
            found = sorted(self.base_path.iterdir())
        except OSError:
            return {}
        return {
            int(each.name): each
            for each in found
            if each.name.isascii() and each.name.isdigit() and len(each.name) <= 18 and each.is_dir()
        }


def read(file: Path) -> dict[str, Model]:
    """Return the models of a configuration file.

    :raises ServingError: it cannot be read, or a word of it is not understood.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise invalid(f"{file} is larger than {_MAX_BYTES >> 20} MiB.")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"The model configuration {file} cannot be read: {error}") from error
    return parse(text, str(file))


def parse(text: str, where: str) -> dict[str, Model]:
    """Return the models that a text configures.

    :param where: what messages call the text.
    """
    message = schema.message("tensorflow.serving.ModelServerConfig")()
    try:
        text_format.Parse(text, message)
    except (text_format.ParseError, RecursionError) as error:
        raise invalid(f"{where} is no model configuration: {error}") from error
    if not message.HasField("model_config_list"):
        # A file that is just being written is empty too, and must not end all models.
        raise invalid(f"{where} is empty. A configuration without models is 'model_config_list {{}}'.")
    found: dict[str, Model] = {}
    for each in message.model_config_list.config:
        model = _model(each, where)
        if model.name in found:
            raise invalid(f"{where}: Illegal to list model {model.name} multiple times in config list")
        found[model.name] = model
    return found


def _model(message: Any, where: str) -> Model:
    name = message.name
    if not name or any(each in name for each in "/:") or not name.isprintable():
        raise invalid(f"{where}: a model is named {name!r}; a name has no '/' and no ':' and is not empty.")
    if not message.base_path.startswith("/"):
        raise invalid(
            f"{where}: Expected model {name} to have an absolute path or URI; got base_path()="
            f"{message.base_path}"
        )
    if message.model_platform not in _PLATFORMS:
        raise invalid(
            f"{where}: the model {name} has the platform {message.model_platform!r}, not 'tensorflow'."
        )
    labels = dict(message.version_labels)
    for label, version in labels.items():
        if not label or any(each in label for each in "/:") or version < 0:
            raise invalid(f"{where}: the model {name} has a wrong label: {label!r} for version {version}.")
    return Model(name, Path(message.base_path), _policy(message, name, where), labels)


def _policy(message: Any, name: str, where: str) -> Policy:
    policy = message.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return Policy(latest=0)
    if kind == "specific":
        versions = tuple(policy.specific.versions)
        if not versions or min(versions) < 0:
            raise invalid(f"{where}: the model {name} has a policy 'specific' without versions.")
        return Policy(versions)
    return Policy(latest=policy.latest.num_versions or 1)
