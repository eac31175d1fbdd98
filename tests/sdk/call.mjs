// Asks an API through the SDK for everything that a gateway confirms: prints the answers.
// usage: call.mjs BASE KEY TOKEN
import { assemblyApi, OpenAPI } from '@assembly-js/node-sdk';

const [base, apiKey, token] = process.argv.slice(2);
const sdk = assemblyApi({ apiKey, token });
OpenAPI.BASE = base;
const { clientId, internalUserId, companyId } = await sdk.getTokenPayload();
const answers = {
  workspace: await sdk.retrieveWorkspace(),
  client: clientId && (await sdk.retrieveClient({ id: clientId })),
  internalUser: internalUserId && (await sdk.retrieveInternalUser({ id: internalUserId })),
  company: !clientId && companyId && (await sdk.retrieveCompany({ id: companyId })),
};
console.log(JSON.stringify(answers));
