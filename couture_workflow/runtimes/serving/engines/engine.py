"""What each engine has in common: a loaded model that answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..models.signatures import Signature

Arrays = Mapping[str, np.ndarray[Any, Any]]


class Engine(Protocol):
    """A loaded model; ``run`` may be called from several threads."""

    #: "openvino", "onnxruntime" or "tensorflow"
    name: str
    signatures: Mapping[str, Signature]

    @property
    def alive(self) -> bool:
        """Tell whether it can run at all; one that cannot is opened anew."""

    def run(self, signature: str, feed: Arrays, outputs: tuple[str, ...]) -> Arrays:
        """Return the outputs for inputs that fit the signature."""

    def close(self) -> None:
        """Give back memory and processes."""
