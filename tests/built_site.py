"""Check a built site: python tests/built_site.py docs/_build [axe.min.js]

No page asks another host for anything, all that a page loads is there, and the signatures of the
reference show what people write. With Chromium on PATH, the requests of all pages are those that it
really makes, and with axe (`npm pack axe-core`) each page is tested for accessibility as well, on a
light and on a dark theme. If the site has a playground, each block of some guides is run in it.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc="([^"]+)"
    |   <link\b(?=[^>]*\brel="(?:stylesheet|icon|preload|prefetch)")[^>]*?\bhref="([^"]+)"
    |   <object\b[^>]*?\bdata="([^"]+)"
    """,
    re.VERBOSE,
)
OF_CSS = re.compile(r"""(?:@import\s+|url\()["']?([^"')]+)""")
IMPORT = re.compile(r"""\bimport\b[^;"']{0,99}["'](https?:[^"']+)""")
SIGNATURE = re.compile(r'<dt class="sig sig-object py".*?</dt>', re.DOTALL)
ODD = re.compile(r"~|<|\bMISSING\b|= [A-Z][A-Z_]+\b| object at 0x")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
PLAYED = ("time", "operators", "usage", "cleanup", "tasks")
"""The guides that are run: two of timelines, and three of code."""
STOPPED = ["Stopped.", "Stopped.", "What came out, as shown:", "What came out, as shown:"]
"""What two blocks say that were stopped, and run once more."""
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main(site: Path, axe: Path | None) -> int:
    pages = sorted(site.rglob("*.html"))
    faults = [*loads(site), *signatures(site)]
    seen = "in the text"
    if CHROMIUM:
        seen = "by Chromium"
        faults += requests(site, pages)
        faults += differing(site)
        for theme in ("light", "dark") if axe else ():
            faults += violations(site, pages, axe, theme)
    else:
        print("no Chromium on PATH: neither requests nor the playground are looked at")
    print(*faults, sep="\n", end="\n" * bool(faults))
    print(f"{len(pages)} pages, looked at {seen}: {len(faults)} faults")
    return int(bool(faults) or not pages)


def loads(site: Path) -> Iterator[str]:
    """What pages and style sheets name, and is elsewhere or not there."""
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        text = file.read_text("utf-8")
        named = [next(filter(None, groups)) for groups in LOADED.findall(text)]
        named += IMPORT.findall(text) + (OF_CSS.findall(text) if file.suffix == ".css" else [])
        for url in map(unescape, named):
            path = file.parent / unquote(urlparse(url).path)
            if url.startswith(("data:", "#")):
                continue
            if urlparse(url).netloc or not path.exists():
                yield f"{file.relative_to(site)} loads {url}"


def signatures(site: Path) -> Iterator[str]:
    """Defaults that nobody could write, and types with their modules."""
    entries = 0
    for file in sorted(site.glob("reference/*.html")):
        for found in SIGNATURE.findall(file.read_text("utf-8")):
            shown = " ".join(unescape(re.sub(r"<[^>]+>", "", found)).split())
            entries += 1
            if ODD.search(shown):
                yield f"{file.relative_to(site)}: {shown}"
    if not entries:
        yield "the reference has no signatures"


