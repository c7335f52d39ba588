"""Files that are dropped on a page, as a drag from outside of the browser does it."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from playwright.sync_api import Page

_DROP = """
(files) => {
  const transfer = new DataTransfer();
  for (const [name, content] of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, options));
  }
}
"""


def drop(page: Page, files: Mapping[str, bytes | str]) -> None:
    """Drop files anywhere on a page."""
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    page.evaluate(_DROP, [[name, base64.b64encode(each).decode()] for name, each in contents.items()])
