// What the checks need around them: the demo, a browser that blocks third-party cookies, and a server of other pages.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const listening = async (server, port) => {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
};

const isFree = async (port) => {
  const socket = createSocket();
  try {
    await listening(socket, port);
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
};

/** A port whose next one is free too. */
export async function twoPorts() {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = 20000 + Math.floor(Math.random() * 10000);
    if ((await isFree(port)) && (await isFree(port + 1))) return port;
  }
  throw new Error("no two adjacent ports are free");
}

/** Starts `vestibule demo` and waits until it says where to look. */
export async function startDemo(binary) {
  const port = await twoPorts();
  const child = spawn(binary, ["demo", "--port", String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  let said = "";
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (text) => {
      said += text;
      if (said.includes("Open http")) resolve();
    });
    ended.then(([code]) => reject(new Error(`the demo ended with ${code}: ${said}`)));
    setTimeout(() => reject(new Error(`the demo does not start: ${said}`)), 20000).unref();
  });
  return { child, ended, host: `http://localhost:${port}`, gateway: `http://127.0.0.1:${port + 1}` };
}

/** Headless Chromium with a new profile in which third-party cookies are blocked, as a person would set it. */
export async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), "vestibule-browser-"));
  await mkdir(join(profile, "Default"));
  const preferences = { profile: { cookie_controls_mode: 1 } };
  await writeFile(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.VESTIBULE_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    chromiumSandbox: false,
    viewport: { width: 1440, height: 900 },
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context.setDefaultTimeout(10000);
  const stop = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { context, stop };
}

const html = (body) =>
  `<!doctype html><meta charset="utf-8"><title>another page</title><link rel="icon" href="data:,">${body}`;

/**
 * Pages that are not the host's: `/frame?src=…` frames any address, `/set` sets two cookies and goes on to `/seen`,
 * which shows what came back.
 */
export async function startOtherPages() {
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://other.invalid");
    response.setHeader("content-type", "text/html");
    if (url.pathname === "/frame") {
      const source = url.searchParams.get("src").replaceAll("&", "&amp;").replaceAll('"', "&quot;");
      response.end(html(`<iframe id="frame" width="600" height="300" src="${source}"></iframe>`));
    } else if (url.pathname === "/set") {
      response.setHeader("set-cookie", [
        "plain=1; Secure; SameSite=None; Path=/",
        "parted=1; Secure; SameSite=None; Partitioned; Path=/",
      ]);
      response.end(html(`<script>location.replace("/seen")</script>`));
    } else {
      response.end(html(`<p id="seen">cookies: ${request.headers.cookie ?? "none"}</p>`));
    }
  });
  const port = await listening(server, 0);
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, stop };
}
