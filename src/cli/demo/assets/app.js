// The embedded app's own script. It holds no token and knows no host: cookies, the gateway and its helper do the rest.
"use strict";
const out = document.getElementById("out");
const base = `/projects/${out.dataset.project ?? "apollo"}`;

const show = (text) => {
  out.textContent = text;
};

const brief = (value) => (value.length > 70 ? `${value.slice(0, 24)}…` : value);

async function answer(response) {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json");
  const head = `${response.status} ${response.headers.get("x-vestibule-error") ?? response.statusText}`;
  const lines = isJson
    ? Object.entries(JSON.parse(text)).map(([name, value]) => `${name}: ${brief(String(value))}`)
    : [text];
  return [head, ...lines].join("\n");
}

/** The WebSocket that was opened last. */
let live = null;

const actions = {
  fetch: async () => show(await answer(await fetch(`${base}/whoami`))),
  write: async () =>
    show(await answer(await fetch(`${base}/notes`, { method: "POST", body: new URLSearchParams({ text: "anyway" }) }))),
  upload: async () => show(await answer(await fetch(`${base}/file`, { method: "PUT", body: new Uint8Array(1 << 20) }))),
  spoof: async () => {
    const headers = { "X-Vestibule-User": "somebody-else", "X-Vestibule-Permissions": "*", X_Vestibule_Roles: "staff" };
    show(await answer(await fetch(`${base}/whoami`, { headers })));
  },
  socket: () => {
    const address = new URL(`${base}/live`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    live?.close();
    const socket = new WebSocket(address);
    live = socket;
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (event) => show(event.data);
    socket.onerror = () => show("the WebSocket was refused");
    // It stays open until the gateway ends it: 4401 when the session is over, 4403 when the right is gone.
    socket.onclose = ({ code, reason }) => {
      if (code > 4000) show(`the WebSocket was closed: ${code} ${reason}`);
    };
  },
  stream: () => {
    const stream = new EventSource(`${base}/events`);
    stream.onmessage = (event) => {
      show(`event ${event.data}`);
      if (event.data === "2") stream.close();
    };
    stream.onerror = () => {
      show("the event stream was refused");
      stream.close();
    };
  },
};

for (const button of document.querySelectorAll("button[data-do]")) {
  button.addEventListener("click", () => actions[button.dataset.do]());
}

// The host's page asks its frame to do something, as the demo's buttons do.
addEventListener("message", ({ source, origin, data }) => {
  if (source !== parent || !Object.hasOwn(actions, data?.do)) return;
  source.postMessage({ doing: data.do }, origin);
  actions[data.do]();
});
if (parent !== window) parent.postMessage({ ready: true }, "*");
