// What each package says of a line of a vector file: for every package and platform a function from the line to what
// the token says. It throws where the package refuses, or where the check that its documentation asks of the caller
// fails.
import { createDecipheriv } from 'node:crypto';
import { createRequire, register } from 'node:module';
import '@shopify/shopify-api/adapters/node';
import connect from '@atlassian/atlassian-jwt';
import { initUserTokenVerifier } from '@canva/app-middleware';
import { verifyRequest } from '@contentful/node-apps-toolkit';
import hubspot from '@hubspot/api-client/lib/src/utils/signature.js';
import { shopifyApi } from '@shopify/shopify-api';
import * as telegramApps from '@telegram-apps/init-data-node';
import * as tma from '@tma.js/init-data-node';
import { verifyUserToken } from '@whop/sdk/lib/verify-user-token.js';
import connectFormer from 'atlassian-jwt';
import CryptoJS from 'crypto-js';
import { verifyKey } from 'discord-interactions';
import facebook from 'fb';
import * as jose from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import BigCommerce from 'node-bigcommerce';
import { decrypt, verify } from 'paseto-ts/v4';
import readCanvas from 'salesforce-signed-request';
import Stripe from 'stripe';
import { keysAt } from './keys.mjs';

const must = (value, why) => {
  if (!value) throw new Error(why);
  return value;
};

const headers = (line) => line.request?.headers ?? {};
const queryOf = (line) => {
  const names = {};
  for (const [name, value] of new URLSearchParams(line.request.query)) {
    names[name] = name in names ? [names[name], value].flat() : value;
  }
  return names;
};

const { decodeJwt, jwtDecrypt, jwtVerify } = jose;
const keySet = (line) => jose.createLocalJWKSet(line.jwks);
const withJose = async (line, issuer, algorithms) => {
  const rules = { issuer, audience: line.params.audience, algorithms };
  return (await jwtVerify(line.token, keySet(line), rules)).payload;
};
const joseJwe = async (line) => {
  const allowed = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] };
  const rules = { issuer: line.params.issuer, audience: line.params.audience, ...allowed };
  return (await jwtDecrypt(line.token, Buffer.from(line.secret_hex, 'hex'), rules)).payload;
};

const hs256 = (line, rules = {}) => jsonwebtoken.verify(line.token, line.secret, { algorithms: ['HS256'], ...rules });

// The packages leave time, tenant and request to the caller; so does the framework of the same vendor.
const connectWith = (library) => (line) => {
  const claims = library.decodeSymmetric(line.token, line.secret, 'HS256');
  must(claims.exp > Date.now() / 1000, 'expired');
  must(claims.iss === line.params.client_key, 'another tenant');
  const request = library.fromMethodAndUrl(line.request.method, line.request.url);
  must(['context-qsh', library.createQueryStringHash(request)].includes(claims.qsh), 'another request');
  return claims;
};
const installed = (line) => {
  const claims = connect.decodeAsymmetric(line.token, line.public_key, 'RS256');
  must(claims.exp > Date.now() / 1000, 'expired');
  must([claims.aud].flat().includes(line.params.audience), 'another app');
  const request = connect.fromMethodAndUrl(line.request.method, line.request.url);
  must(connect.createQueryStringHash(request) === claims.qsh, 'another request');
  return claims;
};

const shop = (line) =>
  shopifyApi({
    apiKey: line.params?.audience ?? 'none',
    apiSecretKey: line.secret,
    apiVersion: '2026-10',
    hostName: 'app.example.test',
    isEmbeddedApp: true,
    logger: { log: () => {} },
  });
const shopQuery = (signator) => async (line) => {
  const query = queryOf(line);
  must(await shop(line).utils.validateHmac(query, { signator }), 'bad signature');
  return query;
};

// The body is what is signed: exactly these two, in this order.
const stripeApps = (line) => {
  must(Stripe.webhooks.signature.verifyHeader(line.request.body, line.token, line.secret, 300), 'bad signature');
  return JSON.parse(line.request.body);
};

const hubspotAs = (signatureVersion) => (line) => {
  const { method, url, body } = line.request;
  const timestamp = headers(line)['x-hubspot-request-timestamp'];
  const options = { signatureVersion, clientSecret: line.secret, signature: line.token };
  must(hubspot.Signature.isValid({ ...options, method, url, requestBody: body, timestamp }), 'bad signature');
  return Object.fromEntries(new URL(url).searchParams);
};

const contentful = (line) => {
  const { method, url, body } = line.request;
  must(verifyRequest(line.secret, { method, path: url, headers: headers(line), body }, line.params.ttl_s), 'refused');
  return headers(line);
};

const canva = async (line) => {
  const appId = line.params.audience;
  const baseUrl = await keysAt(`/rest/v1/apps/${appId}/jwks`, line.jwks);
  const claims = await initUserTokenVerifier({ appId, baseUrl }).verify(line.token);
  return { ...decodeJwt(line.token), ...claims };
};

const whop = async (line) => {
  const options = { publicKey: JSON.stringify(line.public_jwk), appId: line.params.audience };
  const { userId } = await verifyUserToken(line.token, options);
  return { sub: userId };
};

const highlevel = (line) =>
  JSON.parse(CryptoJS.AES.decrypt(line.token, line.secret).toString(CryptoJS.enc.Utf8));

