// A web app of the usual kind, with nothing but Node: forms, uploads, events, a WebSocket, cookies.
// usage: node.mjs PORT [http2]
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';

let listener; // of the events

const routes = {
  // Everything that arrived, as it arrived.
  'GET /open/request': (request, response) => json(response, { headers: request.rawHeaders, url: request.url }),

  'POST /open/form': async (request, response) => {
    const body = (await whole(request)).toString();
    json(response, { type: request.headers['content-type'], fields: [...new URLSearchParams(body)] });
  },

  'POST /open/upload': async (request, response) => {
    const body = await whole(request);
    const sha256 = createHash('sha256').update(body).digest('hex');
    json(response, { length: body.length, sha256, framing: request.headers['transfer-encoding'] ?? 'length' });
  },

  // Stays open: the second event comes when somebody asks for it.
  'GET /open/events': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: one\n\n');
    listener = response;
  },

  'POST /open/next': (request, response) => {
    listener.end('data: two\n\n');
    json(response, 'sent');
  },

  'GET /open/login': (request, response) => {
    response.setHeader('set-cookie', ['sid=s3cr3t; HttpOnly; Path=/', 'theme=dark; Max-Age=60']);
    json(response, 'welcome');
  },

  'GET /open/cookies': (request, response) => json(response, request.headers.cookie ?? ''),
};

const create = process.argv[3] === 'http2' ? createHttp2Server : createServer;
const app = create((request, response) => {
  const route = routes[`${request.method} ${request.url.split('?')[0]}`];
  if (route) return route(request, response);
  response.writeHead(404, { 'content-type': 'text/plain' }).end('the app has no such page');
});

// RFC 6455, as far as short texts need it.
app.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
    .digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  send(socket, `hello ${request.headers['x-vestibule-user']}`);
  let bytes = Buffer.alloc(0);
  socket.on('data', (part) => {
    bytes = Buffer.concat([bytes, part]);
    while (bytes.length >= 6 && bytes.length >= 6 + (bytes[1] & 0x7f)) {
      const length = bytes[1] & 0x7f;
      const mask = bytes.subarray(2, 6);
      const text = bytes.subarray(6, 6 + length).map((byte, at) => byte ^ mask[at % 4]);
      if ((bytes[0] & 0x0f) === 1) send(socket, `echo ${Buffer.from(text)}`);
      else socket.end(Buffer.from([0x88, 0]));
      bytes = bytes.subarray(6 + length);
    }
  });
  socket.on('error', () => socket.destroy());
});

function send(socket, text) {
  const body = Buffer.from(text);
  socket.write(Buffer.concat([Buffer.from([0x81, body.length]), body]));
}

async function whole(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

function json(response, value) {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

app.keepAliveTimeout = 300; // short, so that a test sees what follows
app.listen(Number(process.argv[2]), '127.0.0.1');
