// Everything around the browser, in two ways: names of their own with TLS, and loopback as the demo has it.
import { startApp } from "./app.mjs";
import { certificate, folder, freePort, startGateway } from "./gateway.mjs";
import { ACME, BIRCH, startApi, startPages } from "./host.mjs";

/** The names that browsers have to find on loopback. */
export const NAMES = ["acme.portal.test", "birch.portal.test", "www.evil.test", "app.gate.test", "brief.gate.test"];

const NAMED = {
  acme: "https://acme.portal.test",
  birch: "https://birch.portal.test",
  evil: "https://www.evil.test",
  main: ["127.0.0.1", "https://app.gate.test"],
  brief: ["127.0.0.1", "https://brief.gate.test"],
};
// Here both portals are one page, because loopback has no sub-domains of one site that every browser knows.
const LOOPBACK = {
  acme: "http://localhost",
  birch: "http://localhost",
  evil: "http://evil.localhost",
  main: ["127.0.0.1", "http://127.0.0.1"],
  brief: ["127.0.0.1", "http://127.0.0.1"],
};

/** The host, its API, the app, and two gateways: `brief` ends sessions after two idle seconds and puts the script in. */
export async function startWorld(binary, way) {
  const names = way === "named" ? NAMED : LOOPBACK;
  const tls = way === "named" ? certificate(folder()) : undefined;
  const app = await startApp();
  const pages = await startPages(tls);
  const [acme, birch, evil] = ["acme", "birch", "evil"].map((name) => `${names[name]}:${pages.port}`);
  const api = await startApi({ [ACME]: acme, [BIRCH]: birch });
  const origins = way === "named" ? [`https://*.portal.test:${pages.port}`] : [acme];
  const gateway = async ([address, name], idle, more) => {
    const port = await freePort(address);
    const place = { listen: `${address}:${port}`, origin: `${name}:${port}` };
    return startGateway(binary, { ...place, app: app.port, api: api.port, origins, tls, idle, more });
  };
  const main = await gateway(names.main, "1h", MORE.main);
  const brief = await gateway(names.brief, "2s", MORE.brief);
  const stop = async () => {
    await Promise.all([main.stop(), brief.stop()]);
    for (const part of [app, pages, api]) part.stop();
  };
  return { acme, birch, evil, main: main.origin, brief: brief.origin, gateways: { main, brief }, app, api, stop };
}
const MORE = { main: { session: "bearer = true" }, brief: {} };
