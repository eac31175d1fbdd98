// From cases.jsonl to vector lines: what is the same for every package that mints.
import { readFileSync } from 'node:fs';

const now = Math.floor(Date.now() / 1000);
const forms = {
  now: (seconds) => seconds,
  now_ms: (seconds) => seconds * 1000,
  now_text: String,
  now_rfc3339: (seconds) => new Date(seconds * 1000).toISOString(),
};

// Times are written as `now-60`, in the unit that the name says; `now_ms` counts milliseconds.
const atTime = (text) => {
  const [, form, offset] = /^(now(?:_ms|_text|_rfc3339)?)([+-]\d+)?$/.exec(text) ?? [];
  if (!form) return text;
  return forms[form](now + Number(offset ?? 0) / (form === 'now_ms' ? 1000 : 1));
};

const timed = (value) => {
  if (typeof value === 'string') return atTime(value);
  if (Array.isArray(value)) return value.map(timed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, timed(member)]));
};

// A merge patch (RFC 7396): members that are null go, objects are merged, anything else replaces.
const patched = (value, patch) => {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const merged = { ...value };
  for (const [name, member] of Object.entries(patch)) {
    if (member === null) delete merged[name];
    else merged[name] = patched(merged[name] ?? {}, member);
  }
  return merged;
};

// What goes wrong with any token: a letter differs, the end is missing, or something stands behind it.
const spoilt = (token) => {
  const middle = Math.floor(token.length / 2);
  const letter = token[middle] === 'a' ? 'b' : 'a';
  return {
    tampered: token.slice(0, middle) + letter + token.slice(middle + 1),
    cut: token.slice(0, -1),
    longer: `${token}a`,
  };
};

// The request may hold the token as well, in its query or a header.
const withToken = ({ request, ...line }, token) => {
  const written = request && JSON.parse(JSON.stringify(request).replaceAll(line.token, token));
  return { ...line, token, request: written };
};

// The lines of a case as one package makes them. `mint` turns claims and a key into the members of a line.
const linesOf = async function* (one, name, mint, keys) {
  const { platform, params, request, identity } = one;
  const line = async (id, claims, key, expect) => {
    const made = await mint({ claims: timed(claims), request, params, key, secret: key.secret });
    const base = { id: `${name}: ${platform} ${id}`, platform, now, ...keys.shown, params, request };
    return { ...base, ...made, expect, expected_identity: expect === 'accept' ? identity : undefined };
  };
  const good = await line('as it should be', one.claims, keys.good, 'accept');
  yield good;
  for (const [id, patch] of Object.entries(one.accepted ?? {})) {
    yield line(id, patched(one.claims, patch), keys.good, 'accept');
  }
  for (const [id, patch] of Object.entries(one.refused)) {
    yield line(id, patched(one.claims, patch), keys.good, 'refuse');
  }
  yield line('other-key', one.claims, keys.other, 'refuse');
  const refused = { ...good, expect: 'refuse', expected_identity: undefined };
  const id = (what) => `${name}: ${platform} ${what}`;
  for (const [what, token] of Object.entries(spoilt(good.token))) {
    yield { ...withToken(refused, token), id: id(what) };
  }
  for (const [what, patch] of Object.entries(one.altered ?? {})) {
    yield { ...patched(refused, patch), id: id(what) };
  }
};

export const lines = async function* (minters, keysOf) {
  const cases = readFileSync(new URL('cases.jsonl', import.meta.url), 'utf8').trim().split('\n').map(JSON.parse);
  for (const one of cases) {
    for (const [name, mint] of Object.entries(minters[one.platform] ?? {})) {
      for (const algorithm of one.algorithms ?? [undefined]) {
        const keys = await keysOf(one, algorithm, name);
        if (!keys) continue;
        // Where there are several, the configuration says which one it is.
        const several = one.algorithms?.length > 1;
        const params = several ? { ...one.params, algorithms: [algorithm] } : one.params;
        const label = several ? `${name} ${algorithm}` : name;
        yield* linesOf({ ...one, params }, label, (parts) => mint({ ...parts, algorithm }), keys);
      }
    }
  }
};
