// A tab with a page of the host's, and what is seen and done in its frames.
import { is, until } from "../report.mjs";
import { PEOPLE } from "./host.mjs";

export class Tab {
  constructor(page, world) {
    this.page = page;
    this.world = world;
  }

  static async open(browser, world) {
    const page = await browser.newPage();
    page.setDefaultTimeout(10000);
    return new Tab(page, world);
  }

  close = () => this.page.close();

  /** Opens the portal with a frame for each of these people. */
  async portal(people, { at = "acme", gateway = "main", path = "/plain/start", ...more } = {}) {
    const query = new URLSearchParams({ gateway: this.world[gateway], ...more });
    for (const person of [people].flat()) query.append("person", person);
    for (const one of [path].flat()) query.append("path", one);
    await this.page.goto(`${this.world[at]}/portal?${query}`, { waitUntil: "load" });
  }

  /** Frames addresses in a page of somebody: `evil`, `acme` or `birch`. */
  async frames(at, ...sources) {
    const query = new URLSearchParams(sources.map((src) => ["src", src]));
    await this.page.goto(`${this.world[at]}/frames?${query}`, { waitUntil: "load" });
  }

  async frame(at = 0) {
    return (await this.page.$$("iframe"))[at].contentFrame();
  }

  /** Runs a function in the frame. */
  async run(work, ...more) {
    return (await this.frame()).evaluate(work, ...more);
  }
  async runAt(at, work, ...more) {
    return (await this.frame(at)).evaluate(work, ...more);
  }

  text = (at) => this.runAt(at, () => document.body.innerText);
  url = (at) => this.runAt(at, () => location.href);
  /** The frame comes to show this person. */
  shows = (person, at = 0) =>
    until(async () =>
      is(await this.runAt(at, () => document.querySelector("#who")?.textContent ?? document.body.innerText), PEOPLE[person].client),
    );
  /** The frame comes to show a page of ours that says this. */
  says = (pattern, at = 0) =>
    until(async () => {
      const text = await this.text(at);
      return pattern.test(text) || text;
    });

  /** What a request of the app's own page gets: status, code, and who the app thought it was. */
  ask = (address, options = {}, at = 0) => this.runAt(at, asking, address, options);
  socket = (address, protocols = [], at = 0) => this.runAt(at, listening, address, protocols);
  stream = (address, at = 0) => this.runAt(at, streaming, address);
  context = async (at = 0) => (await this.ask("/.vestibule/session", {}, at)).body.context;
}

/** The three that run in pages. */
export async function asking(address, options) {
  const answer = await fetch(address, options).catch((error) => ({ failed: String(error) }));
  if (answer.failed) return answer;
  const text = await answer.text().catch(() => "");
  const body = text.startsWith("{") ? JSON.parse(text) : {};
  return { status: answer.status, code: answer.headers.get("x-vestibule-error") ?? undefined, user: body.user, body };
}

export function listening(address, protocols) {
  return new Promise((resolve) => {
    const socket = new WebSocket(new URL(address, location.href.replace(/^http/, "ws")), protocols);
    socket.onmessage = ({ data }) => {
      resolve({ ...JSON.parse(data), protocol: socket.protocol });
      socket.close();
    };
    socket.onerror = () => resolve({ user: "refused" });
    setTimeout(() => resolve({ user: "nothing heard" }), 5000);
  });
}

export function streaming(address) {
  return new Promise((resolve) => {
    const source = new EventSource(address);
    source.onmessage = ({ data }) => {
      resolve(data);
      source.close();
    };
    source.onerror = () => {
      resolve("refused");
      source.close();
    };
    setTimeout(() => resolve("nothing heard"), 5000);
  });
}
