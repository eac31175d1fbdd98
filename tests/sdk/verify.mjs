// Reads an assertion with jose and prints its claims; each key must be named by its thumbprint (RFC 7638).
// usage: verify.mjs JWKS ISSUER ASSERTION
import { calculateJwkThumbprint, createRemoteJWKSet, jwtVerify } from 'jose';

const [jwks, issuer, assertion] = process.argv.slice(2);
for (const key of (await (await fetch(jwks)).json()).keys) {
  const thumbprint = await calculateJwkThumbprint(key);
  if (thumbprint !== key.kid) throw new Error(`${key.kid} is the name of ${thumbprint}`);
}
const rules = { issuer, audience: issuer, algorithms: ['ES256'], requiredClaims: ['sub', 'jti', 'iat', 'exp'] };
const { payload, protectedHeader } = await jwtVerify(assertion, createRemoteJWKSet(new URL(jwks)), rules);
console.log(JSON.stringify({ payload, protectedHeader }));
