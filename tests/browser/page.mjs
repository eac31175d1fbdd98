// The page around the frame: the inspector, how it all looks, and other pages that try to frame the app.
import { ANN } from "./harbor.mjs";
import { check, is, matches, until } from "./report.mjs";

export async function cookiesAreBlocked(context, other) {
  const page = await context.newPage();
  const seen = async (where) => (await where.locator("#seen").textContent()).replace("cookies: ", "");
  await check("third-party cookies are blocked: a frame gets back its partitioned cookie and no other", async () => {
    await page.goto(
      `http://localhost:${other.port}/frame?src=${encodeURIComponent(`http://127.0.0.1:${other.port}/set`)}`,
    );
    return is(await seen(page.frameLocator("#frame")), "parted=1");
  });
  await check("the same cookie comes back where its own page is on top, so the block is what held it", async () => {
    await page.goto(`http://127.0.0.1:${other.port}/set`);
    return matches(await seen(page), /\bplain=1\b/);
  });
  await page.close();
  await context.clearCookies();
}

export async function inspecting(harbor) {
  await harbor.press("open");
  await harbor.page.locator("#log li[data-event=bootstrap]").first().waitFor();
  await until(async () => is(await harbor.who(), ANN));
  await harbor.does("fetch", /^200/);
  await check("the inspector shows the five steps in their order", async () =>
    is(
      (await harbor.page.locator("#steps .name").allTextContents()).join(" → "),
      "Token → Identity → Permission → Headers → Answer",
    ),
  );
  await check("token: the session, and when it was made of a host token", () =>
    harbor.sees("token", /^ok: Token session [0-9a-f]{8} made from a host token at /),
  );
  await check("identity: the person, with kind and company", () =>
    harbor.sees("identity", new RegExp(`^ok: Identity Ann of Acme client ${ANN} of company 99999999…`)),
  );
  await check("permission: what the route asks, held as what, from where", () =>
    harbor.sees("permission", /^ok: Permission projects:read on apollo held as editor, from config/),
  );
  await check("headers: what the app got, each with its value", () =>
    harbor.sees(
      "headers",
      new RegExp(
        `^ok: Headers \\d+ written by Vestibule .*x-vestibule-user ${ANN} .*x-vestibule-permissions projects:read,projects:write`,
      ),
    ),
  );
  await check("answer: status, time and who gave it", () =>
    harbor.sees("answer", /^ok: Answer 200 in [0-9.]+ ms from the app/),
  );
  await check("an older request can be looked at: the token that was exchanged", async () => {
    await harbor.page.locator("#log li[data-event=bootstrap] button").first().click();
    return harbor.sees("token", /^ok: Token host token, accepted exchanged for session [0-9a-f]{8}/);
  });
  await check("and the newest one is followed again on demand", async () => {
    await harbor.page.click("#follow");
    await harbor.does("fetch", /^200/);
    return harbor.sees("permission", /^ok: Permission projects:read/);
  });
}

export async function foreignPages(harbor, context, other) {
  const { page: host, demo } = harbor;
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  const frames = (origin, source) => page.goto(`${origin}/frame?src=${encodeURIComponent(source)}`);
  await check("a page of another origin cannot sign anybody in, even with a good token", async () => {
    const { token } = await (await fetch(`${demo.host.replace("localhost", "127.0.0.1")}/api/token?person=ann`)).json();
    const refusal = page.waitForResponse((response) => response.url().startsWith(demo.gateway));
    await frames(`http://foreign.localhost:${other.port}`, `${demo.gateway}/projects?token=${token}`);
    const headers = await (await refusal).allHeaders();
    const right =
      (await refusal).status() === 403 && headers["x-vestibule-error"] === "origin_refused" && !headers["set-cookie"];
    return right || { status: (await refusal).status(), headers };
  });
  await check("the inspector shows it: origin_refused, the token was not looked at", async () => {
    await host.locator("#log li[data-code=origin_refused] button").first().click();
    const token = await harbor.sees("token", /^bad: Token not looked at/);
    await host.click("#follow");
    return token;
  });
  await check(
    "a neighbour of the host's page, which has the cookie, still cannot frame the app: frame-ancestors",
    async () => {
      const answer = page.waitForResponse((response) => response.url().startsWith(demo.gateway));
      await frames(
        `http://localhost:${other.port}`,
        `${demo.gateway}/projects/apollo?_vestibule_ctx=${await harbor.context()}`,
      );
      const [status, policy] = [(await answer).status(), (await answer).headers()["content-security-policy"]];
      const shown = await until(async () => is(page.frames()[1]?.url(), "chrome-error://chromewebdata/"));
      const said = errors.some((text) => text.includes("frame-ancestors"));
      return (
        (status === 200 && policy === `frame-ancestors ${demo.host}` && shown === true && said) || {
          status,
          policy,
          shown,
          errors,
        }
      );
    },
  );
  await page.close();
}

/** Nothing sticks out of the page, the frame or its place in the inspector. */
export async function fits({ page, frame }, width) {
  const wide = (where) =>
    where.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  const over = { page: await wide(page), frame: await wide(frame) };
  const boxes = await Promise.all(
    (await page.locator("[data-act], #people label, #follow").all()).map((one) => one.boundingBox()),
  );
  const reached = boxes.every((box) => box.x >= 0 && box.x + box.width <= width);
  const spilt = await page.evaluate(() =>
    [...document.querySelectorAll("#steps li")]
      .filter((step) => step.querySelector("div").getBoundingClientRect().bottom > step.getBoundingClientRect().bottom)
      .map((step) => step.dataset.step),
  );
  const { height } = await page.locator("header").boundingBox();
  return (
    (over.page === 0 && over.frame === 0 && reached && spilt.length === 0 && height < 300) || {
      over,
      reached,
      spilt,
      height,
    }
  );
}

export async function layout(harbor, picture) {
  const { page } = harbor;
  const places = () =>
    page.evaluate(() =>
      [".acts", "#lesson", "figure", "#steps", "[data-step=answer] .name", "#log"]
        .map((name) => {
          const { x, y, width } = document.querySelector(name).getBoundingClientRect();
          return `${name} ${Math.round(x)} ${Math.round(y)} ${Math.round(width)}`;
        })
        .join(", "),
    );
  await check("nothing on the page moves while requests come and go", async () => {
    const before = await places();
    for (const [act, seen] of [
      ["expired", "401"],
      ["attack", "403"],
      ["spoof", "200"],
    ]) {
      await harbor.press(act);
      await harbor.sees("answer", new RegExp(`Answer ${seen}`));
      const after = await places();
      if (after !== before) return { act, before, after };
    }
    return true;
  });
  await harbor.press("open");
  await until(async () => matches(await harbor.output(), /^Answers/));
  await harbor.does("fetch", /^200/);
  await harbor.sees("answer", /Answer 200/);
  const named = (name) => picture.replace(/(\.\w+)?$/, (ending) => `${name}${ending || ".png"}`);
  await page.screenshot({ path: named("") });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: named("-dark") });
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1024, height: 700 });
  await check("at a width of 1024 px page and frame fit, and every button can be reached", () => fits(harbor, 1024));
  await page.setViewportSize({ width: 400, height: 800 });
  await check("at a width of 400 px page and frame fit, and every button can be reached", () => fits(harbor, 400));
  await check("the inspector works at that width", async () => {
    await harbor.press("tampered");
    return harbor.sees("answer", /^bad: Answer 401/);
  });
  await page.screenshot({ path: named("-narrow"), fullPage: true });
  await page.setViewportSize({ width: 1440, height: 900 });
}
