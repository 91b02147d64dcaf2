// The terms of a query in an address: `t=+1:text:red car`, `t=-0.5:key:…`, `t=+1:up:…`. See terms.py, which reads them.

const TERM = /^([+ -]?)(\d{1,6}(?:\.\d{0,9})?|\.\d{1,9}):(text|key|up):([\s\S]*)$/;

// Read those of an address: [{ weight, kind, value }]. What is no term is left out: the server says so.
export function readTerms(url) {
  return url.searchParams.getAll("t").flatMap((given) => {
    const found = TERM.exec(given);
    return found ? [{ weight: Number(found[2]) * (found[1] === "-" ? -1 : 1), kind: found[3], value: found[4] }] : [];
  });
}

export function written({ weight, kind, value }) {
  return `${weight < 0 ? "-" : "+"}${Number(Math.abs(weight).toFixed(4))}:${kind}:${value}`;
}

// Write the terms into an address, in the place of those that it has.
export function writeTerms(url, terms) {
  url.searchParams.delete("t");
  for (const term of terms) url.searchParams.append("t", written(term));
  return url;
}

export const textTerm = (value, weight = 1) => ({ weight, kind: "text", value });
export const keyTerm = (value, weight = 1) => ({ weight, kind: "key", value });
export const uploadTerm = (value, weight = 1) => ({ weight, kind: "up", value });
