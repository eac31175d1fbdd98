// One person in one frame: what a plain app, which was not changed at all, gets from the gateway.
import { is, matches, until } from "../report.mjs";
import { PEOPLE } from "./host.mjs";

const { ann } = PEOPLE;

export async function basics({ check, tab }) {
  const get = (path) => tab.ask(path);
  await tab.portal("ann", { path: "/plain/start?a=1&b=%2F#part" });
  await check("the frame shows the app, and who is signed in", () => tab.shows("ann"));
  await check("the token is gone from the address, and the rest of the address is still there", async () =>
    is(await tab.url(), `${tab.world.main}/plain/start?a=1&b=%2F#part`),
  );
  await check("nor is it in referrer, timing or history", async () => {
    const traces = await tab.run(() => ({
      referrer: document.referrer,
      url: document.URL,
      timing: performance.getEntries().map(({ name }) => name),
      history: globalThis.navigation?.entries().map(({ url }) => url) ?? [],
    }));
    return !/token/.test(JSON.stringify(traces)) || traces;
  });
  await check("a script in the app still finds the host's page in the referrer", async () =>
    is(await tab.run(() => document.referrer), `${tab.world.acme}/`),
  );
  await check("a fetch of the app is signed in", async () => is((await get("/echo")).user, ann.client));
  await check("so is a websocket", async () => is((await tab.socket("/live")).user, ann.client));
  await check("so is an event stream", async () => is(await tab.stream("/events"), ann.client));
  await check("a click on a link stays signed in", async () => {
    await tab.run(() => document.querySelector("#link").click());
    const there = await until(async () => matches(await tab.url(), /\/plain\/next$/));
    return there === true ? tab.shows("ann") : there;
  });
  await check("a form that is posted stays signed in", async () => {
    await tab.run(() => document.querySelector("#form").submit());
    const posted = await until(async () => is(await tab.run(() => document.querySelector("#method").textContent), "POST"));
    return posted === true ? tab.shows("ann") : posted;
  });
  await check("a cookie that the app sets as for a page of its own comes back from the frame", async () => {
    await get("/set");
    const { body } = await get("/echo");
    return body.cookies.includes("colour=green") || body;
  });
  await check("a cookie that scripts may not read comes back to the app under its own name", async () => {
    const { body } = await get("/echo");
    return body.cookies.includes(`taste=${ann.client}`) || body;
  });
  await check("the app never sees the session itself", async () => {
    const { body } = await get("/echo");
    return !JSON.stringify(body).includes("vestibule") || body;
  });
  await check("no script can read the session", async () =>
    is(await tab.run(() => document.cookie.includes("vestibule")), false),
  );
  await check("what a person may not see is refused by a page with a code", async () => {
    await tab.portal("ann", { path: "/projects/other" });
    return tab.says(/403 · forbidden/);
  });
}

/** Staff who look at the app as one of their clients. */
export async function preview({ check, tab }) {
  await tab.portal("seen");
  await check("a preview shows the app as the client has it", () => tab.shows("ann"));
  await check("a preview cannot change anything", async () =>
    is((await tab.ask("/echo", { method: "POST" })).code, "preview_read_only"),
  );
}
