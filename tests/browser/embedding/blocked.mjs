// Browsers that keep no cookie in a frame.
import { is, matches, until } from "../report.mjs";
import { PEOPLE, token } from "./host.mjs";

const { ann } = PEOPLE;

/** The bearer as a page without the script asks for it. */
export async function bearerByHand({ check, tab }) {
  await tab.portal("ann", { path: "/spa/plain", token: "none", bridge: "off" });
  await until(async () => matches(await tab.text(), /next/));
  const body = JSON.stringify({ token: token("ann").token, bearer: true });
  const { bearer } = (await tab.ask("/.vestibule/session", { method: "POST", body })).body;
  const headers = { Authorization: `Vestibule ${bearer}` };
  await check("the browser keeps no cookie in the frame", async () =>
    is((await tab.ask("/.vestibule/session")).code, "session_missing"),
  );
  await check("a bearer signs a fetch in where no cookie is kept", async () =>
    is((await tab.ask("/echo", { headers })).user, ann.client),
  );
  await check("and a websocket, and the app sees nothing of it", async () => {
    const { user, protocol, protocols } = await tab.socket("/live", ["vestibule.v1", `vestibule.bearer.${bearer}`]);
    return is(`${user} ${protocol} ${protocols}`, `${ann.client} vestibule.v1 `);
  });
}
