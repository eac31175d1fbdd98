// The helper script as it is served, in a page that is made of what it needs. Prints `N passed, N failed`.
import { readFileSync } from "node:fs";
import vm from "node:vm";
import { built, served } from "./build.mjs";

const HERE = "https://app.example.com";
const PORTAL = "https://acme.portal.example";
const script = readFileSync(served, "utf8");
const HOSTS = `[{origins:["https://*.portal.example"],bridge:{ask:i=>({type:"ask",i}),read:(m,i)=>m.type=="push"?m.token:m.type=="answer"&&m.i==i&&m.token}}]`;
const settled = () => new Promise((done) => setTimeout(done, 20));
const refusal = (status, code) => [status, { code }, { "x-vestibule-error": code }];

/** A page in a frame; `serve(request)` gives [status, body, headers]. */
function page({ serve, ancestor = PORTAL, referrer = "", search = "", answers = true, before }) {
  const [sent, asked, listeners] = [[], [], { message: [], submit: [], click: [] }];
  const parent = {};
  const say = (data, { source = parent, origin = PORTAL } = {}) => listeners.message.map((hear) => hear({ source, origin, data }));
  parent.postMessage = (message, target) => {
    asked.push({ message, target });
    if (answers) setTimeout(() => say({ type: "answer", i: message.i, token: "fresh" }));
  };
  const fetch = async (input, init) => {
    const request = new Request(new URL(input.url ?? input, HERE), input.url ? input : init);
    const { pathname, search: query } = new URL(request.url);
    const entry = { method: request.method, path: pathname + query, headers: request.headers, body: await request.text() };
    sent.push(entry);
    const [status, body, headers] = serve(entry, sent);
    const answer = new Response(JSON.stringify(body), { status, headers });
    Object.defineProperty(answer, "url", { value: request.url });
    return answer;
  };
  class Socket {
    constructor(url, wanted) {
      Object.assign(this, { url, wanted });
    }
  }
  class Page extends Request {
    constructor(input, init) {
      super(typeof input === "string" ? new URL(input, HERE) : input, init);
    }
  }
  const location = { origin: HERE, href: `${HERE}/x${search}`, ancestorOrigins: ancestor ? [ancestor] : undefined };
  location.toString = () => location.href;
  const window = { fetch, parent, location, URL, URLSearchParams, Request: Page, setTimeout: (act, time) => setTimeout(act, time).unref?.(), clearTimeout };
  Object.assign(window, { document: { baseURI: `${HERE}/x`, referrer }, WebSocket: Socket, EventSource: Socket, XMLHttpRequest: class {}, Promise, Object, Math, ...before });
  window.window = window;
  window.addEventListener = (kind, hear) => listeners[kind].push(hear);
  vm.runInNewContext(script.replace("HOSTS", HOSTS), window);
  return { window, sent, asked, say, listeners };
}

/** A gateway: signed in once a token was exchanged, if the browser keeps its cookies. */
function gateway({ cookies = true, bearer, context = "mine" } = {}) {
  let open = false;
  return ({ method, path, headers, body }) => {
    const own = headers.get("x-vestibule-context");
    if (path === "/.vestibule/session" && method === "POST") {
      if (own && own !== context) return refusal(409, "context_mismatch");
      open = JSON.parse(body).token === "fresh";
      return open ? [200, { context, permissions: ["a:read"], bearer }] : refusal(401, "token_invalid");
    }
    const let_in = open && (cookies || (bearer && headers.get("authorization") === `Vestibule ${bearer}`));
    if (!let_in) return refusal(401, "session_missing");
    if (path === "/.vestibule/logout") open = false;
    if (path.startsWith("/.vestibule/session")) return [200, { context, permissions: path.includes("apollo") ? ["*"] : ["a:read"] }];
    return [200, { path }];
  };
}

