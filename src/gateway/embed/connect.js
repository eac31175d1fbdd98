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

  // Shows the page that was wanted, and says whether it may: not when this very frame was loaded anew a moment ago, and to
  // no avail. The frame's own history entry remembers it, over a reload too: other frames, other tabs and what the browser
  // lets us store are not asked.
  const show = (context, asked) => {
    const before = history.state;
    if (!asked && Date.now() - before?.vestibule < 10000) return false;
    const url = new URL(location);
    const selector = `_vestibule_ctx=${context}`;
    // Not by searchParams, which would write the app's own parameters anew.
    const others = url.search.slice(1).split("&").filter((one) => one && !one.startsWith("_vestibule_ctx="));
    url.search = [...others, selector].join("&");
    history.replaceState({ ...before, vestibule: Date.now() }, "", url);
    location.reload();
    return true;
  };
  const connect = async (asked) => {
    button.hidden = true;
    say("Signing you in…");
    const failed = (problem) => ({ problem: problem?.code ? `${problem.detail} (${problem.code})` : "" });
    const outcome = await vestibule.renew().catch(failed);
    if (outcome === true) {
      const { context } = await vestibule.session();
      if (show(context, asked)) return;
      say(refused);
      return offer("Try again", () => show(context, true));
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
