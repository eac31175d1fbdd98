// Makes src/gateway/embed/embed.min.js, which the gateway serves, of embed.js beside it: `npm run build`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { minify } from "terser";

const folder = new URL("../../src/gateway/embed/", import.meta.url);
export const served = new URL("embed.min.js", folder);

/** What is to be served of the source as it is now. `HOSTS` stays: the gateway puts the hosts of its configuration there. */
export async function built() {
  const source = readFileSync(new URL("embed.js", folder), "utf8");
  const { code } = await minify(source, { ecma: 2022, mangle: true, compress: { passes: 3, unsafe_arrows: true } });
  return code;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(served, await built());
