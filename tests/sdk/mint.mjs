// Makes a token as the platform does, with Node's own cryptography. usage: mint.mjs KEY JSON
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';

const [apiKey, text] = process.argv.slice(2);
const key = createHmac('sha256', apiKey).digest().subarray(0, 16);
const iv = randomBytes(16);
const cipher = createCipheriv('aes-128-cbc', key, iv);
console.log(Buffer.concat([iv, cipher.update(text), cipher.final()]).toString('hex'));
