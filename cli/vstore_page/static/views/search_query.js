// The query: a box for words, and a chip for each other part, with its sign and its weight. Pictures are dropped,
// pasted or chosen; they are sent to the server of this page, and stay in its memory.
import { thumbnailOf } from "../card.js";
import { el, failure, fill } from "../dom.js";
import { postBytes } from "../net.js";
import { readTerms, textTerm, uploadTerm, writeTerms } from "../terms.js";

const LARGEST = 50 * 2 ** 20; // bytes, as the server takes them

// Make it. change: changes the address. names: of keys and uploads what is known of them. hasNames: where no model reads
// words, they are looked for in names; without that nothing can be written.
// Returns { element, show(url, answer), focus, close }.
export function queryBox(ctx, { change, names, hasNames = true }) {
  let url = null, readsText = false;
  let put = null; // the words that were put into the box last
  const ending = new AbortController();
  let sending = new AbortController();
  const input = el("input", { type: "text", class: "words", autocomplete: "off", spellcheck: "false", enterkeyhint: "search", maxlength: 2000 });
  const file = el("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: () => { send([...file.files], false); file.value = ""; } });
  const chips = el("ul", { class: "chips", "aria-label": "The query" });
  const hint = el("p", { class: "search-hint soft small" });
  const trouble = el("div", { class: "search-trouble" });
  const clear = el("button", {
    type: "button", class: "quiet", hidden: true,
    onclick: () => {
      change((all, next) => { all.delete("name"); all.delete("k"); writeTerms(next, []); });
      input.focus();
    },
  }, "Clear");
  const submit = el("button", { type: "submit", class: "main" }, "Search");
  const form = el("form", { class: "query", role: "search", "aria-label": "Search", onsubmit: (event) => { event.preventDefault(); take(); } },
    el("div", { class: "query-box" },
      chips, input, clear,
      el("button", { type: "button", class: "quiet", title: "Look for a picture of yours: choose it here, drop it anywhere, or paste it", onclick: () => file.click() },
        picture(), el("span", { class: "wide-only" }, "Picture")),
      submit),
    file);
  const drop = el("div", { class: "drop", hidden: true, "aria-hidden": "true" }, el("p", {}, "Drop the picture to look for it"));
  const element = el("div", { class: "search-query" }, form, hint, trouble, drop);

  // The words in the box are the first term, where it is a text that counts once; or a part of names.
  const isInBox = (term) => readsText && term?.kind === "text" && term.weight === 1;

  function show(next, answer) {
    url = next;
    if (answer) readsText = answer.reads_text;
    const terms = readTerms(url);
    const first = isInBox(terms[0]);
    const words = readsText ? (first ? terms[0].value : "") : url.searchParams.get("name") ?? "";
    if (words !== put || document.activeElement !== input) input.value = put = words; // else somebody writes there
    if (answer) {
      const label = readsText ? "Describe a picture, or drop one" : hasNames ? "Find names, or drop a picture" : "Drop a picture, or choose one";
      input.placeholder = label;
      input.setAttribute("aria-label", label);
      fill(hint, hintOf(terms));
      input.disabled = submit.hidden = !readsText && !hasNames;
    }
    clear.hidden = !terms.length && !words;
    showChips(first ? terms.slice(1) : terms, first ? 1 : 0);
  }

  function hintOf(terms) {
    if (readsText) return terms.length ? "One more part: words that begin with + or −." : null;
    return hasNames ? "The model of this snapshot reads no words: they are looked for in names." : null;
  }

  function showChips(terms, from) {
    const had = document.activeElement?.closest?.(".chips [data-part]");
    const part = had?.dataset.part;
    fill(chips, terms.map((term, index) => chip(term, from + index)));
    if (part) chips.querySelector(`[data-part="${part}"]`)?.focus();
    chips.hidden = !terms.length;
  }

  function chip(term, index) {
    const known = names.get(term.value) ?? {};
    const name = nameOf(term, known);
    const edit = (run) => change((all, next) => {
      const terms = readTerms(next);
      run(terms);
      all.delete("k");
      writeTerms(next, terms);
    });
    const isAgainst = term.weight < 0;
    return el("li", { class: `chip part${isAgainst ? " against" : ""}` },
      el("button", {
        type: "button", class: "sign", "data-part": `sign${index}`, title: isAgainst ? "Away from it; click: look for it" : "Look for it; click: away from it",
        "aria-label": `${name}: ${isAgainst ? "away from it" : "look for it"}`, "aria-pressed": isAgainst ? "true" : "false",
        onclick: () => edit((terms) => { terms[index].weight *= -1; }),
      }, isAgainst ? "−" : "+"),
      face(term, known),
      el("span", { class: "chip-name", title: name }, name),
      el("input", {
        type: "number", class: "weight", "data-part": `weight${index}`, min: 0.1, max: 100, step: 0.1, value: Math.abs(term.weight), "aria-label": `Weight of ${name}`, title: "Weight",
        onchange: (event) => {
          const weight = Number(event.target.value);
          if (weight > 0 && weight <= 100) edit((terms) => { terms[index].weight = weight * (isAgainst ? -1 : 1); });
          else event.target.value = Math.abs(term.weight);
        },
      }),
      el("button", {
        type: "button", class: "remove", "data-part": `remove${index}`, title: "Leave it out", "aria-label": `Leave out ${name}`,
        onclick: () => { edit((terms) => terms.splice(index, 1)); input.focus(); },
      }, "×"));
  }

  // Take what stands in the box: words, which take the place of those before; with + or - first, one more part.
  function take() {
    const given = input.value.trim();
    put = null;
    const signed = readsText && /^([+−-])\s*(\S[\s\S]*)$/.exec(given);
    change((all, next) => {
      all.delete("k");
      if (!readsText) {
        if (given) all.set("name", given);
        else all.delete("name");
        return;
      }
      const terms = readTerms(next);
      if (signed) terms.push(textTerm(signed[2], signed[1] === "+" ? 1 : -1));
      else {
        if (isInBox(terms[0])) terms.shift();
        if (given) terms.unshift(textTerm(given));
      }
      writeTerms(next, terms);
    });
  }

  // Send pictures, and look for them. isAdded: beside what is looked for already.
  async function send(files, isAdded) {
    const pictures = files.slice(0, 10);
    if (!pictures.length) return;
    sending.abort(); // the pictures that are given last are meant
    sending = new AbortController();
    const { signal } = sending;
    fill(trouble, el("p", { class: "soft", role: "status" }, "Reading the picture …"));
    try {
      const sent = [];
      for (const one of pictures) {
        if (one.size > LARGEST) throw Object.assign(new Error(`${one.name || "the picture"} has more than 50 MiB`), { name: "Failed", next: "choose a smaller one" });
        const { upload } = await postBytes("/uploads", one, { signal });
        names.set(upload, { file: one.name || "your picture" });
        sent.push(uploadTerm(upload));
      }
      if (signal.aborted) return;
      fill(trouble);
      change((all, next) => {
        const others = readTerms(next).filter((term) => !sent.some((one) => one.value === term.value));
        all.delete("k");
        writeTerms(next, [...(isAdded ? others : []), ...sent]);
      });
    } catch (err) {
      if (signal.aborted) return;
      fill(trouble, failure(err));
    }
  }

  const on = (name, run) => document.addEventListener(name, run, { signal: ending.signal });
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let inside = 0;
  const showDrop = (isShown) => { drop.hidden = !isShown; };
  on("dragenter", (event) => { if (hasFiles(event)) { inside++; showDrop(true); } });
  on("dragleave", (event) => { if (hasFiles(event) && --inside <= 0) { inside = 0; showDrop(false); } });
  on("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  on("drop", (event) => {
    inside = 0;
    showDrop(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    send([...event.dataTransfer.files], event.shiftKey);
  });
  on("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    send(files, false);
  });

  return {
    element,
    show,
    focus() {
      input.focus();
      input.select();
    },
    close() {
      ending.abort();
      sending.abort();
    },
  };
}

function nameOf(term, known) {
  if (term.kind === "text") return term.value;
  if (term.kind === "up") return known.file ?? "your picture";
  return known.picture?.name || `picture ${term.value.slice(0, 8)}`;
}

function face(term, known) {
  if (!known.picture && !known.upload && !known.file) return null; // a text, or not known to be there
  const made = el("img", { alt: "", decoding: "async" });
  made.addEventListener("error", () => made.remove());
  made.src = term.kind === "up" ? `/uploads/${term.value}` : thumbnailOf(term.value, known.at);
  return made;
}

function picture() {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  made.setAttribute("viewBox", "0 0 20 20");
  made.setAttribute("aria-hidden", "true");
  made.classList.add("icon");
  for (const d of ["M3 4h14v12H3z", "M3 14l4-4 3 3 3-4 4 5", "M7.2 7.4h.1"]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    made.append(path);
  }
  return made;
}
