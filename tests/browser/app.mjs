// What goes on inside the frame: the app, its people, and what is refused.
import { createHash } from "node:crypto";
import { ANN, BEN } from "./harbor.mjs";
import { fits } from "./page.mjs";
import { check, is, matches, until } from "./report.mjs";

export async function landing(harbor, context) {
  const { page, demo } = harbor;
  const bootstrap = page.waitForResponse((response) => response.url().includes("?token="));
  await page.goto(demo.host);
  const token = new URL((await bootstrap).url()).searchParams.get("token");
  await check("the page opens the app in its frame, as Ann", async () => is(await harbor.who(), ANN));
  await check("the frame is of another site than the page", async () =>
    is(await harbor.frame.evaluate(() => self.origin), demo.gateway),
  );
  await check("the frame's address, history, timing and referrer know no token", async () => {
    const known = await harbor.frame.evaluate(() => [
      location.href,
      document.referrer,
      performance.getEntriesByType("navigation")[0].name,
      ...navigation.entries().map(({ url }) => url),
    ]);
    return known.every((text) => !text.includes(token) && !text.includes("token=")) || known;
  });
  await check("the app learns which page frames it, and no more", async () =>
    is(await harbor.frame.evaluate(() => document.referrer), `${demo.host}/`),
  );
  const session = await context.newCDPSession(page);
  const { cookies } = await session.send("Storage.getCookies");
  const own = cookies.filter(({ name }) => name.startsWith("__Host-vestibule."));
  await check("the session cookie is HttpOnly, Secure, SameSite=None and partitioned by the host's site", async () => {
    const [only] = own;
    const right =
      own.length === 1 &&
      only.httpOnly &&
      only.secure &&
      only.sameSite === "None" &&
      only.path === "/" &&
      only.partitionKey?.topLevelSite === "http://localhost";
    return right || own.map(({ value, ...rest }) => rest);
  });
  await check("no script in the frame can read the session cookie", async () =>
    matches(await harbor.frame.evaluate(() => document.cookie), /^(?!.*vestibule)/),
  );
}

export async function working(harbor) {
  const digest = createHash("sha256")
    .update(new Uint8Array(1 << 20))
    .digest("hex");
  await check("fetch works in the frame, and the app is told who asks", () =>
    harbor.does("fetch", new RegExp(`^200 [^]*^x-vestibule-user: ${ANN}$`, "m")),
  );
  await check("an upload of 1 MiB arrives whole", () =>
    harbor.does("upload", new RegExp(`^bytes: 1048576\nsha256: ${digest}$`, "m")),
  );
  await check("a WebSocket speaks through the frame", () => harbor.does("socket", /^echo: hello$/));
  await check("server-sent events arrive one by one", () => harbor.does("stream", /^event 2$/));
  await check("a form is posted and its page says so", async () => {
    await harbor.app.locator("input[name=text]").fill("twelve chars");
    await harbor.app.locator("form button").click();
    return until(async () => is(await harbor.app.locator("#said").textContent(), "Saved a note of 12 characters."));
  });
  await check("a link leads to another project, where Ann may only read", async () => {
    await harbor.app.locator("header a").click();
    await harbor.app.locator("a[href='/projects/borealis']").click();
    await harbor.app.locator("#roles", { hasText: "viewer" }).waitFor();
    return harbor.does("write", /^403 forbidden/);
  });
}

export async function refusals(harbor) {
  const texts = [];
  for (const kind of ["expired", "tampered"]) {
    await check(`an ${kind} token shows the refusal page`.replace("an tampered", "a tampered"), async () => {
      await harbor.press(kind);
      const shown = await harbor.refused("token_invalid");
      texts.push((await harbor.app.locator("main").innerText()).replace(/[0-9a-f]+-[0-9a-f]{8}/, "ID"));
      return shown;
    });
    await check(`the inspector says that the ${kind} token was refused and that nobody was reached`, async () => {
      const token = await harbor.sees("token", /^bad: Token host token, refused/);
      return token === true ? harbor.sees("headers", /^none: .*the app does not hear/) : token;
    });
  }
  await check(
    "expired and tampered look the same",
    async () => (texts.length === 2 && texts[0] === texts[1] && texts[0].length > 20) || texts,
  );
  await check("spoofed headers do nothing, and the button finds its way out of the refusal page", async () => {
    await harbor.press("spoof");
    const shown = await until(async () =>
      matches(await harbor.output(), new RegExp(`^200 [^]*^x-vestibule-user: ${ANN}$`, "m")),
    );
    if (shown !== true) return shown;
    const text = await harbor.output();
    return /^x-vestibule-roles: editor$/m.test(text) && !/somebody-else|\*|staff/.test(text)
      ? harbor.sees("headers", /x-vestibule-roles editor/)
      : text;
  });
  await check("a POST from the host's page is refused as cross-site, and the inspector says so", async () => {
    await harbor.press("attack");
    await harbor.page.locator("#log li[data-code=cross_site_refused]").first().waitFor();
    const token = await harbor.sees("token", /^bad: Token cookie not looked at/);
    return token === true ? harbor.sees("answer", /^bad: Answer 403 in .* cross_site_refused$/) : token;
  });
}

