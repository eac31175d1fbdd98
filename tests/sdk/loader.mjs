// The SDK is built for bundlers: its modules import each other without file names, which Node does not look for.
// Preload with `node --import ./loader.mjs`.
import { register } from 'node:module';

register(
  'data:text/javascript,' +
    encodeURIComponent(`
export async function resolve(specifier, context, next) {
  if (!specifier.startsWith('.') || /[.]m?js$/.test(specifier)) return next(specifier, context);
  return next(specifier + '.js', context).catch(() => next(specifier + '/index.js', context));
}`),
);
