"""Make the pictures of the documentation from the demo album: `python docs/generate_preview.py`.

Writes `docs/demo-preview.png` and, where Playwright and Chromium are installed, a screenshot of
`preview.html` as `docs/demo-page.png`.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

DOCS = Path(__file__).parent
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def main() -> None:
    """Make the album in a temporary folder, sort it, and look at it."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        album = os.path.join(folder, "itae-demo")
        subprocess.run([sys.executable, "-m", "itae_cluster", "demo", album], check=True)
        shutil.copy(os.path.join(album, "sorted", "preview.png"), DOCS / "demo-preview.png")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        page = browser.new_page(
            viewport={"width": 1200, "height": 720}, reduced_motion="reduce", color_scheme="light"
        )
        page.goto(Path(album, "sorted", "preview.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_function("() => settledFor > 0 && tileTextures.size > 0")
        page.evaluate("openPicture(members[2][0], { stay: true })")
        page.wait_for_timeout(1500)
        save(page.screenshot(), DOCS / "demo-page.png")
        browser.close()


def save(raw: bytes, path: Path) -> None:
    """As small a PNG as it gets."""
    with Image.open(io.BytesIO(raw)) as image:
        image.convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    main()
