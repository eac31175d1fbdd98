// The host's page: it knows who is signed in, gets a token from its own server, and puts the app into a frame.
"use strict";
const frame = $("frame");
let gateway = "";
let people = [];
let person;

const lessons = {
  open: "A fresh token. Vestibule opened it, asked Harbor's API about it, and answered 303 with a sealed cookie. The token is gone from the address.",
  other:
    "Another person, so another token and another session. Both are alive in this browser; the frame's address says whose it shows.",
  expired: "The token states an end that has passed. Vestibule answers 401, and who was signed in before stays so.",
  tampered:
    "One bit of the token was flipped. The answer is the one that an expired token gets, to the byte: there is nothing to learn from it.",
  spoof:
    "The app's own page sent X-Vestibule-User, -Permissions and X_Vestibule_Roles. The app got Vestibule's values and no others.",
  attack:
    "This page sent a POST to the app, with the cookie of the frame. It comes from another site: refused before the cookie is opened.",
  revoke: "The grants of this person are gone. The session lives, but the very next request is decided without them, and an open WebSocket is closed.",
  restore: "The grants are back, and count at once.",
};

const mint = async (kind) =>
  (await (await fetch(`/api/token?${new URLSearchParams({ person: person.key, kind })}`)).json()).token;

/** Who the frame was opened for, and when they get the next token. */
let shown;
let pushing;

async function open(kind) {
  frame.src = `${gateway}${person.home}?token=${await mint(kind)}`;
  shown = person;
  clearInterval(pushing);
  pushing = setInterval(push, 45_000);
}

// A token lives for a minute here. The frame gets a new one before that, as on Assembly.
async function push() {
  if (shown !== person) return;
  frame.contentWindow.postMessage({ type: "sessionToken.update", data: { token: await mint("good") } }, gateway);
}

// And one whenever it asks.
addEventListener("message", async ({ source, origin, data }) => {
  if (source !== frame.contentWindow || origin !== gateway || data?.type !== "sessionToken.refresh.request") return;
  const { requestId } = data;
  const token = await mint("good");
  source.postMessage({ type: "sessionToken.refresh.response", requestId, success: true, data: { token } }, origin);
});

// Waits for a word of the app in the frame; false if it does not come.
function heard(word, limit) {
  return new Promise((resolve) => {
    const listen = ({ source, origin, data }) => {
      if (source === frame.contentWindow && origin === gateway && data?.[word]) end(true);
    };
    const timer = setTimeout(() => end(false), limit);
    const end = (came) => {
      removeEventListener("message", listen);
      clearTimeout(timer);
      resolve(came);
    };
    addEventListener("message", listen);
  });
}

// Lets the app do something. Where the frame shows a refusal nobody listens, so the app is opened first.
async function inApp(action) {
  const doing = heard("doing", 400);
  frame.contentWindow.postMessage({ do: action }, gateway);
  if (await doing) return;
  const ready = heard("ready", 5000);
  await open("good");
  if (await ready) frame.contentWindow.postMessage({ do: action }, gateway);
}

async function setGrant(revoked) {
  const body = JSON.stringify({ person: person.key, revoked });
  await fetch("/api/grants", { method: "POST", headers: { "content-type": "application/json" }, body });
  await loadPeople();
  await inApp("fetch");
}

const acts = {
  open: () => open("good"),
  other: () => open("good"),
  expired: () => open("expired"),
  tampered: () => open("tampered"),
  spoof: () => inApp("spoof"),
  // The browser hides the answer from this page, which is no news here.
  attack: () =>
    fetch(`${gateway}/projects/apollo/notes`, {
      method: "POST",
      mode: "no-cors",
      credentials: "include",
      body: "text=attack",
    }).catch(() => {}),
  revoke: () => setGrant(true),
  restore: () => setGrant(false),
};

function act(name) {
  inspector.follow();
  $("lesson").textContent = lessons[name];
  for (const button of document.querySelectorAll("[data-act]"))
    button.classList.toggle("last", button.dataset.act === name);
  return acts[name]();
}

async function loadPeople() {
  ({ gateway, people } = await (await fetch("/api/people")).json());
  show(people.find(({ key }) => key === person?.key) ?? people[0]);
}

function show(chosen) {
  person = chosen;
  $("says").textContent = person.says;
  const button = (name) => document.querySelector(`[data-act=${name}]`);
  button("revoke").disabled = !person.revocable || person.revoked;
  button("restore").disabled = !person.revoked;
}

function choice(one) {
  const label = document.createElement("label");
  const radio = Object.assign(document.createElement("input"), {
    type: "radio",
    name: "person",
    value: one.key,
    checked: one === person,
    autocomplete: "off",
  });
  radio.addEventListener("change", () => {
    show(people.find(({ key }) => key === one.key));
    act("other");
  });
  label.append(radio, one.name);
  return label;
}

async function start() {
  await loadPeople();
  $("where").textContent = gateway;
  $("says").before(...people.map(choice));
  for (const button of document.querySelectorAll("[data-act]"))
    button.addEventListener("click", () => act(button.dataset.act));
  // Only once the inspector listens, or it would miss the first request.
  inspector.listen(() => act("open"));
}

start();
