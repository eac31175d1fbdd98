// The gateway under test: the binary itself, with a configuration of its own.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listening } from "../stage.mjs";
import { ACME, API_KEY, BIRCH, PEOPLE } from "./host.mjs";

/** A folder that goes when the process does. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "vestibule-embedding-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** A certificate for all names of the suite. Browsers are told to take any. */
export function certificate(path) {
  const [key, cert] = [join(path, "tls.key"), join(path, "tls.crt")];
  const names = "subjectAltName=DNS:*.gate.test,DNS:*.portal.test,DNS:*.evil.test";
  const about = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test"];
  execFileSync("openssl", ["req", ...about, "-addext", names, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { key: readFileSync(key), cert: readFileSync(cert), paths: { key, cert } };
}

export async function freePort(address) {
  const socket = createServer();
  socket.listen(0, address);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

const route = (path, access, more = "") => `[[routes]]\npath = "${path}"\n${access}\n${more}`;
const AUTHENTICATED = 'access = "authenticated"';
const ROUTES = [
  route("/spa/**", 'access = "public"'),
  ...["work", "plain", "strict", "echo", "set", "events", "live", "broken"].map((name) =>
    route(`/${name}/**`, AUTHENTICATED),
  ),
  route("/projects/{project}/**", 'require = "projects:read"'),
];

function configuration({ listen, origin, app, api, origins, tls, idle, more }) {
  return `[server]
listen = "${listen}"
public_url = "${origin}"
drain = "0s"
drain_delay = "0s"
${tls ? `tls = { certificate = "${tls.paths.cert}", key = { file = "${tls.paths.key}" } }` : ""}
[upstream]
url = "http://127.0.0.1:${app}"
${more.upstream ?? ""}
[hosts.assembly]
platform = "assembly"
api_key = { env = "ASSEMBLY_API_KEY" }
tenants = ["${ACME}", "${BIRCH}"]
api_url = "http://127.0.0.1:${api}"
api_budget = { per_second = 1000, per_month = 1000000 }
origins = ${JSON.stringify(origins)}
[session]
keys = [{ id = "k1", secret = { env = "SESSION_KEY" } }]
idle = "${idle}"
${more.session ?? ""}
[roles.viewer]
weight = 300
permissions = ["projects:read"]
[[grants]]
tenant = "${ACME}"
subject = "${PEOPLE.ann.client}"
role = "viewer"
project = "apollo"
${ROUTES.join("\n")}
[admin]
listen = "127.0.0.1:0"
token = { env = "ADMIN_TOKEN" }
`;
}

/** Starts `vestibule serve` and waits until it takes connections. */
export async function startGateway(binary, settings) {
  const path = folder();
  const file = join(path, "vestibule.toml");
  writeFileSync(file, configuration(settings));
  const secrets = { ASSEMBLY_API_KEY: API_KEY, SESSION_KEY: randomBytes(32).toString("hex"), ADMIN_TOKEN: randomBytes(16).toString("hex") };
  const child = spawn(binary, ["serve", "-c", file], { stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env.PATH, ...secrets } });
  process.on("exit", () => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const gateway = { origin: settings.origin, said: "" };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      gateway.said += text;
    });
  }
  const [address, port] = settings.listen.split(":");
  for (let tries = 0; ; tries += 1) {
    const open = await fetch(`http://${address}:${port}/`).then(() => true, ({ cause }) => cause?.code !== "ECONNREFUSED");
    if (open) break;
    if (tries > 200 || child.exitCode !== null) throw new Error(`the gateway does not start: ${gateway.said}`);
    await new Promise((go) => setTimeout(go, 50));
  }
  gateway.stop = async () => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 3000);
    await ended;
    clearTimeout(late);
  };
  return gateway;
}