/** Opens a WebSocket and an event stream in the frame, and says how they stand whenever it is asked. */
async function holdOpen(harbor) {
  await harbor.frame.evaluate(async () => {
    const socket = new WebSocket(`ws://${location.host}/projects/apollo/live`);
    const events = new EventSource("/projects/apollo/events");
    window.held = { events, closed: "open" };
    socket.onclose = ({ code, reason }) => {
      window.held.closed = `${code} ${reason}`;
    };
    await Promise.all([socket, events].map((one) => new Promise((resolve) => one.addEventListener("open", resolve))));
  });
  return () => harbor.frame.evaluate(() => `${window.held.closed}, ${window.held.events.readyState}`);
}

export async function revoking(harbor) {
  const held = await holdOpen(harbor);
  await check("a revoked grant: the very next request is 403", async () => {
    await harbor.press("revoke");
    const shown = await until(async () => matches(await harbor.output(), /^403 forbidden/));
    return shown === true ? harbor.sees("permission", /^bad: Permission projects:read on apollo not held/) : shown;
  });
  await check("what was open ends: the WebSocket with 4403, the event stream after one more attempt", () =>
    until(async () => is(await held(), "4403 forbidden, 2")),
  );
  await check("the session lives on: the list of projects still opens", async () => {
    await harbor.app.locator("header a").click();
    return until(async () => is(await harbor.app.locator("#kind").textContent(), "client"));
  });
  await check("a page that is not allowed any more is a refusal page", async () => {
    await harbor.app.locator("a[href='/projects/apollo']").click();
    return harbor.refused("forbidden");
  });
  await check("the grant is given again and counts at once", async () => {
    await harbor.press("restore");
    return until(async () => matches(await harbor.output(), /^200/));
  });
}

export async function people(harbor, context) {
  await check("another person: the frame shows Ben", async () => {
    await harbor.become("ben");
    return until(async () => is(await harbor.who(), BEN));
  });
  await check("two sessions are alive, and every way of asking goes out in Ben's name", async () => {
    const session = await context.newCDPSession(harbor.page);
    const { cookies } = await session.send("Storage.getCookies");
    const own = cookies.filter(({ name }) => name.startsWith("__Host-vestibule."));
    const ways = [
      await harbor.does("fetch", new RegExp(`^x-vestibule-user: ${BEN}$`, "m")),
      await harbor.does("socket", /^echo: hello$/),
      await harbor.does("stream", /^event 2$/),
    ];
    return (own.length === 2 && ways.every((way) => way === true)) || { cookies: own.length, ways };
  });
  await check("a viewer cannot write: the app offers it not, the gateway refuses it", async () => {
    const offered = await harbor.app.locator("form button").isEnabled();
    return offered ? "the form is enabled" : harbor.does("write", /^403 forbidden/);
  });
  await check("staff: a link and a form keep the person, though another session is alive", async () => {
    await harbor.become("dana");
    await harbor.app.locator("#permissions", { hasText: "*" }).waitFor();
    await harbor.app.locator("header a").click();
    await harbor.app.locator("a[href='/projects/cassini']").click();
    await harbor.app.locator("form button").click();
    await harbor.app.locator("#said", { hasText: "Saved a note" }).waitFor();
    return harbor.does("fetch", /^x-vestibule-user-kind: internal$/m);
  });
  await check(
    "a grant that comes with being staff cannot be revoked from one of them",
    async () => (await harbor.page.locator("[data-act=revoke]").isDisabled()) || "the button is enabled",
  );
  await check("staff with limited access get a refusal, and the inspector says what is missing", async () => {
    await harbor.become("eli");
    await harbor.app.locator("a[href='/projects/apollo']").click();
    const shown = await harbor.refused("forbidden");
    return shown === true ? harbor.sees("permission", /^bad: Permission projects:read on apollo not held/) : shown;
  });
  await check("a preview is the client, with the member of staff as actor, and changes nothing", async () => {
    await harbor.become("preview");
    await until(async () => is(await harbor.who(), ANN));
    const identity = await harbor.sees("identity", /^ok: Identity Dana previewing as Ann .*seen by 77777777…/);
    const refused = identity === true ? await harbor.does("write", /^403 preview_read_only/) : identity;
    return refused === true ? fits(harbor, 1440) : refused;
  });
  await harbor.become("ann");
  await until(async () => is(await harbor.who(), ANN));
}
