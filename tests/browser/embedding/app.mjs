// The app behind the gateway. It knows nothing of tokens and sessions: it shows the headers that it gets.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { listening } from "../stage.mjs";

const who = ({ headers }) => headers["x-vestibule-user"] ?? "nobody";

// With or without the gateway's script.
const page = (request, helper) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>app</title><link rel="icon" href="data:,">
${helper ? '<script src="/.vestibule/embed.js"></script>' : ""}</head>
<p id="who">${who(request)}</p><p id="method">${request.method}</p>
<a id="link" href="next">next</a> <a id="tab" target="_blank" href="tab?x=1#part">tab</a>
<form id="form" method="post" action="form"><input name="text" value="hello"></form></html>`;

function html(request, response, body, headers = {}) {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...headers });
  response.end(body);
}

const pages = {
  work: (request, response) => html(request, response, page(request, true)),
  spa: (request, response) => html(request, response, page(request, true)),
  // An app that was not changed at all, and forbids frames as many do by default.
  plain: (request, response) => html(request, response, page(request, false), { "x-frame-options": "DENY" }),
  // One whose policy allows only scripts that bear its nonce.
  strict: (request, response) =>
    html(request, response, page(request, false), {
      "content-security-policy": "default-src 'self'; script-src 'nonce-bm9uY2Ugb2YgYXBw'; frame-ancestors 'none'",
    }),
  // What came, as JSON.
  echo(request, response) {
    response.setHeader("content-type", "application/json");
    const cookies = (request.headers.cookie ?? "").split("; ").filter((one) => one !== "");
    response.end(JSON.stringify({ user: who(request), method: request.method, url: request.url, cookies }));
  },
  set(request, response) {
    response.setHeader("set-cookie", [
      `taste=${who(request)}; Path=/; HttpOnly; SameSite=Lax`,
      "colour=green; Path=/; SameSite=Lax",
    ]);
    response.end("set");
  },
  events(request, response) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${who(request)}\n\n`);
  },
  broken: (request) => request.socket.destroy(),
};

// One frame of text, and whatever comes is not read.
function upgrade(request, socket) {
  const magic = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(magic).digest("base64");
  const protocols = request.headers["sec-websocket-protocol"] ?? "";
  const said = Buffer.from(JSON.stringify({ user: who(request), protocols: protocols.slice(0, 40) }));
  socket.on("error", () => {});
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.write(Buffer.concat([Buffer.from([0x81, said.length]), said]));
}

export async function startApp() {
  const app = { seen: [] };
  const server = createServer((request, response) => {
    app.seen.push({ method: request.method, url: request.url, user: who(request) });
    const name = request.url.split(/[/?]/)[1];
    (pages[name] ?? pages.work)(request, response);
  });
  server.on("upgrade", (request, socket) => {
    app.seen.push({ method: "WEBSOCKET", url: request.url, user: who(request) });
    upgrade(request, socket);
  });
  app.port = await listening(server, 0);
  app.stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return app;
}