// As in the platform's sample, which uses this package.
const wix = (line) => {
  const [signature, data] = line.token.split('.');
  const due = CryptoJS.HmacSHA256(data, line.secret).toString(CryptoJS.enc.Base64url);
  must(signature === due, 'bad signature');
  return JSON.parse(Buffer.from(data, 'base64url'));
};

const canvas = (line) => {
  const read = readCanvas(line.token, line.secret);
  if (read instanceof Error) throw read;
  return read;
};

const pasetoKey = (kind, hex) => `k4.${kind}.${Buffer.from(hex, 'hex').toString('base64url')}`;
// The package checks the times that are there; audience, issuer and that there is an end are the caller's.
const paseto = (open, kind, key) => (line) => {
  const { payload } = open(pasetoKey(kind, line[key]), line.token);
  must(payload.exp && payload.aud === line.params.audience && payload.iss === line.params.issuer, 'not for this app');
  return payload;
};

const initData = ({ validate }) => (line) => {
  validate(line.token, line.secret, { expiresIn: line.params.max_age_s });
  return Object.fromEntries(new URLSearchParams(line.token));
};

const discordCall = async (line) => {
  const { body } = line.request;
  const time = headers(line)['x-signature-timestamp'];
  must(await verifyKey(body, line.token, time, line.public_key), 'bad signature');
  return JSON.parse(body);
};

// No package: the primitives of Node, in the layout that the line states.
const gcm = (line) => {
  const bytes = Buffer.from(line.token, 'base64url');
  const open = createDecipheriv('aes-256-gcm', Buffer.from(line.secret_hex, 'hex'), bytes.subarray(0, 12));
  open.setAuthTag(bytes.subarray(-16));
  const claims = JSON.parse(Buffer.concat([open.update(bytes.subarray(12, -16)), open.final()]));
  must(claims.exp > Date.now() / 1000 && claims.aud === line.params.audience, 'not for this app');
  return claims;
};

// Installed for other tests already. It is built for bundlers and needs a loader.
const assembly = async (line) => {
  const folder = new URL('../sdk/', import.meta.url);
  register(new URL('loader.mjs', folder));
  const { assemblyApi } = await import(createRequire(folder).resolve('@assembly-js/node-sdk'));
  return assemblyApi({ apiKey: line.secret, token: line.token }).getTokenPayload();
};

export const packages = {
  '@assembly-js/node-sdk': { assembly },
  '@atlassian/atlassian-jwt': {
    'atlassian-connect': connectWith(connect),
    'atlassian-connect-install': installed,
  },
  '@canva/app-middleware': { canva },
  '@contentful/node-apps-toolkit': { contentful },
  '@hubspot/api-client': {
    'hubspot-v1': hubspotAs('v1'),
    'hubspot-v2': hubspotAs('v2'),
    'hubspot-v3': hubspotAs('v3'),
  },
  '@shopify/shopify-api': {
    shopify: (line) => shop(line).session.decodeSessionToken(line.token),
    'shopify-app-proxy': shopQuery('appProxy'),
    'shopify-query-hmac': shopQuery('admin'),
  },
  '@telegram-apps/init-data-node': { telegram: initData(telegramApps) },
  '@tma.js/init-data-node': { telegram: initData(tma) },
  '@whop/sdk': { whop },
  'atlassian-jwt': { 'atlassian-connect': connectWith(connectFormer) },
  'crypto-js': { highlevel, wix },
  'discord-interactions': { 'discord-interaction': discordCall },
  fb: { facebook: (line) => must(facebook.FB.parseSignedRequest(line.token, line.secret), 'refused') },
  jose: {
    'atlassian-forge': (line) => withJose(line, line.params.issuer, ['RS256']),
    'generic-jwe': joseJwe,
    'generic-jwt': async (line) => {
      const claims = await withJose(line, line.params.issuer, line.params.algorithms);
      must(claims.exp, 'no end');
      return claims;
    },
    msteams: (line) => {
      const issuer = line.params.issuer_template.replace('{tid}', decodeJwt(line.token).tid);
      return withJose(line, issuer, ['RS256']);
    },
  },
  jsonwebtoken: {
    bigcommerce: (line) => hs256(line, { audience: line.params.audience, issuer: line.params.issuer }),
    miro: (line) => hs256(line),
    monday: (line) => {
      const claims = hs256(line);
      must(claims.dat.client_id === line.params.client_id, 'another app');
      return claims;
    },
    pipedrive: (line) => hs256(line),
    zendesk: (line) => {
      const { audience, issuer } = line.params;
      return jsonwebtoken.verify(line.token, line.public_key, { algorithms: ['RS256'], audience, issuer });
    },
  },
  'node-bigcommerce': { 'bigcommerce-legacy': (line) => new BigCommerce({ secret: line.secret }).verify(line.token) },
  'node:crypto': { 'generic-aes-256-gcm': gcm },
  'paseto-ts': {
    'generic-paseto-v4-local': paseto(decrypt, 'local', 'secret_hex'),
    'generic-paseto-v4-public': paseto(verify, 'public', 'public_key'),
  },
  'salesforce-signed-request': { 'salesforce-canvas': canvas },
  stripe: { 'stripe-apps': stripeApps },
};
