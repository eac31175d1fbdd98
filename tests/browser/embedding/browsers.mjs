// The browsers of the matrix, each with a new profile and the cookie setting that a person would choose.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { folder } from "./gateway.mjs";
import { NAMES } from "./world.mjs";

const CHROMIUM = {
  "all cookies": { profile: { cookie_controls_mode: 0 } },
  "no third-party cookies": { profile: { cookie_controls_mode: 1 } },
  "no cookies": { profile: { default_content_setting_values: { cookies: 2 } } },
};

const chromium = (cookies) => {
  const userDataDir = folder();
  mkdirSync(join(userDataDir, "Default"));
  writeFileSync(join(userDataDir, "Default", "Preferences"), JSON.stringify(CHROMIUM[cookies]));
  return puppeteer.launch({
    browser: "chrome",
    executablePath: process.env.VESTIBULE_CHROMIUM ?? "/usr/bin/chromium",
    userDataDir,
    acceptInsecureCerts: true,
    protocolTimeout: 20000,
    defaultViewport: { width: 1200, height: 800 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--ignore-certificate-errors",
      `--host-resolver-rules=${NAMES.map((name) => `MAP ${name} 127.0.0.1`).join(", ")}`,
    ],
  });
};

// network.cookie.cookieBehavior, as Firefox's own settings page writes it.
const FIREFOX = { "its defaults": 5, "no cross-site cookies": 1, "no cookies": 2 };

const firefox = (cookies) =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.VESTIBULE_FIREFOX ?? "/usr/bin/firefox-esr",
    acceptInsecureCerts: true,
    protocolTimeout: 20000,
    defaultViewport: { width: 1200, height: 800 },
    extraPrefsFirefox: {
      "network.cookie.cookieBehavior": FIREFOX[cookies],
      "network.dns.localDomains": [...NAMES, "evil.localhost"].join(","),
    },
  });

/**
 * A jar with nothing in it. Chromium's is emptied, because a context of its own would be a private window, whose cookie
 * settings are others; in Firefox it is a container.
 */
export async function freshJar(browser, name) {
  if (name === "Firefox") return browser.createBrowserContext();
  const session = await browser.target().createCDPSession();
  await session.send("Storage.clearCookies");
  await session.detach();
  return browser.defaultBrowserContext();
}

export const launch = { Chromium: chromium, Firefox: firefox };
