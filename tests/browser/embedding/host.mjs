// A simulated Assembly: portals of two workspaces, a page of somebody else, and the API that the gateway asks.
import { createCipheriv, createHmac, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createSecure } from "node:https";
import { listening } from "../stage.mjs";

export const API_KEY = "throwaway-assembly-api-key-0001";
export const ACME = "11111111-2222-4333-8444-555555555555";
export const BIRCH = "22222222-2222-4333-8444-555555555555";
const COMPANY = "99999999-8888-4777-8666-555555555555";
const STAFF = "77777777-6666-4555-8444-333333333333";

const client = (number, tenant = ACME) => ({ tenant, client: `aaaaaaaa-bbbb-4ccc-8ddd-00000000000${number}` });
/** Who can be shown in a frame. */
export const PEOPLE = {
  ann: client(1),
  ben: client(2, BIRCH),
  one: client(3),
  two: client(4),
  three: client(5),
  four: client(6),
  late: client(7),
  seen: { ...client(1), internal: STAFF },
};

/** A token of Assembly's format: AES-128-CBC under a key that is made of the API key, in hex. */
export function token(person) {
  const { tenant, client, internal } = PEOPLE[person];
  const tokenId = `t-${randomUUID()}`;
  const who = { workspaceId: tenant, clientId: client, companyId: COMPANY, ...(internal && { internalUserId: internal }) };
  const key = createHmac("sha256", API_KEY).update("").digest().subarray(0, 16);
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-128-cbc", key, iv);
  const sealed = Buffer.concat([iv, cipher.update(JSON.stringify({ ...who, tokenId })), cipher.final()]);
  return { token: sealed.toString("hex"), tokenId };
}

/** The API, as far as the gateway uses it. `api.fails` makes every answer a 500. */
export async function startApi(portals) {
  const api = { fails: false };
  const named = (id) => Object.values(PEOPLE).some((person) => person.client === id || person.internal === id);
  const server = createServer((request, response) => {
    const [tenant, key, id = "t-"] = (request.headers["x-api-key"] ?? "").split("/");
    const last = request.url.split("/").at(-1);
    const answer = (status, body = {}) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (api.fails) answer(500);
    else if (!(tenant in portals) || key !== API_KEY || !id.startsWith("t-")) answer(401);
    else if (request.url === "/v1/workspaces") answer(200, { id: tenant, brandName: "W", portalUrl: portals[tenant] });
    else if (request.url.startsWith("/v1/companies/") && last === COMPANY) answer(200, { id: last, object: "company" });
    else if (!named(last)) answer(404);
    else {
      const person = { id: last, givenName: "A", familyName: "B", email: "a@example.com" };
      const company = { companyId: COMPANY, companyIds: [COMPANY], status: "active" };
      const staff = { role: "admin", isClientAccessLimited: false, companyAccessList: [] };
      answer(200, { ...person, ...(request.url.startsWith("/v1/clients/") ? company : staff) });
    }
  });
  api.port = await listening(server, 0);
  api.stop = () => server.close();
  return api;
}

// What the host's page does: it answers the frame that asks for a fresh token, as Assembly's pages do, and can push one.
const script = `
const frames = [...document.querySelectorAll("iframe")];
const fresh = async (person) => (await fetch("/token?person=" + person)).json();
const heard = [];
addEventListener("message", async ({ source, origin, data }) => {
  const frame = frames.find(({ contentWindow }) => contentWindow === source);
  if (!frame) return;
  heard.push(data?.type);
  if (data?.type !== "sessionToken.refresh.request" || origin !== new URL(frame.src).origin || bridge === "off") return;
  source.postMessage(
    { type: "sessionToken.refresh.response", requestId: data.requestId, success: true, data: await fresh(frame.dataset.person) },
    origin,
  );
});
const push = async (person, frame = frames[0]) =>
  frame.contentWindow.postMessage({ type: "sessionToken.update", data: await fresh(person) }, new URL(frame.src).origin);
`;

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** `person` and `path` may be there several times: a frame for each. */
function portal(query) {
  const paths = query.getAll("path");
  const gateway = query.get("gateway");
  const frame = (person, at) => {
    const src = new URL(paths[at] ?? paths[0], gateway);
    if (query.get("token") !== "none") src.searchParams.set("token", token(person).token);
    const sandbox = query.has("sandbox") ? ` sandbox="${escape(query.get("sandbox"))}"` : "";
    return `<iframe data-person="${person}" src="${escape(src.href)}"${sandbox}></iframe>`;
  };
  const frames = query.getAll("person").map(frame).join("");
  const bridge = `const bridge = ${JSON.stringify(query.get("bridge") ?? "on").replaceAll("<", "\\u003c")};`;
  return `<style>html, body { height: 100%; margin: 0 } iframe { border: 0; width: 100%; height: 100%; min-height: 400px }</style>
    ${frames}<script>${bridge}${script}</script>`;
}

// Any addresses in frames, beside each other.
const frames = (query) =>
  query
    .getAll("src")
    .map((src) => `<iframe src="${escape(src)}"></iframe>`)
    .join("");

/** Pages of all origins that are not the gateway's: they differ by the name in the address only. */
export async function startPages(tls) {
  const serve = (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://host.invalid");
    if (pathname === "/token") {
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(token(searchParams.get("person"))));
    }
    const body = { "/portal": portal, "/frames": frames }[pathname]?.(searchParams) ?? "";
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><meta charset="utf-8"><title>host</title><link rel="icon" href="data:,">${body}`);
  };
  const server = tls ? createSecure(tls, serve) : createServer(serve);
  const port = await listening(server, 0);
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, stop };
}
