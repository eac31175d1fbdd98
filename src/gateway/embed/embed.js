// The helper of an embedded page: it renews the session over the host's page, says with each request which session is
// meant, and opens tabs that are signed in. What is served has no comments and no needless spaces.
(() => {
  const HOSTS = [/*HOSTS*/];
  const w = window;
  if (w.vestibule?.renew) return;
  const HERE = location.origin;
  const CTX = "_vestibule_ctx";
  const OURS = "/.vestibule/";
  const SESSION = OURS + "session";
  const framed = parent !== w;
  const plain = fetch.bind(w);
  const parse = (url) => new URL(url, document.baseURI);
  const post = (body, more) => ({ method: "POST", headers: { ...more, "Content-Type": "application/json" }, body: JSON.stringify(body) });

  // The app may have a way to tokens of its own, and a page of ours around this one has the host's ear.
  let own = w.vestibule?.token;
  try {
    own ??= framed && parent.vestibule?.token;
  } catch {}
  let context = parse(location).searchParams.get(CTX);
  let bearer, kept, ended, renewing, waiting, timer;
  let rights = {};

  // Who frames us, as the browser says it; after a link inside the frame some browsers only know ourselves.
  let above = location.ancestorOrigins?.[0] ?? (document.referrer && parse(document.referrer).origin);
  if (above === HERE) above = "";
  const fits = (origin) => (host) =>
    host.origins.some((one) => {
      const [start, end] = one.split("*");
      return end ? origin.startsWith(start) && origin.endsWith(end) : one === origin;
    });

  const ask = async ({ host, bridge }) =>
    bridge.get
      ? { token: await bridge.get(), host, parent: above || undefined }
      : new Promise((yes, no) => {
          waiting = { id: crypto.randomUUID(), yes, no };
          parent.postMessage(bridge.ask(waiting.id), above || "*");
          setTimeout(no, 1e4);
        });
  const fresh = async () => {
    if (own) return { token: await own() };
    const fitting = HOSTS.filter(fits(above));
    return Promise.any((fitting[0] ? fitting : HOSTS).map(ask));
  };

  const marks = () => ({
    ...(context && { "X-Vestibule-Context": context }),
    ...(bearer && { Authorization: "Vestibule " + bearer }),
  });
  const exchange = async (given) => {
    const answer = await plain(SESSION, post({ ...given, bearer: true }, context && { "X-Vestibule-Context": context }));
    const said = await answer.json();
    if (!answer.ok) throw said;
    context = said.context;
    rights = {};
    // Whether the browser keeps our cookie shows when it is asked to send it.
    bearer = 0;
    kept ||= (await plain(SESSION, { headers: marks() })).ok;
    if (kept) return 1;
    bearer = said.bearer;
    clearTimeout(timer);
    if (bearer) timer = setTimeout(renew, Math.max(Date.parse(said.bearer_expires_at) - Date.now() - 3e4, 1e4));
    return bearer;
  };
  // One renewal for all who need one. Gives what requests can go on with, if anything.
  const renew = () =>
    (renewing ??= (async () => {
      if (ended) throw 0;
      return exchange(await fresh());
    })().finally(() => (renewing = 0)));
  const renewed = () => renew().catch(() => 0);

  addEventListener("message", ({ source, origin, data }) => {
    if (!framed || source !== parent || !data || (above ? origin !== above : !HOSTS.some(fits(origin)))) return;
    for (const { host, bridge } of HOSTS) {
      const token = bridge.read?.(data, waiting?.id);
      if (token === undefined) continue;
      const given = { token, host, parent: origin };
      if (waiting) waiting[token ? "yes" : "no"](given);
      else if (token && !ended) exchange(given).catch(() => {});
      waiting = 0;
      return;
    }
  });

  const stale = (code) => !ended && /^(session_(missing|expired)|context_ambiguous)$/.test(code);
  const local = (url) => parse(url).origin.replace("ws", "http") === HERE;
  const named = (url) => {
    const to = parse(url);
    if (context && local(to) && !to.searchParams.has(CTX)) to.search += (to.search ? "&" : "?") + CTX + "=" + context;
    return to.href;
  };
  const code = "X-Vestibule-Error";

  w.fetch = async (input, init) => {
    if (!local(input.url ?? input)) return plain(input, init);
    const again = input.url ? input.clone() : input;
    const send = (what) => {
      const request = new Request(what, init);
      for (const [name, value] of Object.entries(marks())) request.headers.set(name, value);
      return plain(request);
    };
    const answer = await send(input);
    if (answer.ok && answer.url === HERE + OURS + "logout") ended = 1;
    return stale(answer.headers.get(code)) && (await renewed()) ? send(again).catch(() => answer) : answer;
  };

  w.XMLHttpRequest = class extends XMLHttpRequest {
    #call;
    #held;
    constructor() {
      super();
      for (const kind of ["readystatechange", "progress", "load", "loadend"])
        this.addEventListener(kind, async (event) => {
          const call = this.#call;
          if (this.readyState === 2 && call && stale(this.getResponseHeader(code))) this.#held = 1;
          if (!this.#held || !event.isTrusted) return;
          event.stopImmediatePropagation();
          if (kind !== "loadend") return;
          const ok = await renewed();
          this.#held = this.#call = 0;
          if (ok && call) {
            super.open(...call.open);
            for (const pair of call.set) super.setRequestHeader(...pair);
            this.#go(call.body);
          } else for (const type of ["readystatechange", "load", "loadend"]) this.dispatchEvent(new Event(type));
        });
    }
    #go(body) {
      for (const pair of Object.entries(marks())) super.setRequestHeader(...pair);
      super.send(body);
    }
    open(...open) {
      this.#call = local(open[1]) && { open, set: [] };
      super.open(...open);
    }
    setRequestHeader(...pair) {
      super.setRequestHeader(...pair);
      this.#call?.set?.push(pair);
    }
    send(body) {
      if (!this.#call) return super.send(body);
      this.#call.body = body;
      this.#go(body);
    }
    abort() {
      this.#call = 0;
      super.abort();
    }
  };
  w.WebSocket = class extends WebSocket {
    constructor(url, wanted = []) {
      super(named(url), bearer && local(url) ? ["vestibule.v1", "vestibule.bearer." + bearer].concat(wanted) : wanted);
    }
  };
  w.EventSource = class extends EventSource {
    constructor(url, options) {
      super(named(url), options);
    }
  };

  // Names the session for one navigation, and leaves the page as it was.
  const once = (element, name) => {
    const before = element.getAttribute(name);
    element.setAttribute(name, named(before ?? ""));
    setTimeout(() => (before === null ? element.removeAttribute(name) : element.setAttribute(name, before)));
  };
  addEventListener("submit", (event) => {
    const form = event.target;
    const by = event.submitter;
    if (event.defaultPrevented || !context) return;
    if ((by?.formMethod || form.method) === "post") return by?.hasAttribute("formaction") ? once(by, "formaction") : once(form, "action");
    if (!local(form.action)) return;
    const field = form.appendChild(document.createElement("input"));
    Object.assign(field, { type: "hidden", name: CTX, value: context });
    setTimeout(() => field.remove());
  });
  addEventListener("click", (event) => {
    const link = event.composedPath()[0].closest?.("a[href]");
    if (!link || event.defaultPrevented || !local(link.href)) return;
    if (framed && (link.target === "_blank" || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      open(link.href);
    } else if (!link.hash || link.href.split("#")[0] !== location.href.split("#")[0]) once(link, "href");
  });

  // A new tab has none of this frame's cookies: it gets a ticket. It is opened at once, or popup blockers would mind.
  const open = async (path) => {
    const to = parse(path);
    const tab = w.open("about:blank");
    tab.opener = null;
    const known = await w.fetch(SESSION);
    const body = { path: to.pathname + to.search, ...(!known.ok && (await fresh())) };
    const answer = await w.fetch(OURS + "ticket", post(body));
    tab.location.replace(answer.ok ? (await answer.json()).url + to.hash : to);
  };

  const session = (project) =>
    (rights[project] ??= w.fetch(SESSION + (project ? "?project=" + encodeURIComponent(project) : "")).then((answer) => {
      if (answer.ok) return answer.json();
      rights = {};
      return null;
    }));
  w.vestibule = {
    session,
    can: async (permission, project) => !!(await session(project))?.permissions.some((one) => one === "*" || one === permission),
    token: async () => (await fresh()).token,
    logout: () => w.fetch(OURS + "logout", { method: "POST" }),
    open,
    renew,
  };
  if (!context)
    plain(SESSION).then(async (answer) => answer.ok && (context ??= (await answer.json()).context)).catch(() => {});
})();
