// Tells Vestibule who holds what. A person is host, workspace and id together.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const { CREDENTIAL, PORT = '3001' } = process.env; // the whole header, such as "Bearer …"
const person = (host, tenant, id) => JSON.stringify([host, tenant, id]);
const people = new Map([
  [person('assembly', '11111111-2222-4333-8444-555555555555', 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee'),
    [{ role: 'editor', project: 'apollo' }, { role: 'viewer', project: 'Zeus & Co' }]],
]);
const hash = (text) => createHash('sha256').update(text).digest();
const expected = hash(CREDENTIAL); // not set, it ends the program here

async function answer(request) {
  const body = await request.toArray();
  if (!timingSafeEqual(hash(request.headers.authorization ?? ''), expected)) return [401];
  const { subject } = JSON.parse(Buffer.concat(body));
  const grants = people.get(person(subject.properties.host, subject.properties.tenant, subject.id));
  return grants ? [200, { subject, grants }] : [404];
}

createServer(async (request, response) => {
  const [status, body] = await answer(request).catch(() => [400]);
  response.writeHead(status, { 'content-type': 'application/json' }).end(body && JSON.stringify(body));
}).listen(Number(PORT), '127.0.0.1');
