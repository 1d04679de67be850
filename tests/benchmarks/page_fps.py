"""Frames per second of preview.html while it is panned and zoomed, and its size, by pictures.

    python tests/benchmarks/page_fps.py [--gpu] [1000 10000 50000]

Opens pages of generated pictures in a headless Chromium (Playwright for Python, the `test` extra).
Without --gpu the browser draws in software, which is the slowest machine a page will meet.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import tempfile
import time

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from itae_cluster.clustering.similarity import Similarity
from itae_cluster.preview import PreviewData, write_page

CLUSTERS = 60
DIFFERENT = 300  # pictures; the others repeat them
SOFTWARE = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-precise-memory-info",
]

PAN = """
async ([seconds, zoom]) => {
  const at = fitted * zoom, times = [];
  await new Promise((done) => {
    const begin = performance.now();
    let last = begin;
    function step(now) {
      const turn = (now - begin) / 400;
      times.push(now - last);
      last = now;
      if (now - begin > seconds * 1000) return done();
      surface.call(zoomer.transform, vendor.zoomIdentity
        .translate(width / 2 + 120 * Math.sin(turn), height / 2 + 80 * Math.cos(turn))
        .scale(at).translate(-0.5, -0.5));
      requestAnimationFrame(step);
    }
    requestAnimationFrame(step);
  });
  times.sort((a, b) => a - b);
  return { fps: times.length / seconds, slowest: times[Math.floor(times.length * 0.95)] };
}
"""


# From navigation to the first text on the screen, and what the scripts hold once all has been seen.
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
HEAP = "performance.memory.usedJSHeapSize / 1e6"


def photograph(row: int) -> bytes:
    """As hard to compress as a photograph: smooth, with some noise."""
    random = np.random.default_rng(row)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((112, 84), Image.Resampling.BICUBIC)).astype(float)
    pixels = np.clip(smooth + random.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def collection(n: int) -> PreviewData:
    """`n` pictures in 60 clusters."""
    random = np.random.default_rng(0)
    labels = np.sort(random.integers(0, CLUSTERS, n)).astype(np.int64)
    places = random.uniform(-20, 20, (CLUSTERS, 2))
    jpegs = [photograph(row) for row in range(DIFFERENT)]
    neighbours = (np.arange(n)[:, None] + np.arange(1, 9)) % n
    return PreviewData(
        coordinates=(places[labels] + random.normal(0, 1.6, (n, 2))).astype(np.float32),
        labels=labels,
        names=tuple(f"cluster-{label:03d}/IMG_{row:05d}.jpg" for row, label in enumerate(labels)),
        distances=random.random(n).astype(np.float32),
        representatives={
            label: tuple(np.flatnonzero(labels == label)[:8].tolist()) for label in range(CLUSTERS)
        },
        folders={label: f"cluster-{label:03d}" for label in range(CLUSTERS)},
        thumbnails={row: jpegs[row % DIFFERENT] for row in range(n)},
        title="Benchmark",
        subtitle=f"{n:,} pictures",
        similarity=Similarity(neighbours, np.full((n, 8), 0.5, np.float32), ()),
    )


def renderer_memory() -> float:
    """MB of the largest page of a browser that this process started."""
    ours, held = {os.getpid()}, [0.0]
    for process in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        try:
            with open(f"/proc/{process}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{process}/cmdline") as file:
                is_page = "--type=renderer" in file.read()
        except OSError:  # it has ended
            continue
        if int(fields[1]) in ours:  # its parent; numbers rise from parent to child, mostly
            ours.add(process)
            if is_page:
                held.append(int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return max(held)


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[1_000, 10_000, 50_000])
    parser.add_argument("--gpu", action="store_true", help="let the browser use the graphics card")
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    arguments = QUIET + ([] if given.gpu else SOFTWARE)
    print(
        "pictures  written in  peak memory       size  first paint  first map  scripts  renderer"
        "  fps, all  fps, 8×  fps, 60×"
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for n in given.sizes:
            path = os.path.join(folder, f"{n}.html")
            begin = time.perf_counter()
            write_page(collection(n), path)
            took = time.perf_counter() - begin
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=arguments
            )
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            begin = time.perf_counter()
            page.goto(f"file://{path}", wait_until="commit")
            page.wait_for_selector("html[data-ready]", timeout=120_000)
            first = time.perf_counter() - begin
            paint = page.evaluate(PAINT) / 1000
            page.wait_for_function("() => document.readyState === 'complete' && settledFor > 0")
            page.wait_for_timeout(3000)
            rates = []
            for zoom in (1, 8, 60):
                page.evaluate(PAN, [1, zoom])  # reads the sheets that this view needs
                rates.append(page.evaluate(PAN, [given.seconds, zoom])["fps"])
            size = os.path.getsize(path) / 1e6
            shown = "  ".join(f"{rate:8.0f}" for rate in rates)
            held = f"{page.evaluate(HEAP):4.0f} MB   {renderer_memory():4.0f} MB"
            print(
                f"{n:8,}  {took:8.1f} s  {memory:8.0f} MB  {size:6.1f} MB  {paint:9.1f} s  "
                f"{first:7.1f} s  {held}  {shown}"
            )
            browser.close()


if __name__ == "__main__":
    main()
