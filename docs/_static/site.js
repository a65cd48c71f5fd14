// A button that copies a block of code; of a session without the prompts and the output.
document.querySelectorAll(":not(.highlight-text) > div.highlight").forEach((block) => {
  const button = document.createElement("button");
  button.className = "copy";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const code = block.querySelector("pre").cloneNode(true);
    code.querySelectorAll(".gp, .go").forEach((part) => part.remove());
    try {
      await navigator.clipboard.writeText(code.textContent.trim() + "\n");
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  block.append(button);
});

// What scrolls can be scrolled with the keys.
const scroll = () => {
  const wide = ".highlight pre, .table-wrapper, .marbles-rows, .wide";
  document.querySelectorAll(wide).forEach((part) => {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  });
};
addEventListener("resize", scroll);
scroll();
