// Python in a thread of the browser, so that the page stays alive: see docs/playground.py.
import { loadPyodide } from "./pyodide.mjs";

const here = new URL(".", import.meta.url).href;

const answer = (async () => {
  const packages = fetch(`${here}packages.zip`).then((response) => response.arrayBuffer());
  const py = await loadPyodide({ indexURL: here });
  py.unpackArchive(await packages, "zip", { extractDir: "/packages" });
  return py.runPython(`
import sys
sys.path.insert(0, "/packages")
import loops
loops.install()
import running
running.answer
`);
})();

onmessage = async ({ data }) => {
  try {
    postMessage((await answer)(data));
  } catch (error) {
    postMessage(JSON.stringify({ text: String(error), picture: "", same: false }));
  }
};
