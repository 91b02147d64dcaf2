// What pages of groups and the review of one have in common.
import { count, el, number } from "../dom.js";

// Say what a group is.
export function heading(row, found) {
  const files = count(row.files, "file");
  if (row.tier !== "near") return `${files} with the same ${row.tier}`;
  const least = row.least === null ? "" : ` (score ${row.least.toFixed(3)} or more)`;
  return `${files} that look ${found.loose ? "like the first" : "alike"}${least}${row.burst ? ", some of a burst" : ""}`;
}

// Tell whether a picture stays: as was decided, else as is suggested.
export function stays(row, one) {
  return row.done ? row.done.verb === "different" || row.done.stay.includes(one.key) : one.suggested;
}

// Say what was decided about a group.
export function said({ done, picture_count: pictures }) {
  if (done.verb === "different") return "different";
  if (done.verb === "same") return "the same";
  return done.stay.length === pictures ? "all stay" : `${number(done.stay.length)} of ${number(pictures)} stay`;
}

// The command that moves the copies away.
export function plan(address, found) {
  const given = address.searchParams;
  const quoted = (text) => (/^[\w./:=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const words = ["vstore dupes"];
  if (given.get("near") !== "none") words.push(given.get("near") ? `--near ${quoted(given.get("near"))}` : "--near");
  if (found.bursts) words.push("--bursts");
  for (const name of ["at", "under", "where"]) if (given.get(name)) words.push(`--${name} ${quoted(given.get(name))}`);
  words.push("--plan plan.json");
  return el("p", { class: "soft small plan" },
    "Nothing is moved here. This writes a plan that keeps what stays, to be read first: ", el("code", {}, words.join(" ")),
    found.loose && " A plan is made without “like the first”.");
}
