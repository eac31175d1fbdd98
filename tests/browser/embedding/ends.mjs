// How a session goes on and ends where the app has no script of ours.
import { is } from "../report.mjs";
import { PEOPLE, token } from "./host.mjs";

const { ann } = PEOPLE;
export const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));
/** Longer than the `brief` gateway lets a session rest. */
export const OVER = 2600;

const exchange = (tab, person) =>
  tab.ask("/.vestibule/session", { method: "POST", body: JSON.stringify({ token: token(person).token }) });
export async function byHand({ check, tab }) {
  await tab.portal("ann");
  await tab.shows("ann");
  await check("a page without the script can exchange a fresh token itself", async () =>
    is((await exchange(tab, "ann")).status, 200),
  );
  await check("a token of somebody else is refused, and nothing changes", async () => {
    const { code } = await exchange(tab, "one");
    return is(`${code} ${(await tab.ask("/echo")).user}`, `context_mismatch ${ann.client}`);
  });
  await tab.portal("ann", { gateway: "brief" });
  await tab.shows("ann");
  await pause(OVER);
  await check("a session that rested too long is over, and the page is told so", async () =>
    is((await tab.ask("/echo")).code, "session_expired"),
  );
}
