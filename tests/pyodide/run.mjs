// Run tests in Pyodide: node run.mjs PYODIDE PACKAGES TESTS...
//
// PYODIDE is the folder of the npm package, PACKAGES one that pip has filled, and TESTS are arguments
// for pytest with a comma between them. They run in a process each, as many at once as there are
// cores. The last line has the counts. As many must pass as the variable LEAST says.
import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker, isMainThread, parentPort } from "node:worker_threads";

const SELF = fileURLToPath(import.meta.url);
const ROOT = resolve(dirname(SELF), "../..");
const STACK = "--stack-size=7000"; // of the 8 MB that a process has; the tests of depth use it
const SECONDS = 600; // for one test; what hangs cannot be interrupted from within
const PYTEST = ["-q", "-rs", "--tb=short", "-p", "no:cacheprovider", "-p", "wanting"];

if (!isMainThread) watch();
else if (process.argv[2] === "--one") await run(...process.argv.slice(3));
else await runAll(...process.argv.slice(2));

// Ends the process when a test takes too long.
function watch() {
  let timer;
  parentPort.on("message", (test) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      writeSync(2, `${test} has taken ${SECONDS} s\n`);
      process.kill(process.pid, "SIGKILL");
    }, SECONDS * 1000);
  });
}

async function run(pyodide, packages, ...args) {
  const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
  const watcher = new Worker(SELF);
  watcher.unref();
  const py = await loadPyodide({ env: { HOME: "/home/pyodide", PYTHONDONTWRITEBYTECODE: "1" } });
  for (const [place, root] of Object.entries({ "/anystream": ROOT, "/packages": packages })) {
    py.FS.mkdirTree(place);
    py.FS.mount(py.FS.filesystems.NODEFS, { root }, place);
  }
  py.registerJsModule("node", {
    begun: (test) => watcher.postMessage(test),
    ended: (counts) => writeSync(3, counts),
  });
  py.globals.set("args", py.toPy([...PYTEST, ...args]));
  process.exitCode = py.runPython(`
import os, sys
os.chdir("/anystream")
sys.path[:0] = ["/packages", "docs/browser", "tests/pyodide"]
import loops
loops.install()
import pytest
int(pytest.main([*args]))
`);
}

async function runAll(pyodide, packages, ...all) {
  const least = Number(process.env.LEAST ?? 1);
  const totals = { passed: 0, skipped: 0, failed: 0 };
  const broken = [];
  const next = async () => {
    for (let tests; (tests = all.shift()); ) {
      const { code, output, counts } = await inProcess(tests.split(","), pyodide, packages);
      for (const [name, count] of Object.entries(counts)) totals[name] += count;
      console.log(`${tests}: ${JSON.stringify(counts)}`);
      if (code === 0 && counts.failed === 0) continue;
      broken.push(tests);
      console.log(output.replace(/^(.{300}).*/gm, "$1").slice(-20000));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, next));
  console.log(JSON.stringify({ ...totals, broken }));
  if (totals.passed < least) console.log(`fewer than ${least} have passed`);
  process.exitCode = broken.length || totals.passed < least ? 1 : 0;
}

function inProcess(tests, pyodide, packages) {
  const args = [STACK, SELF, "--one", resolve(pyodide), resolve(packages), ...tests];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let output = "";
  let counts = "{}";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (output += data));
  child.stdio[3].on("data", (data) => (counts = `${data}`));
  return new Promise((done) =>
    child.on("close", (code) => done({ code, output, counts: JSON.parse(counts) })),
  );
}
