// A new tab is another jar of cookies, so the session has to be carried over.
import { is, matches, until } from "../report.mjs";
import { PEOPLE } from "./host.mjs";

/** Clicks as a person does, and gives the tab that opens. */
export async function opens(browser, frame, selector) {
  const before = new Set(await browser.pages());
  await frame.page().bringToFront();
  const button = await frame.waitForSelector(selector);
  await button.click();
  let page;
  await until(async () => {
    page = (await browser.pages()).find((one) => !before.has(one));
    return page !== undefined;
  });
  if (!page) throw new Error("no tab opened");
  return page;
}

export const who = (page) => page.evaluate(() => document.querySelector("#who")?.textContent ?? document.body.innerText);

/** A ticket as a page without the script asks for it. */
export async function byTicket({ check, tab, browser }) {
  await tab.portal("ann");
  await tab.shows("ann");
  const ask = async (path) => (await tab.ask("/.vestibule/ticket", { method: "POST", body: JSON.stringify({ path }) })).body.url;
  const link = async (url) => {
    await tab.run((url) => {
      Object.assign(document.querySelector("#tab"), { href: url, rel: "noopener" });
    }, url);
    return opens(browser, await tab.frame(), "#tab");
  };
  const url = await ask("/plain/once?a=1");
  await check("a ticket signs a new tab in", async () => {
    const page = await link(url);
    const shown = await until(async () => is(await who(page), PEOPLE.ann.client));
    const address = page.url();
    await page.close();
    return shown === true ? is(address, `${tab.world.main}/plain/once?a=1`) : shown;
  });
  await check("a ticket works once", async () => {
    const page = await link(url);
    const refused = await until(async () => matches(await who(page), /40[13] · /));
    await page.close();
    return refused;
  });
  await check("a ticket that somebody else's page leads to is worth nothing", async () => {
    const stolen = await ask("/plain/stolen");
    const page = await browser.newPage();
    await page.goto(`${tab.world.evil}/frames`);
    await page.evaluate((to) => location.assign(to), tab.world.main + stolen);
    return until(async () => matches(await who(page), /403 · cross_site_refused/));
  });
}
