// A button beside each block that can be run, see docs/playground.py. Python is loaded when the
// first one is pressed, and runs in a worker.
const folder = new URL("playground/", document.currentScript.src);
const code = JSON.parse(document.getElementById("playground-code").textContent);
let worker;
let done = 0; // how many of `code` have been run
let giveUp = () => {};
let queue = Promise.resolve(); // of runs, one after the other

const stop = (reason) => {
  worker?.terminate();
  worker = undefined;
  done = 0;
  queue = Promise.resolve();
  giveUp(new Error(reason));
};

const ask = (question) =>
  new Promise((resolve, reject) => {
    giveUp = reject;
    worker ??= new Worker(new URL("worker.mjs", folder), { type: "module" });
    worker.onmessage = ({ data }) => resolve(JSON.parse(data));
    worker.onerror = () => stop("Python could not be loaded.");
    worker.postMessage(JSON.stringify(question));
  });

// Earlier blocks make names that later ones use.
const askAll = async (place, question) => {
  for (; done < place; done++) await ask(code[done]);
  done = Math.max(done, place + 1);
  return ask(question);
};

const element = (name, className, text = "") =>
  Object.assign(document.createElement(name), { className, textContent: text });

const equip = (block) => {
  const { number, timelines } = block.dataset;
  const bar = element("div", "play");
  const button = element("button", "run", "Run");
  button.type = "button";
  const status = element("span", "");
  status.setAttribute("role", "status");
  const came = element("div", "came");
  bar.append(status, button);
  block.append(bar, came);

  // What can be edited: the code in its place, timelines below their picture.
  const shown = block.querySelector("pre");
  const editor = timelines ? element("textarea", "timelines", timelines) : shown;
  const written = () => (timelines ? editor.value : editor.textContent);
  editor.spellcheck = false;
  editor.setAttribute("aria-label", "Code, which you can change");
  const original = written();

  const run = async () => {
    status.textContent = worker ? "Running …" : "Loading Python, 13 MB, the first time …";
    if (timelines) editor.rows = timelines.trim().split("\n").length;
    if (timelines) bar.before(editor);
    else Object.assign(editor, { contentEditable: "plaintext-only", role: "textbox", tabIndex: 0 });
    const changed = written() !== original;
    const question = timelines ? { timelines: written() } : { ...code[number], code: written() };
    const { text, picture, same } = await (timelines ? ask(question) : askAll(+number, question));
    came.replaceChildren();
    if (picture) came.innerHTML = picture;
    else if (text) came.append(element("pre", "", text));
    if (changed) status.textContent = "What came out of your code:";
    else status.textContent = same ? "What came out, as shown:" : "What came out, which differs:";
    if (!came.hasChildNodes()) status.textContent = "It ran, and printed nothing.";
    block.dataset.ran = same;
  };

  button.addEventListener("click", async () => {
    if (button.textContent === "Stop") return stop("Stopped.");
    button.textContent = "Stop";
    status.textContent = "Waiting …";
    try {
      await (queue = queue.then(run));
    } catch (error) {
      status.textContent = error.message;
    }
    button.textContent = "Run";
  });
};

document.querySelectorAll(".runnable").forEach(equip);
