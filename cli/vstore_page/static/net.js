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

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", redirect: "error", ...options });
  } catch (err) {
    if (isAborted(err)) throw err;
    throw new Failed(0, {
      code: "no_server", message: "the server of this page does not answer", next: "if it has ended, start it again: vstore serve",
    });
  }
  if (response.ok) return response;
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
  return (await ask(url, { headers: { Accept: "application/json" }, signal })).json();
}

export async function getBytes(url, { signal } = {}) {
  return (await ask(url, { signal })).arrayBuffer();
}

// Change something.
export async function postJson(url, body, { signal } = {}) {
  const headers = { Accept: "application/json", "Content-Type": "application/json", "X-Vstore": "1" };
  return (await ask(url, { method: "POST", headers, body: JSON.stringify(body), signal })).json();
}

// Send a file.
export async function postBytes(url, bytes, { signal } = {}) {
  const headers = { Accept: "application/json", "Content-Type": "application/octet-stream", "X-Vstore": "1" };
  return (await ask(url, { method: "POST", headers, body: bytes, signal })).json();
}
