// Pictures of every page of ours that a person may meet, for somebody to look at: narrow and wide, light and dark.
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { matches, until } from "../report.mjs";

const LOOKS = [300, 1200].flatMap((width) => ["light", "dark"].map((scheme) => [width, scheme]));

/** Takes them, and says whether the page scrolls sideways anywhere. */
async function picture(tab, folder, name) {
  const wide = [];
  for (const [width, scheme] of LOOKS) {
    await tab.page.setViewport({ width, height: 500 });
    await tab.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await tab.page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`) });
    if (await tab.run(() => document.documentElement.scrollWidth > innerWidth)) wide.push(width);
  }
  const { size } = await stat(join(folder, `${name}-300-light.png`));
  return (wide.length === 0 && size > 0) || { wide, size };
}

/** A check for each: the page is there, with its code, and fits. */
const shooting = ({ check, tab, folder }) => async (name, pattern, open) =>
  check(`the page of ${name} fits in 300 pixels`, async () => {
    await open();
    const there = await until(async () => matches(await tab.text(), pattern), 15000);
    return there === true ? picture(tab, folder, name) : there;
  });

export async function pictures(run) {
  const { tab } = run;
  await mkdir(run.folder, { recursive: true });
  const shoot = shooting(run);
  const open = (path, more) => () => tab.portal("ann", { path, ...more });
  const off = { bridge: "off" };
  await shoot("401", /401 · session_missing/, open("/plain/start", { token: "none", ...off }));
  await shoot("403", /403 · forbidden/, open("/projects/other"));
  await shoot("404", /404 · not_routed/, open("/nowhere"));
  await shoot("502", /502 · upstream_unavailable/, open("/broken/start"));
  await shoot("503", /503 · host_unavailable/, async () => {
    tab.world.api.fails = true;
    await tab.portal("late");
  });
  tab.world.api.fails = false;
  await tab.portal("ben", { at: "birch" });
  await shoot("409", /409 · context_ambiguous/, async () => {
    await tab.portal("one");
    await tab.shows("one");
    await tab.portal("ann", { token: "none", ...off });
  });
}
