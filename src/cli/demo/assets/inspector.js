// The inspector: every request as token → identity → permission → headers → answer, as the gateway told its audit.
"use strict";
const $ = (id) => document.getElementById(id);

const inspector = (() => {
  const KEPT = 100;
  const started = new Map(); // when each session was made of a token
  let pinned = false;

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  const ok = (says, more = "") => ({ state: "ok", says, more });
  const bad = (says, more = "") => ({ state: "bad", says, more });
  const none = (says, more = "") => ({ state: "none", says, more });

  function token(event) {
    if (event.event === "bootstrap") {
      if (!event.code) return ok("host token, accepted", `exchanged for session ${event.session}`);
      if (event.code === "origin_refused") return bad("not looked at", "this page may not frame the app");
      return bad("host token, refused", event.code === "token_invalid" ? "the answer does not say why" : event.code);
    }
    if (event.session)
      return ok(
        `session ${event.session}`,
        started.has(event.session)
          ? `made from a host token at ${started.get(event.session)}`
          : "made from a host token earlier",
      );
    if (event.code === "cross_site_refused" || event.code === "origin_refused")
      return bad("cookie not looked at", "the request comes from another site");
    return event.decision === "deny" ? bad("no session that can be used") : none("not asked for");
  }

  function identity({ identity: who }) {
    if (!who) return none("nobody");
    const short = (id) => `${id.slice(0, 8)}…`;
    const around = [
      who.organization && `of company ${short(who.organization)}`,
      who.actor && `seen by ${short(who.actor)}`,
    ];
    return ok(who.name ?? "", [`${who.kind} ${who.user}`, ...around.filter(Boolean)].join(" "));
  }

  function permission(event) {
    if (event.event === "bootstrap")
      return none(event.code ? "not reached" : "not yet", event.code ? "" : "decided for each request that follows");
    const asked = event.permission ? `${event.permission}${event.project ? ` on ${event.project}` : ""}` : "";
    if (event.decision === "allow") {
      if (!event.identity) return ok("public", "this route asks for nobody");
      if (!asked) return ok("signed in", "this route asks for no more");
      const roles = event.headers?.find(([name]) => name === "x-vestibule-roles")?.[1];
      return ok(asked, `held as ${roles ?? "nothing"}, from ${event.grants_from.join(", ")}`);
    }
    if (event.code === "preview_read_only") return bad(asked || "signed in", "a preview may look, but change nothing");
    return event.code === "forbidden"
      ? bad(asked, "not held")
      : none("not reached", asked && `the route asks ${asked}`);
  }

  function headers({ headers: list }) {
    if (!list) return none("none", "the app does not hear of this request");
    if (list.length === 0) return none("none", "the app gets the request without a person");
    const row = ([name, value]) => [element("dt", {}, name), element("dd", { title: value }, value)];
    return { ...ok(`${list.length} written by Vestibule`), list: element("dl", {}, ...list.flatMap(row)) };
  }

  function answer(event) {
    const time = `${event.status} in ${event.milliseconds.toFixed(1)} ms`;
    if (event.code) return bad(time, event.code);
    return ok(
      time,
      event.event === "bootstrap"
        ? "to the same address without the token, with a session cookie"
        : event.headers
          ? "from the app"
          : "",
    );
  }

  const steps = (event) => [
    ["Token", token(event)],
    ["Identity", identity(event)],
    ["Permission", permission(event)],
    ["Headers", headers(event)],
    ["Answer", answer(event)],
  ];

  function step([name, { state, says, more, list }]) {
    const words = element("div", {}, element("b", {}, says), element("small", {}, more));
    const item = element(
      "li",
      { className: state },
      element("span", { className: "name" }, name),
      words,
      ...(list ? [list] : []),
    );
    item.dataset.step = name.toLowerCase();
    return item;
  }

  function select(item, event) {
    $("log").querySelector("[aria-current]")?.removeAttribute("aria-current");
    item.firstChild.setAttribute("aria-current", "true");
    $("request").replaceChildren(element("b", {}, event.method), ` ${event.path || "(no path)"}`);
    $("steps").replaceChildren(...steps(event).map(step));
  }

  function pin(on) {
    pinned = on;
    $("follow").disabled = !on;
  }

  function log(event) {
    if (event.event === "bootstrap" && event.session) started.set(event.session, new Date().toLocaleTimeString());
    const rail = element(
      "span",
      { className: "rail", ariaHidden: "true" },
      ...steps(event).map(([, { state }]) => element("i", { className: state })),
    );
    const button = element(
      "button",
      { type: "button" },
      element("span", { className: `status ${event.code || event.status >= 400 ? "bad" : "ok"}` }, event.status),
      element("code", {}, `${event.method} ${event.path}`),
      element("span", { className: "code" }, event.code ?? (event.event === "request" ? "" : event.event)),
      rail,
    );
    const item = element("li", {}, button);
    Object.assign(item.dataset, { code: event.code ?? "", event: event.event, path: event.path, status: event.status });
    button.addEventListener("click", () => {
      pin(true);
      select(item, event);
    });
    $("log").prepend(item);
    while ($("log").children.length > KEPT) $("log").lastChild.remove();
    // Scripts and styles come along with every page and would hide what it was about.
    const isAside = event.decision === "allow" && !event.identity;
    item.classList.toggle("aside", isAside);
    if (!pinned && !isAside) select(item, event);
  }

  $("follow").addEventListener("click", () => pin(false));
  $("steps").replaceChildren(
    ...["Token", "Identity", "Permission", "Headers", "Answer"].map((name) => step([name, none("…")])),
  );

  return {
    follow: () => pin(false),
    listen(ready) {
      const source = new EventSource("/api/events");
      source.addEventListener("open", ready, { once: true });
      source.onmessage = (message) => log(JSON.parse(message.data));
    },
  };
})();
