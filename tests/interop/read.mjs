// What the packages say of vector lines: prints for each line of a file
// {"id", "verdicts": {"NAME@VERSION": {"verdict": "accept" | "reject", "claims" | "error"}}}.
// usage: read.mjs FILE
import { readFileSync } from 'node:fs';
import { holdAt } from './clock.mjs';

const { packages } = await import('./packages.mjs');
const versions = ['package.json', '../sdk/package.json'].map(
  (file) => JSON.parse(readFileSync(new URL(file, import.meta.url))).dependencies,
);

// As the vector files name them; what is Node's own has no version.
const named = (name) => {
  const version = { ...versions[1], ...versions[0] }[name];
  return version ? `${name}@${version}` : name;
};

const judge = async (read, line) => {
  try {
    return { verdict: 'accept', claims: await read(line) };
  } catch (error) {
    return { verdict: 'reject', error: String(error) };
  }
};

for (const text of readFileSync(process.argv[2], 'utf8').trim().split('\n')) {
  const line = JSON.parse(text);
  holdAt(line.now);
  const verdicts = {};
  for (const [name, platforms] of Object.entries(packages)) {
    const read = platforms[line.platform];
    if (read) verdicts[named(name)] = await judge(read, line);
  }
  console.log(JSON.stringify({ id: line.id, verdicts }));
}
