// The demo's page as a person finds it.
import { matches, until } from "./report.mjs";

export const ANN = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001";
export const BEN = "aaaaaaaa-bbbb-4ccc-8ddd-000000000002";

/** The demo's page and what a person does and sees there. */
export class Harbor {
  constructor(page, demo) {
    this.page = page;
    this.demo = demo;
    this.app = page.frameLocator("#frame");
  }

  get frame() {
    return this.page.frames().find((frame) => frame.parentFrame() === this.page.mainFrame());
  }

  press = (act) => this.page.click(`[data-act=${act}]`);
  become = (person) => this.page.locator(`#people input[value=${person}]`).check({ force: true });
  who = () => this.app.locator("#who").textContent();
  output = () => this.app.locator("#out").textContent();
  /** Presses a button of the app and waits for what it shows. */
  async does(button, pattern) {
    await this.app.locator("#out").evaluate((out) => out.replaceChildren());
    await this.app.locator(`[data-do=${button}]`).click();
    return until(async () => matches(await this.output(), pattern));
  }

  /** The words of one of the inspector's five steps, and whether it is ok, bad or none. */
  async step(name) {
    const item = this.page.locator(`#steps [data-step=${name}]`);
    return `${await item.getAttribute("class")}: ${(await item.innerText()).replaceAll(/\s+/g, " ")}`;
  }

  sees = (step, pattern) => until(async () => matches(await this.step(step), pattern));
  refused = (code) => until(async () => matches(await this.app.locator("small").textContent(), new RegExp(code)));

  /** Which of the sessions the frame means. */
  context = () => this.frame.evaluate(async () => (await (await fetch("/.vestibule/session")).json()).context);
}
