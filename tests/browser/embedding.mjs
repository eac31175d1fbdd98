// Drives the gateway's binary in real browsers, as people would who find it inside a page of their platform.
//
//   VESTIBULE_BIN=target/debug/vestibule node tests/browser/embedding.mjs [WORD…]     only runs whose name has these words
//
// Each run is a browser with a cookie setting, and two sites made in one of two ways: names of their own with TLS, or
// localhost and 127.0.0.1. One line per check; the last line is "N passed, N failed".
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { basics, preview } from "./embedding/basics.mjs";
import { bearerByHand } from "./embedding/blocked.mjs";
import { freshJar, launch } from "./embedding/browsers.mjs";
import { byHand } from "./embedding/ends.mjs";
import { pictures } from "./embedding/pictures.mjs";
import { strangers } from "./embedding/strangers.mjs";
import { Tab } from "./embedding/tab.mjs";
import { byTicket } from "./embedding/tickets.mjs";
import { undecided } from "./embedding/undecided.mjs";
import { startWorld } from "./embedding/world.mjs";
import { check, conclude } from "./report.mjs";

process.setMaxListeners(100);
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const binary = resolve(process.env.VESTIBULE_BIN ?? `${root}/target/debug/vestibule`);

const kept = [basics, strangers, byHand, byTicket, undecided, preview];
const blocked = [bearerByHand];
const RUNS = [
  ["Chromium", "no third-party cookies", "named", [...kept, pictures]],
  ["Chromium", "all cookies", "loopback", kept],
  ["Firefox", "its defaults", "named", kept],
  ["Firefox", "its defaults", "loopback", kept],
  ["Chromium", "no cookies", "named", blocked],
  ["Firefox", "no cross-site cookies", "named", blocked],
  ["Firefox", "no cookies", "loopback", blocked],
];

async function drive([name, cookies, way, parts]) {
  const title = `${name} with ${cookies}, ${way}`;
  console.log(`--- ${title}`);
  const world = await startWorld(binary, way);
  const browser = await launch[name](cookies);
  try {
    for (const part of parts.filter(({ name }) => !only || only.includes(name))) {
      const jar = await freshJar(browser, name);
      const tab = await Tab.open(jar, world);
      const run = { folder: join(root, "target/screenshots"), browser: jar, name, world, way, tab, check, cookies };
      await part(run).catch((error) => check(`${part.name} comes to its end`, () => error.stack));
      for (const page of await jar.pages()) await page.close();
    }
  } finally {
    await browser.close();
    await world.stop();
  }
}

const only = process.env.ONLY?.split(",");
const words = process.argv.slice(2);
for (const run of RUNS) {
  if (words.every((word) => run.slice(0, 3).join(" ").includes(word))) await drive(run);
}
process.exit(conclude() ? 0 : 1);