class Served:
    """The site over HTTP, with a page of ours in it."""

    def __init__(self, site: Path, body: str, *files: Path) -> None:
        more = {"/": f"<!doctype html><title>all</title><body>{body}".encode()}
        more |= {f"/{file.name}": file.read_bytes() for file in files}

        ready = threading.Event()

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/ready":
                    ready.set()
                if self.path == "/wait":  # and with it the page for being loaded
                    ready.wait(900)
                if self.path in more:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(more[self.path])
                else:
                    super().do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def opened(self, *options: str) -> str:
        """What Chromium makes of our page."""
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", *options]
            command += ["--dump-dom", f"{self.origin}/"]
            ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
        self.server.shutdown()
        return ran.stdout

    @contextmanager
    def logged(self, urls: set[str]) -> Iterator[str]:
        """An option for Chromium, and afterwards the addresses that our pages have asked for."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log.json")
            yield f"--log-net-log={log}"
            events = json.loads(log.read_text("utf-8"))["events"]
        # Chromium itself asks its maker for things; the rest has our pages as its initiator.
        told = [event["params"] for event in events if "initiator" in event.get("params", {})]
        urls |= {params["url"] for params in told if params["initiator"] == self.origin}

    def elsewhere(self, urls: set[str]) -> Iterator[str]:
        for url in sorted(urls):
            if not url.startswith((self.origin, "blob:", "data:")):
                yield f"a page asks for {url}"


def requests(site: Path, pages: list[Path]) -> Iterator[str]:
    """The addresses that the pages ask for when they are open in Chromium."""
    names = [page.relative_to(site).as_posix() for page in pages]
    served = Served(site, "".join(f'<iframe src="{name}"></iframe>' for name in names))
    urls = set[str]()
    with served.logged(urls) as log:
        served.opened(log, "--virtual-time-budget=10000")
    yield from served.elsewhere(urls)
    for name in names:
        if f"{served.origin}/{name}" not in urls:
            yield f"Chromium has not opened {name}"


def differing(site: Path) -> Iterator[str]:
    """The blocks of some guides that give something else in the playground than the page shows."""
    if not (site / "_static" / "playground").exists():
        print("no playground: it is made if PYODIDE names the folder of the npm package `pyodide`")
        return
    script = f"""<script>
    const texts = (nodes) => [...nodes].map((node) => node.textContent);
    const drawn = (part) => texts(part.querySelectorAll(".result desc"));
    function output(block) {{
      const next = block.nextElementSibling;
      return next?.matches(".highlight-text") ? next.querySelector("pre").textContent : null;
    }}
    const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
    async function opened(page) {{
      const frame = document.createElement("iframe");
      frame.width = 1200; frame.height = 900; frame.src = page + ".html";
      await new Promise((done) => {{ frame.onload = done; document.body.append(frame); }});
      return [frame, [...frame.contentDocument.querySelectorAll(".runnable")]];
    }}
    async function run(block) {{
      const button = block.querySelector("button.run");
      button.click();
      while (button.textContent !== "Run") await pause(20);
      return block.querySelector("[role=status]").textContent;
    }}
    async function play(page) {{
      const [frame, blocks] = await opened(page);
      const told = [];
      for (const block of blocks) {{
        await run(block);
        const came = block.querySelector(".came");
        const timelines = block.dataset.timelines;
        const [shown, given] = timelines
          ? [drawn(block.querySelector(".marbles")), drawn(came)]
          : [output(block), came.textContent];
        const right = block.dataset.ran === "true";
        const source = timelines ?? block.querySelector("pre").textContent;
        told.push({{ page, source, shown, given, right }});
      }}
      frame.remove();
      return told;
    }}
    // Code that never ends, and another block that waits for it.
    async function stopped() {{
      const [frame, [block, next]] = await opened("usage");
      const code = block.querySelector("pre");
      const original = code.textContent;
      await run(block);
      code.textContent = "while True: pass";
      const told = [run(block), run(next)];
      await pause(300);
      block.querySelector("button.run").click();
      const said = await Promise.all(told);
      code.textContent = original;
      said.push(await run(block), await run(next));
      frame.remove();
      return said;
    }}
    (async () => {{
      const told = {{ stopped: await stopped(), ran: [] }};
      for (const page of {json.dumps(PLAYED)}) told.ran.push(...await play(page));
      document.body.textContent = "<<" + JSON.stringify(told) + ">>";
      await fetch("/ready");
    }})();
    </script><img src="/wait" alt="">"""
    served = Served(site, script)
    urls = set[str]()
    with served.logged(urls) as log:
        told = told_in(served.opened(log))
    yield from served.elsewhere(urls)
    if not told:
        yield "the playground did not come to an end"
        return
    if told["stopped"] != STOPPED:
        yield f"the playground cannot be stopped: {told['stopped']}"
    for ran in told["ran"]:
        if not ran["right"] or ran["shown"] not in (None, ran["given"]):
            yield f"{ran['page']}: {ran['source']} gives {ran['given']}, not {ran['shown']}"
    for page in {*PLAYED} - {ran["page"] for ran in told["ran"]}:
        yield f"{page} has no block to run"
    print(f"{len(told['ran'])} blocks of {', '.join(PLAYED)} were run in the playground")


def violations(site: Path, pages: list[Path], axe: Path, theme: str) -> Iterator[str]:
    """What axe finds on each page, and on one of those with nothing but code."""
    names = [page.relative_to(site).as_posix() for page in pages]
    code = [name for name in names if name.startswith("_modules/")]
    names = [name for name in names if name not in code[1:]]
    script = f"""<script>
    async function look(page) {{
      const frame = document.createElement("iframe");
      frame.width = 1200; frame.height = 900; frame.title = page; frame.src = page;
      await new Promise((done) => {{ frame.onload = done; document.body.append(frame); }});
      const inside = frame.contentWindow;
      inside.document.body.dataset.theme = "{theme}";
      await new Promise((done) => {{
        const script = inside.document.createElement("script");
        script.src = "/{axe.name}"; script.onload = done; inside.document.head.append(script);
      }});
      const result = await inside.axe.run(inside.document);
      frame.remove();
      return result.violations.map((rule) =>
        [page, rule.id, rule.nodes.length, rule.nodes[0].html.slice(0, 150)]);
    }}
    (async () => {{
      const found = [];
      for (const page of {json.dumps(names)}) found.push(...await look(page));
      document.body.textContent = "<<" + JSON.stringify(found) + ">>";
    }})();
    </script>"""
    dumped = Served(site, script, axe).opened("--timeout=600000", "--virtual-time-budget=100000000")
    told = told_in(dumped)
    if told is None:
        yield f"axe did not come to an end: {dumped[-300:]}"
    for page, rule, times, example in told or []:
        yield f"{page}, {theme}: {rule} ({times}): {example}"


def told_in(dumped: str) -> Any:
    """What the script in our page has written into it."""
    told = re.search(r"&lt;&lt;(.*)&gt;&gt;", dumped, re.DOTALL)
    return told and json.loads(unescape(told[1]))


if __name__ == "__main__":
    axes = [Path(path).resolve() for path in sys.argv[2:]]
    sys.exit(main(Path(sys.argv[1]).resolve(), axes[0] if axes else None))
