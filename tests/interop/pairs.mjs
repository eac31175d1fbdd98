// Key pairs of every kind, two of each, made anew. As a program it prints the first of each kind as
// {"RS256": {"private", "jwks": {…}, "pem": {…}, …}, …}: the private key, and the members of a line that show the public one.
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

export const KID = 'interop-key';

const pairs = (kind, options) => [generateKeyPairSync(kind, options), generateKeyPairSync(kind, options)];
export const asymmetric = {
  RS256: pairs('rsa', { modulusLength: 2048 }),
  ES256: pairs('ec', { namedCurve: 'P-256' }),
  EdDSA: pairs('ed25519'),
};
const jwk = ({ publicKey }) => publicKey.export({ format: 'jwk' });
const rawHex = (pair) => Buffer.from(jwk(pair).x, 'base64url').toString('hex');
export const shown = {
  jwks: (pair, alg) => ({ jwks: { keys: [{ ...jwk(pair), kid: KID, alg, use: 'sig' }] } }),
  jwk: (pair) => ({ public_jwk: jwk(pair) }),
  pem: ({ publicKey }) => ({ public_key: publicKey.export({ format: 'pem', type: 'spki' }) }),
  ed25519: (pair) => ({ public_key: rawHex(pair) }),
};

const printed = ([pair], algorithm) => {
  const forms = Object.entries(shown).filter(([form]) => form !== 'ed25519' || algorithm === 'EdDSA');
  const members = forms.map(([form, show]) => [form, show(pair, algorithm)]);
  return { private: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }), ...Object.fromEntries(members) };
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const all = Object.entries(asymmetric).map(([algorithm, pairs]) => [algorithm, printed(pairs, algorithm)]);
  console.log(JSON.stringify({ kid: KID, ...Object.fromEntries(all) }));
}
