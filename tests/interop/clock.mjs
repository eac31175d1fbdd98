// Every package reads the time here: each line is judged at its own `now`. Import it before any package.
const Real = Date;
let held = Real.now();

globalThis.Date = class extends Real {
  constructor(...parts) {
    super(...(parts.length > 0 ? parts : [held]));
  }

  static now() {
    return held;
  }
};

export const holdAt = (seconds) => {
  held = seconds * 1000;
};
