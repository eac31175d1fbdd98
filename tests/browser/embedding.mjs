// Drives the gateway's binary in real browsers, as people would who find it inside a page of their platform.
//
//   VESTIBULE_BIN=target/debug/vestibule node tests/browser/embedding.mjs [WORD…]     only runs whose name has these words
//
// Each run is a browser with a cookie setting, and two sites made in one of two ways: names of their own with TLS, or
// localhost and 127.0.0.1. One line per check; the last line is "N passed, N failed".
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { basics, preview } from "./embedding/basics.mjs";
import { launch } from "./embedding/browsers.mjs";
import { strangers } from "./embedding/strangers.mjs";
import { Tab } from "./embedding/tab.mjs";
import { startWorld } from "./embedding/world.mjs";
import { check, conclude } from "./report.mjs";

process.setMaxListeners(100);
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const binary = resolve(process.env.VESTIBULE_BIN ?? `${root}/target/debug/vestibule`);

const kept = [basics, preview, strangers];
const RUNS = [
  ["Chromium", "no third-party cookies", "named", kept],
  ["Chromium", "all cookies", "loopback", kept],
  ["Firefox", "its defaults", "named", kept],
  ["Firefox", "its defaults", "loopback", kept],
];

async function drive([name, cookies, way, parts]) {
  const title = `${name} with ${cookies}, ${way}`;
  console.log(`--- ${title}`);
  const world = await startWorld(binary, way);
  const browser = await launch[name](cookies);
  try {
    for (const part of parts) {
      const tab = await Tab.open(browser, world);
      const run = { browser, name, world, way, tab, check };
      await part(run).catch((error) => check(`${part.name} comes to its end`, () => error.stack));
      await tab.close();
    }
  } finally {
    await browser.close();
    await world.stop();
  }
}

const words = process.argv.slice(2);
for (const run of RUNS) {
  if (words.every((word) => run.slice(0, 3).join(" ").includes(word))) await drive(run);
}
process.exit(conclude() ? 0 : 1);
