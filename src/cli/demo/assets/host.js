// The host's page: it knows who is signed in, mints a token through its own server, and puts the app into a frame.
"use strict";
const $ = (id) => document.getElementById(id);
const frame = $("frame");
let gateway = "";
let people = [];

const lessons = {
  open: "A fresh token. The gateway opened it, asked the platform's API, and answered 303 with a sealed cookie; the token is gone from the address.",
  expired: "The token states an end that has passed, so the gateway answers 401 token_invalid.",
  tampered: "One bit of the token was flipped. The answer is byte for byte the one for an expired token: nothing to learn from it.",
  spoof: "The app's own page sent X-Vestibule-User, -Permissions and X_Vestibule_Roles. The app got the gateway's values and no others.",
  attack: "This page sent a POST with the frame's cookie. It comes from another site, so it is refused before the cookie is opened.",
  revoke: "The grants of this person are gone. The very next request is decided without them.",
  restore: "The grants are back, and count at once.",
};

async function open(kind, path) {
  const query = new URLSearchParams({ person: $("person").value, kind });
  const { token } = await (await fetch(`/api/token?${query}`)).json();
  frame.src = `${gateway}${path}?token=${token}`;
}

async function setGrant(revoked) {
  const body = JSON.stringify({ person: $("person").value, revoked });
  await fetch("/api/grants", { method: "POST", headers: { "content-type": "application/json" }, body });
  frame.contentWindow.postMessage({ do: "fetch" }, gateway);
}

const acts = {
  open: () => open("good", home()),
  expired: () => open("expired", home()),
  tampered: () => open("tampered", home()),
  spoof: () => frame.contentWindow.postMessage({ do: "spoof" }, gateway),
  attack: () => fetch(`${gateway}/projects/apollo/notes`, { method: "POST", mode: "no-cors", credentials: "include", body: "text=attack" }).catch(() => {}),
  revoke: () => setGrant(true),
  restore: () => setGrant(false),
};

function home() {
  return $("person").value === "ben" ? "/projects/cassini" : $("person").value === "eli" ? "/projects" : "/projects/apollo";
}

function row(list, name, value) {
  if (value === null || value === undefined || value === "" || value.length === 0) return;
  const term = document.createElement("dt");
  const detail = document.createElement("dd");
  term.textContent = name;
  detail.textContent = value;
  list.append(term, detail);
}

function log(event) {
  const item = document.createElement("li");
  item.className = event.decision;
  item.dataset.code = event.code ?? "";
  item.dataset.event = event.event;
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const status = document.createElement("span");
  status.className = "status";
  status.textContent = event.status;
  const what = document.createElement("code");
  what.textContent = `${event.method} ${event.path}`;
  summary.append(status, what);
  if (event.code) {
    const code = document.createElement("span");
    code.className = "code";
    code.textContent = event.code;
    summary.append(code);
  }
  const list = document.createElement("dl");
  const who = event.identity;
  row(list, "token", event.event === "bootstrap" ? (event.code ? "refused" : "accepted, exchanged for a session") : "");
  row(list, "identity", who && `${who.kind} ${who.user}${who.organization ? ` in ${who.organization}` : ""}${who.actor ? `, previewed by ${who.actor}` : ""}`);
  row(list, "permission", event.permission && `${event.permission}${event.project ? ` on ${event.project}` : ""}`);
  row(list, "grants from", event.grants_from.join(", "));
  row(list, "decision", event.decision === "none" ? "" : event.decision);
  for (const [name, value] of event.headers ?? []) row(list, name, name.endsWith("assertion") ? `${value.slice(0, 32)}…` : value);
  row(list, "answer", `${event.status} in ${event.milliseconds.toFixed(1)} ms`);
  details.append(summary, list);
  item.append(details);
  $("log").prepend(item);
  while ($("log").children.length > 100) $("log").lastChild.remove();
}

async function start() {
  ({ gateway, people } = await (await fetch("/api/people")).json());
  for (const one of people) $("person").add(new Option(one.name, one.key));
  new EventSource("/api/events").onmessage = (message) => log(JSON.parse(message.data));
  const describe = () => { $("says").textContent = people.find((one) => one.key === $("person").value).says; };
  $("person").addEventListener("change", () => { describe(); act("open"); });
  for (const button of document.querySelectorAll("button[data-act]")) button.addEventListener("click", () => act(button.dataset.act));
  describe();
  act("open");
}

function act(name) {
  $("lesson").textContent = lessons[name];
  acts[name]();
}

start();
