// The embedded app's own script. It holds no token and knows no host: cookies and the gateway do the rest.
"use strict";
const out = document.getElementById("out");
const base = out ? `/projects/${out.dataset.project}` : null;

function show(text) {
  if (out) out.textContent = text;
}

async function answer(response) {
  const text = await response.text();
  return `${response.status} ${response.headers.get("x-vestibule-error") ?? ""}\n${text.slice(0, 600)}`;
}

const actions = {
  fetch: async () => show(await answer(await fetch(`${base}/whoami`))),
  write: async () => show(await answer(await fetch(`${base}/notes`, { method: "POST", body: new URLSearchParams({ text: "anyway" }) }))),
  upload: async () => show(await answer(await fetch(`${base}/file`, { method: "PUT", body: new Uint8Array(1 << 20) }))),
  spoof: async () => {
    const headers = { "X-Vestibule-User": "somebody-else", "X-Vestibule-Permissions": "*", X_Vestibule_Roles: "staff" };
    show(await answer(await fetch(`${base ?? "/projects/apollo"}/whoami`, { headers })));
  },
  socket: () => {
    const socket = new WebSocket(`ws://${location.host}${base}/live`);
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (event) => { show(event.data); socket.close(); };
    socket.onerror = () => show("the WebSocket was refused");
  },
  stream: () => {
    const stream = new EventSource(`${base}/events`);
    stream.onmessage = (event) => { show(`event ${event.data}`); if (event.data === "2") stream.close(); };
    stream.onerror = () => { show("the event stream was refused"); stream.close(); };
  },
};

for (const button of document.querySelectorAll("button[data-do]")) {
  button.addEventListener("click", () => actions[button.dataset.do]());
}

// The host's page asks its frame to do something, as the demo's buttons do.
addEventListener("message", (event) => {
  if (event.source === parent && typeof event.data?.do === "string" && actions[event.data.do]) actions[event.data.do]();
});
