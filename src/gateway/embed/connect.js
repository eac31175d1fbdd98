// The connect page: asks the host's page for a token, begins a session with it, and shows the page that was wanted.
(() => {
  const { vestibule } = window;
  if (!vestibule) return;
  const [main, sentence, hint, button] = ["main", "h1", "p", "button"].map((name) => document.querySelector(name));
  const refused = sentence.textContent;
  const say = (text, more = "") => {
    sentence.textContent = text;
    hint.textContent = more;
  };
  const offer = (text, act) => {
    button.textContent = text;
    button.onclick = act;
    button.hidden = false;
  };

  // All frames of an origin have one memory, so what is remembered is told apart by where the frame stands in the tab.
  const place = (frame) => {
    if (frame === top) return "";
    const above = frame.parent;
    return `${place(above)}.${Array.from({ length: above.length }, (_, at) => above[at] === frame).indexOf(true)}`;
  };
  // Whether this frame was loaded anew a moment ago, and to no avail. A cookie remembers it: where third-party cookies are
  // blocked, storage is too, but partitioned cookies are kept; and this page only goes on where cookies are kept.
  const isLoop = () => {
    try {
      const mark = `__Host-vestibule-tried${place(window)}=1`;
      const isMarked = () => document.cookie.split("; ").includes(mark);
      const before = isMarked();
      document.cookie = `${mark}; Path=/; Max-Age=10; Secure; SameSite=None; Partitioned`;
      return before || !isMarked();
    } catch {
      return true;
    }
  };

  const show = (context) => {
    const url = new URL(location);
    if (url.searchParams.get("_vestibule_ctx") === context) return location.reload();
    url.searchParams.set("_vestibule_ctx", context);
    location.replace(url);
  };
  const connect = async (asked) => {
    button.hidden = true;
    say("Signing you in…");
    const failed = (problem) => ({ problem: problem?.code ? `${problem.detail} (${problem.code})` : "" });
    const outcome = await vestibule.renew().catch(failed);
    if (outcome === true) {
      const { context } = await vestibule.session();
      if (asked || !isLoop()) return show(context);
      say(refused);
      return offer("Try again", () => show(context));
    }
    if (outcome?.problem !== undefined) {
      say(refused, outcome.problem || "The page around this one gave no answer. Reload that page.");
      return offer("Try again", () => connect(true));
    }
    say("Your browser keeps no cookies for this page here.", "It works in a tab of its own.");
    offer("Open in a new tab", () => vestibule.open(location.href));
  };
  // Who signed out wants to stay so until they say otherwise.
  if (main.dataset.left) offer("Sign in again", () => connect(true));
  else connect(false);
})();
