// What the SDK makes of a token: prints its fields. usage: read.mjs KEY TOKEN
import { assemblyApi } from '@assembly-js/node-sdk';

const [apiKey, token] = process.argv.slice(2);
console.log(JSON.stringify(await assemblyApi({ apiKey, token }).getTokenPayload()));
