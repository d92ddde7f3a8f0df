// Requests to the server that this page came from, and to no other.

class RequestError extends Error {
  constructor(message, reason, argument) {
    super(message);
    this.reason = reason;
    this.argument = argument;  // the field that is at fault, where one is
  }
}

const meta = () => document.querySelector('meta[name="espalier-token"]');

// A server that was started again has another token; its own page tells which.
async function refreshToken() {
  const text = await (await fetch("/", { cache: "no-store" })).text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const token = fresh.querySelector('meta[name="espalier-token"]');
  if (token) meta().content = token.content;
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new RequestError(
      "The server does not answer. If you stopped it, start it again with: espalier serve", "connection");
  }
}

async function answered(response) {
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  if (!response.ok) {
    const said = body && body.error ? body.error : `The server answered ${response.status}`;
    throw new RequestError(said, body && body.reason, body && body.argument);
  }
  if (body === null)
    throw new RequestError("The server sent no JSON; reload the page, or start the server again", "answer");
  return body;
}

export async function get(path) {
  return answered(await send(path, { cache: "no-store" }));
}

export async function getText(path) {
  const response = await send(path, { cache: "no-store" });
  return response.ok ? response.text() : answered(response);
}

export async function post(path, body = {}, again = true) {
  const response = await send(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Espalier-Token": meta().content },
    body: JSON.stringify(body),
  });
  if (response.status !== 403 || !again) return answered(response);
  await refreshToken();
  return post(path, body, false);
}

// The parts of an address, slashes kept.
export const fileAddress = (run, path) =>
  `/api/runs/${encodeURIComponent(run)}/files/${path.split("/").map(encodeURIComponent).join("/")}`;