const checks = {
  "what is served is made of the source as it is": async () => (await built()) === script,
  "a refused fetch is renewed over the host's page and repeated once": async () => {
    const { window, sent, asked } = page({ serve: gateway() });
    const answer = await window.fetch("/notes", { method: "POST", body: "text" });
    const tries = sent.filter(({ path }) => path === "/notes");
    return answer.status === 200 && tries.length === 2 && tries[1].body === "text" && tries[1].headers.get("x-vestibule-context") === "mine" && asked.length === 1 && asked[0].target === PORTAL;
  },
  "a Request with a body is repeated whole": async () => {
    const { window, sent } = page({ serve: gateway() });
    const answer = await window.fetch(new Request(`${HERE}/notes`, { method: "POST", body: "text" }));
    return answer.status === 200 && sent.filter(({ path }) => path === "/notes")[1].body === "text";
  },
  "many refused requests make one renewal": async () => {
    const { window, sent } = page({ serve: gateway() });
    await Promise.all(["/a", "/b", "/c"].map((path) => window.fetch(path)));
    return sent.filter(({ method }) => method === "POST").length === 1;
  },
  "what is refused again is not repeated again": async () => {
    const { window, sent } = page({ serve: ({ method }) => (method === "POST" ? [200, { context: "mine" }] : refusal(401, "session_expired")) });
    const answer = await window.fetch("/a");
    return answer.status === 401 && sent.filter(({ path }) => path === "/a").length <= 2;
  },
  "a refusal for another reason is the app's": async () => {
    const { window, asked } = page({ serve: () => refusal(403, "forbidden") });
    return (await window.fetch("/a")).status === 403 && asked.length === 0;
  },
  "another site's requests are left alone": async () => {
    const { window, sent } = page({ serve: () => [200, {}], search: "?_vestibule_ctx=mine" });
    await window.fetch("https://elsewhere.example/a");
    return sent[0].headers.get("x-vestibule-context") === null;
  },
  "a token that the host pushes is exchanged": async () => {
    const { sent, say } = page({ serve: gateway(), search: "?_vestibule_ctx=mine" });
    say({ type: "push", token: "fresh" });
    await settled();
    const { token, parent } = JSON.parse(sent[0].body);
    return token === "fresh" && parent === PORTAL && sent[0].headers.get("x-vestibule-context") === "mine";
  },
  "a pushed token of another context changes nothing": async () => {
    const { window, sent, say } = page({ serve: gateway({ context: "other" }), search: "?_vestibule_ctx=mine" });
    say({ type: "push", token: "fresh" });
    await settled();
    await window.fetch("/a");
    return sent.at(-1).headers.get("x-vestibule-context") === "mine";
  },
  "messages of another window or of another page are not heard": async () => {
    const { sent, say } = page({ serve: gateway(), search: "?_vestibule_ctx=mine" });
    say({ type: "push", token: "fresh" }, { source: {} });
    say({ type: "push", token: "fresh" }, { origin: "https://evil.example" });
    say({ type: "push", token: "fresh" }, { origin: "https://birch.portal.example" });
    await settled();
    return sent.length === 0;
  },
  "where the browser does not say who frames us, only pages of the host are heard": async () => {
    const { sent, say } = page({ serve: gateway(), ancestor: "", referrer: `${HERE}/before`, search: "?_vestibule_ctx=mine" });
    say({ type: "push", token: "fresh" }, { origin: "https://portal.example.evil.example" });
    say({ type: "push", token: "fresh" }, { origin: "http://acme.portal.example" });
    await settled();
    const before = sent.length;
    say({ type: "push", token: "fresh" });
    await settled();
    return before === 0 && sent.length > 0;
  },
  "after a logout nothing renews by itself": async () => {
    const { window, asked, say, sent } = page({ serve: gateway() });
    await window.vestibule.renew();
    await window.fetch("/.vestibule/logout", { method: "POST" });
    const before = sent.length;
    say({ type: "push", token: "fresh" });
    const answer = await window.fetch("/a");
    return answer.status === 401 && asked.length === 1 && sent.length === before + 1;
  },
  "where cookies are blocked a bearer takes their place": async () => {
    const { window, sent } = page({ serve: gateway({ cookies: false, bearer: "B" }) });
    const answer = await window.fetch("/a");
    const socket = new window.WebSocket("wss://app.example.com/live", "chat");
    return answer.status === 200 && sent.at(-1).headers.get("authorization") === "Vestibule B" && [...socket.wanted].join() === "vestibule.v1,vestibule.bearer.B,chat" && socket.url.includes("_vestibule_ctx=mine");
  },
  "where cookies are kept no bearer is used": async () => {
    const { window, sent } = page({ serve: gateway({ bearer: "B" }) });
    await window.fetch("/a");
    return sent.every(({ headers }) => headers.get("authorization") === null);
  },
  "a bearer never goes to another site": async () => {
    const { window, sent } = page({ serve: gateway({ cookies: false, bearer: "B" }) });
    await window.fetch("/a");
    await window.fetch("https://elsewhere.example/a");
    const socket = new window.WebSocket("wss://elsewhere.example/live");
    return sent.at(-1).headers.get("authorization") === null && [...socket.wanted].length === 0;
  },
  "can() knows rights on a project and in the whole tenant": async () => {
    const { window, sent } = page({ serve: gateway() });
    const { can } = window.vestibule;
    const held = [await can("a:read"), await can("a:write"), await can("a:write", "apollo"), await can("b", "apollo")];
    return held.join() === "true,false,true,true" && sent.filter(({ path }) => path.endsWith("project=apollo")).length === 1;
  },
  "the app's own way to tokens is used before the host's": async () => {
    const { window, asked } = page({ serve: gateway(), before: { vestibule: { token: async () => "fresh" } } });
    return (await window.fetch("/a")).status === 200 && asked.length === 0;
  },
  "event streams and sockets say whose they are": async () => {
    const { window } = page({ serve: gateway(), search: "?_vestibule_ctx=mine" });
    return new window.EventSource("/e?a=%20").url === `${HERE}/e?a=%20&_vestibule_ctx=mine` && !new window.EventSource("https://x.example/").url.includes("ctx");
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  const problem = await check().then((holds) => (holds ? "" : "no"), (error) => error.stack);
  if (problem) failed += 1;
  console.log(`${problem ? `FAILED ${name}: ${problem}` : `ok     ${name}`}`);
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
