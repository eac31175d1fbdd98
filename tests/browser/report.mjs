// What was checked, and how it went.

const count = { passed: 0, failed: 0 };

/** One line. The check gives true, or what it saw instead. */
export async function check(sentence, run) {
  let saw;
  try {
    saw = await run();
  } catch (error) {
    saw = String(error.message ?? error)
      .split("\n")
      .slice(0, 4)
      .join(" | ");
  }
  count[saw === true ? "passed" : "failed"] += 1;
  console.log(
    saw === true
      ? `ok    ${sentence}`
      : `FAIL  ${sentence}\n      saw ${typeof saw === "string" ? saw : JSON.stringify(saw)}`,
  );
}

/** Asks until the answer is true; else gives back the last one. */
export async function until(ask, limit = 8000) {
  const end = Date.now() + limit;
  for (;;) {
    const saw = await ask().catch((error) => String(error.message).split("\n")[0]);
    if (saw === true || Date.now() > end) return saw;
    await new Promise((go) => setTimeout(go, 50));
  }
}

export const is = (saw, wanted) => (saw === wanted ? true : { saw, wanted });
export const matches = (saw, pattern) => (pattern.test(saw) ? true : saw);

/** The last line; true if all is well. */
export function conclude() {
  console.log(`${count.passed} passed, ${count.failed} failed`);
  return count.failed === 0 && count.passed > 0;
}
