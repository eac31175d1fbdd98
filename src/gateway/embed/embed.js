// The helper of an embedded page: it renews the session over the host's page, says with each request which session is
// meant, and opens tabs that are signed in. `embed.min.js` is made of it (tests/helper/build.mjs), and is what is served.
(() => {
  const hosts = HOSTS;
  const win = window;
  if (win.vestibule?.renew) return;
  const here = location.origin;
  const parameter = "_vestibule_ctx";
  const ours = "/.vestibule/";
  const whoami = ours + "session";
  const refusal = "X-Vestibule-Error";
  const framed = parent !== win;
  const plain = fetch.bind(win);
  const quiet = () => 0;
  const parse = (url) => new URL(url, document.baseURI);
  const local = (url) => parse(url).origin.replace("ws", "http") === here;

  // The app may have a way to tokens of its own.
  const own = win.vestibule?.token;
  let context = parse(location).searchParams.get(parameter);
  let rights = {};
  let bearer, kept, ended, renewing, waiting, timer;

  // Who frames us, as the browser says it; after a link inside the frame some browsers only know ourselves.
  let above = location.ancestorOrigins?.[0] ?? parse(document.referrer).origin;
  if (above === here) above = "";
  const proof = (token) => ({ token, parent: above || undefined });
  const fits = (page) => (one) =>
    one.origins.some((rule) => {
      const ends = rule.split("*");
      return ends[1] ? page.startsWith(ends[0]) && page.endsWith(ends[1]) : rule === page;
    });

  const ask = async ({ bridge }) => {
    if (bridge.get) return bridge.get();
    if (!framed) throw 0;
    return new Promise((answer) => {
      waiting = { id: Math.random() + "", answer };
      parent.postMessage(bridge.ask(waiting.id), above || "*");
      setTimeout(answer, 1e4);
    });
  };
  const fresh = async () => (own ? own() : Promise.any(hosts.map(ask)));

  // What our requests say beyond what the app makes them say.
  const marks = () =>
    [
      ["X-Vestibule-Context", context],
      ["Authorization", bearer && "Vestibule " + bearer],
    ].filter((pair) => pair[1]);
  const dispatch = (input, init) => {
    const request = new Request(input, init);
    marks().map((pair) => request.headers.set(...pair));
    return plain(request);
  };
  const post = (path, body) => dispatch(ours + path, { method: "POST", body: JSON.stringify(body) });
  const exchange = async (token) => {
    if (!token) throw 0;
    const answer = await post("session", { ...proof(token), bearer: true });
    const said = await answer.json();
    if (!answer.ok) throw said;
    context = said.context;
    rights = {};
    bearer = 0;
    // Whether the browser keeps our cookie shows when it is asked to send it.
    kept ||= (await dispatch(whoami)).ok;
    if (kept) return true;
    bearer = said.bearer;
    clearTimeout(timer);
    if (bearer) timer = setTimeout(renewed, 24e4);
    return bearer;
  };
  // One renewal for all who need one. Gives what requests can go on with, if anything.
  const renew = () =>
    (renewing ??= fresh()
      .then(exchange)
      .finally(() => (renewing = null)));
  const renewed = () => renew().catch(quiet);

  addEventListener("message", ({ source, origin, data }) => {
    if (source !== parent || ended || !data || !(above ? origin === above : hosts.some(fits(origin)))) return;
    for (const { bridge } of hosts) {
      const token = !!bridge.read && bridge.read(data, waiting?.id);
      if (token === false) continue;
      above = origin;
      if (waiting) waiting.answer(token);
      else exchange(token).catch(quiet);
      waiting = 0;
    }
  });

  // Whether it is a refusal that a renewal helps against.
  const stale = (code) => !ended && /^session_|_ambiguous$/.test(code);
  const named = (url) => {
    const to = parse(url);
    if (context && local(to) && !to.searchParams.has(parameter))
      to.search += (to.search ? "&" : "?") + parameter + "=" + context;
    return to.href;
  };

  win.fetch = async (input, init) => {
    if (!local(input.url ?? input)) return plain(input, init);
    const again = input.url ? input.clone() : input;
    const answer = await dispatch(input, init);
    if (answer.ok && answer.url === here + ours + "logout") ended = 1;
    return stale(answer.headers.get(refusal)) && (await renewed()) ? dispatch(again, init).catch(() => answer) : answer;
  };
  win.XMLHttpRequest = class extends XMLHttpRequest {
    #call;
    open(...args) {
      this.#call = local(args[1]) && { args, set: [] };
      super.open(...args);
    }
    setRequestHeader(...pair) {
      this.#call ? this.#call.set.push(pair) : super.setRequestHeader(...pair);
    }
    send(body) {
      const call = this.#call;
      if (!call) return super.send(body);
      const start = () => {
        marks().concat(call.set).map((pair) => super.setRequestHeader(...pair));
        super.send(body);
      };
      this.addEventListener("readystatechange", async () => {
        if (this.readyState !== 2 || this.#call !== call || !stale(this.getResponseHeader(refusal))) return;
        // To open it again ends the first answer without an event of its end. Chromium counts on after that: hence twice.
        super.open(...call.args);
        this.#call = 0;
        await renewed();
        super.open(...call.args);
        start();
      });
      start();
    }
  };
  win.WebSocket = class extends WebSocket {
    constructor(url, wanted = []) {
      super(named(url), bearer && local(url) ? ["vestibule.v1", "vestibule.bearer." + bearer].concat(wanted) : wanted);
    }
  };
  win.EventSource = class extends EventSource {
    constructor(url, options) {
      super(named(url), options);
    }
  };

  // Names the session for one navigation, and leaves the page as it was.
  const once = (element, name) => {
    const before = element.getAttribute(name) ?? "";
    element.setAttribute(name, named(before));
    setTimeout(() => element.setAttribute(name, before));
  };
  addEventListener("submit", (event) => {
    const form = event.target;
    const by = event.submitter;
    if (event.defaultPrevented || !context) return;
    if ((by?.formMethod || form.method) === "post")
      return by?.getAttribute("formaction") ? once(by, "formaction") : once(form, "action");
    if (!local(form.action)) return;
    const field = document.createElement("input");
    form.append(Object.assign(field, { type: "hidden", name: parameter, value: context }));
    setTimeout(() => field.remove());
  });
  addEventListener("click", (event) => {
    const link = event.composedPath()[0].closest?.("a[href]");
    if (!link || event.defaultPrevented || !local(link.href)) return;
    if (framed && (link.target === "_blank" || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      popOut(link.href);
    } else if (!link.href.startsWith(location.href.split("#")[0] + "#")) once(link, "href");
  });

  // A new tab has none of this frame's cookies: it gets a ticket. It is opened at once, or popup blockers would mind.
  const popOut = async (path) => {
    const to = parse(path);
    const tab = win.open("about:blank");
    tab.opener = null;
    const known = (await win.fetch(whoami)).ok;
    const given = known || proof(await fresh().catch(quiet));
    const answer = await post("ticket", { path: to.pathname + to.search, ...given });
    tab.location = answer.ok ? (await answer.json()).url + to.hash : to;
  };
  const session = (project = "") =>
    (rights[project] ??= win.fetch(whoami + (project && "?" + new URLSearchParams({ project }))).then((answer) => (answer.ok ? answer.json() : void (rights = {}))));
  win.vestibule = {
    session,
    can: async (permission, project) =>
      !!(await session(project))?.permissions.some((one) => one === "*" || one === permission),
    token: fresh,
    logout: () => win.fetch(ours + "logout", { method: "POST" }),
    open: popOut,
    renew,
  };
  if (!context)
    plain(whoami)
      .then(async (answer) => (context ??= (await answer.json()).context))
      .catch(quiet);
})();
