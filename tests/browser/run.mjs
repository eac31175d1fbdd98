// Drives `vestibule demo` in a real browser, as a person would, with third-party cookies blocked.
//
//   VESTIBULE_BIN=target/debug/vestibule node tests/browser/run.mjs
//
// One line per check; the last line is "N passed, N failed". Pictures of the page go to $VESTIBULE_SCREENSHOT, and beside it
// with -dark and -narrow in their names.
import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { landing, people, refusals, revoking, working } from "./app.mjs";
import { ANN, Harbor } from "./harbor.mjs";
import { cookiesAreBlocked, foreignPages, inspecting, layout } from "./page.mjs";
import { check, conclude, is, until } from "./report.mjs";
import { startBrowser, startDemo, startOtherPages } from "./stage.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const binary = resolve(process.env.VESTIBULE_BIN ?? `${root}/target/debug/vestibule`);
const picture = resolve(process.env.VESTIBULE_SCREENSHOT ?? `${root}/target/demo.png`);

async function ending(harbor) {
  const { page, demo } = harbor;
  await harbor.press("open");
  await until(async () => is(await harbor.who(), ANN));
  const context = await harbor.context();
  await harbor.frame.evaluate(async (context) => {
    const opened = (target) => new Promise((resolve) => target.addEventListener("open", resolve));
    await opened(new EventSource("/projects/apollo/events"));
    await opened(new WebSocket(`ws://${location.host}/projects/apollo/live?_vestibule_ctx=${context}`));
  }, context);
  await check("SIGTERM ends the demo within two seconds, though the browser holds streams open", async () => {
    const started = Date.now();
    demo.child.kill("SIGTERM");
    const late = new Promise((resolve) => {
      setTimeout(() => resolve(["nothing within 10 s"]), 10000).unref();
    });
    const [code] = await Promise.race([demo.ended, late]);
    const took = Date.now() - started;
    return (code === 0 && took < 2000) || { code, took };
  });
  await page.close();
}

async function main() {
  await mkdir(dirname(picture), { recursive: true });
  const demo = await startDemo(binary);
  const other = await startOtherPages();
  const browser = await startBrowser();
  try {
    const { context } = browser;
    await cookiesAreBlocked(context, other);
    const page = await context.newPage();
    const noise = [];
    page.on("pageerror", (error) => noise.push(error.message));
    page.on("console", (message) => {
      const { url } = message.location();
      const failed = message.text().startsWith("Failed to load resource") && url.startsWith(demo.gateway);
      const refused = /status of 40[139]/.test(message.text());
      const brokenOff = /\/apollo\/events(\?|$)/.test(url) && /ERR_INCOMPLETE_CHUNKED_ENCODING/.test(message.text());
      if (message.type() === "error" && !(failed && (refused || brokenOff))) noise.push(`${message.text()} (${url})`);
    });
    const harbor = new Harbor(page, demo);
    await landing(harbor, context);
    await working(harbor);
    await inspecting(harbor);
    await refusals(harbor);
    await revoking(harbor);
    await people(harbor, context);
    await foreignPages(harbor, context, other);
    await layout(harbor, picture);
    await check(
      "the console says nothing beyond what was refused and broken off on purpose",
      async () => noise.length === 0 || noise,
    );
    await ending(harbor);
  } finally {
    await browser.stop();
    other.stop();
    demo.child.kill("SIGKILL");
  }
}

await main().catch((error) => check("the run comes to its end", () => error.stack));
process.exitCode = conclude() ? 0 : 1;
