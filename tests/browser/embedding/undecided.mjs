// One browser, two workspaces at once, and an app without the script: never a guess. All portals of a platform are one site
// for the browser, and so share one jar.
import { is } from "../report.mjs";
import { PEOPLE } from "./host.mjs";
import { Tab } from "./tab.mjs";

const { ben } = PEOPLE;

/** Two tabs: Ann in Acme, and after her Ben in Birch. */
export async function both(tab, browser, path) {
  const other = await Tab.open(browser, tab.world);
  await tab.portal("ann", { path });
  await tab.shows("ann");
  await other.portal("ben", { at: "birch", path });
  await other.shows("ben");
  return other;
}

export async function undecided({ check, tab, browser, way }) {
  const other = await both(tab, browser, "/plain/start");
  const named = (context) => ({ headers: { "X-Vestibule-Context": context } });
  const bens = await other.context();
  await check("with a second workspace open, a request that does not say whose it is gets no answer at all", async () =>
    is((await tab.ask("/echo")).code, "context_ambiguous"),
  );
  await check("the second one's requests are still its own", async () => is((await other.ask("/echo")).user, ben.client));
  await check("a request that says whose it is, is answered", async () =>
    is((await tab.ask("/echo", named(bens))).user, ben.client),
  );
  await check("a websocket that does not say so is refused", async () => is((await tab.socket("/live")).user, "refused"));
  await check("one that says so hears its own", async () =>
    is((await other.socket(`/live?_vestibule_ctx=${bens}`)).user, ben.client),
  );
  if (way === "named") {
    await check("another workspace's portal cannot frame this session", async () => {
      const address = `${tab.world.main}/plain/start?_vestibule_ctx=${bens}`;
      const shown = async (at) => {
        await tab.frames(at, address);
        return (await tab.run(() => document.querySelector("#who")?.textContent).catch(() => "")) === ben.client;
      };
      return is(`${await shown("birch")} ${await shown("acme")}`, "true false");
    });
  }
  await other.close();
}
