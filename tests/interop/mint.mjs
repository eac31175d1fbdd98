// Prints vector lines with tokens that the packages for Node made just now: good ones, and each spoilt in many ways.
import { createCipheriv, createHmac, randomBytes, sign } from 'node:crypto';
import connect from '@atlassian/atlassian-jwt';
import { signRequest } from '@contentful/node-apps-toolkit';
import hubspot from '@hubspot/api-client/lib/src/utils/signature.js';
import * as telegramApps from '@telegram-apps/init-data-node';
import * as tma from '@tma.js/init-data-node';
import connectFormer from 'atlassian-jwt';
import CryptoJS from 'crypto-js';
import { EncryptJWT, SignJWT } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import { encrypt, sign as signPaseto } from 'paseto-ts/v4';
import Stripe from 'stripe';
import { lines } from './cases.mjs';
import { asymmetric, KID, shown } from './pairs.mjs';

// The key that a line shows, the one that goes with it, and another of the same kind.
const keysOf = ({ key, secret }, algorithm, name) => {
  // This package has no EdDSA.
  if (name === 'jsonwebtoken' && algorithm === 'EdDSA') return undefined;
  if (key === 'secret') {
    // One letter differs, which every scheme uses.
    const other = secret.slice(0, 15) + (secret[15] === 'x' ? 'y' : 'x') + secret.slice(16);
    return { shown: { secret }, good: { secret }, other: { secret: other } };
  }
  if (key === 'hex') {
    const [good, other] = [randomBytes(32), randomBytes(32)];
    return { shown: { secret_hex: good.toString('hex') }, good: { secret: good }, other: { secret: other } };
  }
  const kind = key === 'ed25519' ? 'EdDSA' : (algorithm ?? 'RS256');
  const [good, other] = asymmetric[kind].map((pair) => ({ pair, kid: key === 'jwks' && KID }));
  return { shown: shown[key](good.pair, kind), good, other };
};

const withJose = async ({ claims, key, algorithm }) => {
  const header = { alg: algorithm, typ: 'JWT', ...(key.kid && { kid: key.kid }) };
  const secret = key.secret ? Buffer.from(key.secret) : key.pair.privateKey;
  return { token: await new SignJWT(claims).setProtectedHeader(header).sign(secret) };
};
const withJsonwebtoken = ({ claims, key, algorithm }) => {
  const options = { algorithm, noTimestamp: true, ...(key.kid && { keyid: key.kid }) };
  return { token: jsonwebtoken.sign(claims, key.secret ?? key.pair.privateKey, options) };
};
const jwt = { jose: withJose, jsonwebtoken: withJsonwebtoken };

const connectWith = (library) => ({ claims, request, secret }) => {
  const qsh = library.createQueryStringHash(library.fromMethodAndUrl(request.method, request.url));
  return { token: library.encodeSymmetric({ qsh, ...claims }, secret, 'HS256') };
};
const installed = ({ claims, request, params, key }) => {
  const qsh = connect.createQueryStringHash(connect.fromMethodAndUrl(request.method, request.url));
  const pem = key.pair.privateKey.export({ format: 'pem', type: 'pkcs8' });
  return { token: connect.encodeAsymmetric({ ...claims, qsh }, pem, 'RS256', { kid: params.kid }) };
};

const hmac = (key, data, encoding) => createHmac('sha256', key).update(data).digest(encoding);

const initData = ({ sign: signData }) => ({ claims: { auth_date, ...data }, secret }) => ({
  token: signData(data, secret, new Date(auth_date * 1000)),
});

// MAC and payload in one text; no package makes them, several read them.
const macFirst = (encoding) => ({ claims, secret }) => {
  const payload = Buffer.from(JSON.stringify(claims)).toString(encoding);
  return { token: `${hmac(secret, payload, encoding)}.${payload}` };
};
const payloadFirst = ({ claims, secret }) => {
  const payload = JSON.stringify(claims);
  const base64 = (text) => Buffer.from(text).toString('base64');
  return { token: `${base64(payload)}.${base64(hmac(secret, payload, 'hex'))}` };
};
const withCryptoJs = ({ claims, secret }) => {
  const data = Buffer.from(JSON.stringify(claims)).toString('base64url');
  return { token: `${CryptoJS.HmacSHA256(data, secret).toString(CryptoJS.enc.Base64url)}.${data}` };
};

