// Runs before the page is drawn: it looks like Airflow around it, or like Airflow was left.
(() => {
  "use strict";
  const root = document.documentElement;

  const around = () => {
    try {
      return window.parent !== window && window.parent.document ? window.parent : null;
    } catch {
      return null;
    }
  };
  const airflow = around();

  const remembered = () => {
    try {
      return window.localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const chosen = () => {
    const names = airflow ? airflow.document.documentElement.classList : null;
    if (names && names.contains("dark")) return "dark";
    if (names && names.contains("light")) return "light";
    const theme = remembered();
    return theme === "dark" || theme === "light" ? theme : "";
  };
  const dress = () => {
    const theme = chosen();
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  dress();
  window.addEventListener("storage", dress);
  if (airflow) {
    root.dataset.framed = "";
    const watcher = new MutationObserver(dress);
    watcher.observe(airflow.document.documentElement, { attributeFilter: ["class"] });
    window.addEventListener("pagehide", () => watcher.disconnect());
  }

  // Airflow's frame lets no link out of it, not even to Airflow's own pages: the window around follows it for us.
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[target=_top]") : null;
    if (!link || !airflow || event.button !== 0) return;
    const url = new URL(link.href);
    if (url.origin !== window.location.origin) return;
    event.preventDefault();
    const outside = airflow.document.createElement("a");
    outside.href = url.href;
    if (event.ctrlKey || event.metaKey || event.shiftKey) outside.target = "_blank";
    outside.rel = "noopener";
    airflow.document.body.append(outside);
    outside.click();
    outside.remove();
  });

  // What is shown as live and isn't any more must say so.
  const say = (stale) => {
    const notice = document.getElementById("stale");
    if (notice) notice.hidden = !stale;
  };
  document.addEventListener("htmx:error", () => say(true));
  document.addEventListener("htmx:after:request", (event) => say(event.detail.ctx.response.status >= 400));
  // Nobody looks: nothing is asked for.
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
})();
