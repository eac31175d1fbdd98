// An app that answers only to requests that passed Vestibule, and says who is calling.
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const { ISSUER, AUDIENCE = ISSUER, JWKS = `${ISSUER}/.vestibule/jwks.json`, PORT = '3000' } = process.env;
const keys = createRemoteJWKSet(new URL(JWKS)); // fetched once, and again when an unknown key id comes
const rules = {
  algorithms: ['ES256'],
  issuer: ISSUER,
  audience: AUDIENCE,
  requiredClaims: ['exp', 'sub', 'host', 'tenant'],
};

const app = createServer(async (request, response) => {
  let caller;
  try {
    // Absent or sent twice, it is no assertion either.
    ({ payload: caller } = await jwtVerify(request.headers['x-vestibule-assertion'] ?? '', keys, rules));
  } catch (error) {
    console.error(`refused: ${error.message}`);
    response.writeHead(401).end();
    return;
  }
  const { host, tenant, sub, kind, permissions } = caller;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ host, tenant, sub, kind, permissions }));
});
app.listen(Number(PORT), '127.0.0.1');