const signedQuery = (name, text, encoding) => ({ claims, secret }) => {
  const token = hmac(secret, text(claims), encoding);
  const pairsOf = ([key, value]) => [value].flat().map((one) => [key, one]);
  const query = new URLSearchParams(Object.entries(claims).flatMap(pairsOf));
  query.append(name, token);
  return { token, request: { method: 'GET', query: query.toString() } };
};
const sorted = (claims) => Object.entries(claims).sort(([a], [b]) => (a < b ? -1 : 1));

const sealedGcm = (key, text) => {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
};

const withHubspot = ({ claims, request, secret }) => {
  const options = { clientSecret: secret, url: request.url, requestBody: request.body, timestamp: claims.time };
  const token = hubspot.Signature.getSignature(request.method, 'v3', options);
  return { token, request: { ...request, headers: { 'x-hubspot-request-timestamp': String(claims.time) } } };
};
const withContentful = ({ claims, request, secret }) => {
  const { method, url: path, body, headers } = request;
  const signed = signRequest(secret, { method, path, headers, body }, claims.time);
  return { token: signed['x-contentful-signature'], request: { ...request, headers: { ...headers, ...signed } } };
};
const withStripe = ({ claims, request, secret }) => ({
  token: Stripe.webhooks.generateTestHeaderString({ payload: request.body, secret, timestamp: claims.time }),
});
const discordCall = ({ claims, request, key }) => {
  const time = String(claims.time);
  const token = sign(null, Buffer.from(time + request.body), key.pair.privateKey).toString('hex');
  return { token, request: { ...request, headers: { 'x-signature-timestamp': time } } };
};

const k4 = (kind, bytes) => `k4.${kind}.${bytes.toString('base64url')}`;
const plainly = { addExp: false, addIat: false, validatePayload: false };
const secretKey = ({ privateKey }) => {
  const { d, x } = privateKey.export({ format: 'jwk' });
  return Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]);
};

const formEncoded = (claims) => new URLSearchParams(sorted(claims)).toString();
const joined = (claims) => sorted(claims).map(([name, value]) => `${name}=${value}`).join('');

const minters = {
  'atlassian-forge': jwt,
  bigcommerce: jwt,
  canva: jwt,
  'generic-jwt': jwt,
  lti13: jwt,
  miro: jwt,
  monday: jwt,
  msteams: jwt,
  pipedrive: jwt,
  shopify: jwt,
  whop: jwt,
  zendesk: jwt,
  'generic-jwe': {
    jose: async ({ claims, secret }) => ({
      token: await new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(secret),
    }),
  },
  'generic-aes-256-gcm': {
    'node:crypto': ({ claims, secret }) => ({ token: sealedGcm(secret, JSON.stringify(claims)).toString('base64url') }),
  },
  'generic-paseto-v4-local': {
    'paseto-ts': ({ claims, secret }) => ({ token: encrypt(k4('local', secret), claims, plainly) }),
  },
  'generic-paseto-v4-public': {
    'paseto-ts': ({ claims, key }) => ({ token: signPaseto(k4('secret', secretKey(key.pair)), claims, plainly) }),
  },
  'atlassian-connect': {
    '@atlassian/atlassian-jwt': connectWith(connect),
    'atlassian-jwt': connectWith(connectFormer),
  },
  'atlassian-connect-install': { '@atlassian/atlassian-jwt': installed },
  telegram: { '@telegram-apps/init-data-node': initData(telegramApps), '@tma.js/init-data-node': initData(tma) },
  facebook: { 'node:crypto': macFirst('base64url') },
  'salesforce-canvas': { 'node:crypto': macFirst('base64') },
  wix: { 'crypto-js': withCryptoJs },
  'bigcommerce-legacy': { 'node:crypto': payloadFirst },
  vk: { 'node:crypto': signedQuery('sign', formEncoded, 'base64url') },
  highlevel: {
    'crypto-js': ({ claims, secret }) => ({ token: CryptoJS.AES.encrypt(JSON.stringify(claims), secret).toString() }),
  },
  'hubspot-v3': { '@hubspot/api-client': withHubspot },
  contentful: { '@contentful/node-apps-toolkit': withContentful },
  'stripe-apps': { stripe: withStripe },
  'discord-interaction': { 'node:crypto': discordCall },
  'shopify-query-hmac': { 'node:crypto': signedQuery('hmac', formEncoded, 'hex') },
  'shopify-app-proxy': { 'node:crypto': signedQuery('signature', joined, 'hex') },
};

for await (const line of lines(minters, keysOf)) console.log(JSON.stringify(line));
