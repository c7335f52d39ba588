"""The locale by which onnxruntime makes letters small, on machines that do not have it.

A model that makes text lower case, such as a pipeline of scikit-learn with a ``TfidfVectorizer``, is refused
by onnxruntime where ``en_US.UTF-8`` is not installed, as in most containers. ``C.UTF-8``, which the C library
brings along, knows the same letters, so it takes that name in this process.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from tempfile import TemporaryDirectory

NAME = "en_US.UTF-8"
_SPARE = Path("/usr/lib/locale/C.utf8")
_ALL = 0x1FBF  # LC_ALL_MASK: every category of the C library
_PATH = "LOCPATH"


def provide() -> bool:
    """Let the locale be there, and tell whether it is; call it before threads start: it sets a variable."""
    library = ctypes.CDLL(None)
    if _is_there(library):
        return True
    if _PATH in os.environ or not _SPARE.is_dir():
        return False
    try:
        with TemporaryDirectory(prefix="locale-") as folder:
            (Path(folder) / NAME).symlink_to(_SPARE)
            # Past Python, so that programs which are started from here do not look where nothing is any more.
            library.setenv(_PATH.encode(), os.fsencode(folder), 1)
            # What is loaded once is never given back, and is found again by its path when that is gone.
            return _is_there(library)
    except OSError:
        return False


def _is_there(library: ctypes.CDLL) -> bool:
    library.newlocale.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    library.newlocale.restype = ctypes.c_void_p
    return library.newlocale(_ALL, NAME.encode(), None) is not None
