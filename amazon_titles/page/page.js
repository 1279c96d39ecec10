// What the page does in the browser alone; Gradio calls it once, when the page is loaded.
() => {
  const find = place => document.querySelector(place);
  let since = null, placed = true;

  // The language and the tab's title follow the head; seconds are counted while answers are written; and when they
  // begin, they come into view: on a phone they stand below the screen, and the page must grow before it can scroll.
  const look = () => {
    const head = find("#head [data-lang]")?.dataset;
    if (head && (document.documentElement.lang !== head.lang || document.title !== head.title)) {
      document.documentElement.lang = head.lang;
      document.title = head.title;
    }
    const elapsed = find("#status [data-state=writing] .elapsed"), phone = innerWidth <= 640;
    if (elapsed && since === null) [since, placed] = [performance.now(), false];
    if (!placed) {
      find(phone ? "#state" : "#after").scrollIntoView({block: phone ? "start" : "nearest"});
      placed = !elapsed || !phone || find("#state").getBoundingClientRect().top < 20;
    }
    if (!elapsed) return void (since = null);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    elapsed.textContent = `${head.lang === "pt" ? seconds.replace(".", ",") : seconds} s`;
  };
  addEventListener("pointerdown", () => { placed = true; }, {passive: true}); // who touches the page is not scrolled
  setInterval(look, 100);

  const copy = async text => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = Object.assign(document.createElement("textarea"), {value: text}); // a page without https has no clipboard
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  document.addEventListener("click", async event => {
    const button = event.target.closest(".copy");
    if (!button) return;
    await copy(button.closest(".side").querySelector(".said").innerText);
    button.textContent = button.dataset.copied;
  });

  document.addEventListener("keydown", event => {
    const busy = event.key === "Enter" && event.target.closest("#question") && find("#ask").disabled;
    if (busy || (event.key === "Enter" && event.target.closest("[data-ask]") && find("#ask").disabled)) {
      event.preventDefault();
      event.stopPropagation();
    }
    // The arrow keys of tabs: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/
    const tab = event.target.closest("[role=tab]");
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!tab || !step) return;
    const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
    event.preventDefault();
  }, true);
}
