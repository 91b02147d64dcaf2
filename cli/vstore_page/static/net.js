// Requests to the server of this page.

// An error, as the server says it: code, message, and what to do next.
export class Failed extends Error {
  constructor(status, { code = "failure", message = "the server gave no answer", next = "" } = {}) {
    super(message);
    this.name = "Failed";
    this.status = status;
    this.code = code;
    this.next = next;
  }
}

export function isAborted(err) {
  return err.name === "AbortError";
}

// read: of an answer, such as `json`. An answer that breaks off is none.
async function ask(url, read, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", redirect: "error", ...options });
    if (response.ok) return await response[read]();
  } catch (err) {
    if (isAborted(err)) throw err;
    throw new Failed(0, {
      code: "no_server", message: "the server of this page does not answer", next: "if it has ended, start it again: vstore serve",
    });
  }
  let document = {};
  try {
    document = await response.json();
  } catch (err) {
    if (isAborted(err)) throw err;
  }
  throw new Failed(response.status, document.error);
}

// Ask for the JSON of an address; parameters that it has are sent as they stand.
export async function getJson(url, { signal } = {}) {
  return ask(url, "json", { headers: { Accept: "application/json" }, signal });
}

export async function getBytes(url, { signal } = {}) {
  return ask(url, "arrayBuffer", { signal });
}

// Change something.
export async function postJson(url, body, { signal } = {}) {
  const headers = { Accept: "application/json", "Content-Type": "application/json", "X-Vstore": "1" };
  return ask(url, "json", { method: "POST", headers, body: JSON.stringify(body), signal });
}

// Send a file.
export async function postBytes(url, bytes, { signal } = {}) {
  const headers = { Accept: "application/json", "Content-Type": "application/octet-stream", "X-Vstore": "1" };
  return ask(url, "json", { method: "POST", headers, body: bytes, signal });
}
