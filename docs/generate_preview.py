"""Make the pictures of the documentation from the demo album: `python docs/generate_preview.py`.

Writes `docs/demo-preview.png`, and screenshots of `preview.html`: `docs/demo-page.png`, and
`docs/demo-edit.png` and `docs/demo-changes.png`, where it is corrected.
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
        page.evaluate("closeDetails(), openCluster(2), tick(members[2].slice(1, 4), true)")
        page.wait_for_timeout(800)
        page.keyboard.press("m")
        page.wait_for_timeout(800)
        save(page.screenshot(), DOCS / "demo-edit.png")
        page.keyboard.type("Another name")
        page.keyboard.press("Enter")
        page.evaluate("rename(1, 'A name'), rejectRows(members[3].slice(0, 2)), openChanges()")
        page.evaluate("find('#details code').textContent = 'itae-cluster edit sorted changes.json'")
        page.wait_for_timeout(800)
        save(page.screenshot(), DOCS / "demo-changes.png")
        browser.close()


def save(raw: bytes, path: Path) -> None:
    """A small PNG of 256 colours, among them those that only a few pixels have: the clusters'."""
    with Image.open(io.BytesIO(raw)) as image:
        few = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=1)
        few.save(path, optimize=True)


if __name__ == "__main__":
    main()
