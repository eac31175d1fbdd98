// What pages of others can do with the session of a person who is signed in: nothing.
import { is, until } from "../report.mjs";
import { token } from "./host.mjs";
import { listening } from "./tab.mjs";

/** Posts a form into a window of that name. */
function posting(action) {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action, target: "sink" });
  const sink = document.createElement("iframe");
  sink.name = "sink";
  document.body.append(sink, form);
  return new Promise((resolve) => {
    sink.onload = () => resolve();
    form.submit();
    setTimeout(resolve, 2000);
  });
}

const sending = (address) =>
  fetch(address, { method: "POST", mode: "no-cors", credentials: "include", body: "x=1" }).then(() => {}, () => {});
const reading = (address) =>
  fetch(address, { credentials: "include" }).then((answer) => answer.text(), () => "hidden");

export async function strangers({ check, tab }) {
  const { world } = tab;
  // Nothing that these do may come to the app as anybody.
  const reached = (mark) => world.app.seen.filter(({ url }) => url.includes(mark));
  const nothing = async (mark, run) => {
    await run(`${world.main}/echo?${mark}`);
    await new Promise((go) => setTimeout(go, 300));
    return is(JSON.stringify(reached(mark)), "[]");
  };
  const socket = (frame) => async (address) => {
    const heard = await frame.evaluate(listening, address.replace(/^http/, "ws").replace("echo", "live"), []);
    if (heard.user !== "refused") throw new Error(`the socket heard ${heard.user}`);
  };

  await tab.portal("ann");
  await tab.shows("ann");
  const context = await tab.context();
  await tab.page.evaluate((src) => {
    const frame = document.createElement("iframe");
    frame.src = src;
    document.body.append(frame);
  }, `${world.evil}/frames`);
  const sibling = await until(async () => (await tab.frame(1)).url().startsWith(world.evil));
  await check("a frame of somebody else is beside the app", () => is(sibling, true));
  const frame = await tab.frame(1);
  await check("a sibling frame's request to a public page does reach the app, as nobody", async () => {
    await frame.evaluate(sending, `${world.main}/spa?sibling-public`);
    return until(async () => is(reached("sibling-public").map(({ user }) => user).join(), "nobody"));
  });
  await check("a sibling frame's request to change something does not reach the app", () =>
    nothing("sibling-post", (address) => frame.evaluate(sending, address)),
  );
  await check("a sibling frame's form does not reach the app", () =>
    nothing("sibling-form", (address) => frame.evaluate(posting, address)),
  );
  await check("a sibling frame's websocket is refused", () => nothing("sibling-socket", socket(frame)));
  await check("a sibling frame's fetch is refused", () =>
    nothing("sibling-fetch", (address) => frame.evaluate(reading, address)),
  );
  const host = tab.page.mainFrame();
  await check("scripts of the host's page cannot send to the app", () =>
    nothing("host-post", (address) => host.evaluate(sending, address)),
  );
  await check("nor read from it", () => nothing("host-fetch", (address) => host.evaluate(reading, address)));
  await check("nor post a form into a frame", () => nothing("host-form", (address) => host.evaluate(posting, address)));
  await check("nor open a websocket", () => nothing("host-socket", socket(host)));
  await check("and nobody was signed out by all this", () => tab.shows("ann"));

  await check("somebody else's page cannot sign a visitor in with a token of its own", async () => {
    const answered = tab.page.waitForResponse((response) => response.url().startsWith(`${world.main}/plain/planted`));
    await tab.frames("evil", `${world.main}/plain/planted?token=${token("late").token}`);
    const headers = (await answered).headers();
    const refused = (await answered).status() === 403 && headers["x-vestibule-error"] === "origin_refused";
    return (refused && !headers["set-cookie"]) || { status: (await answered).status(), headers };
  });
  await check("somebody else's frame inside the host's page cannot show the app", async () => {
    const address = `${world.main}/plain/nested?_vestibule_ctx=${context}`;
    const shown = async (frame) => (await frame.evaluate(() => document.body.innerText)).includes("next");
    await tab.frames("acme", address);
    const alone = await until(async () => shown(await tab.frame()));
    await tab.frames("acme", `${world.evil}/frames?${new URLSearchParams({ src: address })}`);
    const within = () => tab.page.frames().find((one) => one.parentFrame()?.url().startsWith(world.evil));
    await until(async () => within() !== undefined);
    await new Promise((go) => setTimeout(go, 500));
    const nested = await shown(within()).catch(() => false);
    return (alone === true && nested === false) || { alone, nested };
  });
}
