// Keyboard shortcuts. `?` lists those of the view, and Esc closes what is open.
import { el } from "./dom.js";

const groups = [];

// Add shortcuts: [{ key: "j", does: "the next picture", run }], `key` as KeyboardEvent.key has it, or a list of these.
// Returns the function that takes them away. A `run` that returns false leaves the key to the browser.
export function keys(title, shortcuts) {
  const group = { title, shortcuts };
  groups.push(group);
  return () => {
    if (groups.includes(group)) groups.splice(groups.indexOf(group), 1);
  };
}

function isTyping(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]") !== null) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // with Shift or caps lock it is the same key
  for (const { shortcuts } of [...groups].reverse()) {
    const found = shortcuts.find((one) => [one.key].flat().includes(key));
    if (found && found.run(event) !== false) {
      event.preventDefault();
      return;
    }
  }
});

const shown = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

export function showKeys() {
  const dialog = el("dialog", { "aria-label": "Keyboard shortcuts", onclose: () => dialog.remove() },
    [...groups].reverse().map((group) => [
      el("h3", {}, group.title),
      el("dl", { class: "keys" }, group.shortcuts.filter((one) => one.does).map((one) => [
        el("dt", {}, [one.key].flat().map((key) => [el("kbd", {}, shown[key] ?? key), " "])), el("dd", {}, one.does),
      ])),
    ]),
    el("div", { class: "row" }, el("button", { type: "button", onclick: () => dialog.close() }, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
