// A server on loopback with key sets, for packages that fetch them.
import { createServer } from 'node:http';

const sets = new Map();
const server = createServer((request, answer) => {
  const set = sets.get(request.url);
  answer.writeHead(set ? 200 : 404, { 'content-type': 'application/json', connection: 'close' });
  answer.end(JSON.stringify(set ?? {}));
});
const listening = new Promise((resolve) => {
  server.listen(0, '127.0.0.1', resolve);
  // It does not keep the process alive.
  server.unref();
});

// The base URL under which the path gives this set: one of its own for each call, so that nobody's cache holds another.
export const keysAt = async (path, set) => {
  await listening;
  const base = `/${sets.size}`;
  sets.set(base + path, set);
  return `http://127.0.0.1:${server.address().port}${base}`;
};
