"use strict";
// Keyboard and search, and filter and order where the page offers them: one card at a time. Without this script all cards
// are shown, in the order given. The list says what its entries are called.
(() => {
  const byId = (id) => document.getElementById(id);
  const [filter, site, sort, count, keys] = ["filter", "site", "sort", "count", "keys"].map(byId);
  const list = document.querySelector(".index");
  const cards = document.querySelector(".cards");
  const links = [...document.querySelectorAll(".index a")];
  document.documentElement.classList.add("js");

  const cardOf = (link) => byId(link.hash.slice(1));
  const textOf = (card) =>
    [...card.querySelectorAll(".searchable")].map((part) => part.textContent).join("\n").toLowerCase();
  const words = new Map(links.map((link) => [link, textOf(cardOf(link))]));
  const given = new Map(links.map((link, place) => [link, place]));
  let ordered = links;
  const visible = () => ordered.filter((link) => !link.parentElement.hidden);
  const current = () => links.find((link) => link.hasAttribute("aria-current"));

  function show(link) {
    for (const other of links) {
      other.toggleAttribute("aria-current", other === link);
      cardOf(other).classList.toggle("shown", other === link);
    }
    link.setAttribute("aria-current", "true");
  }

  function move(step) {
    const choices = visible();
    if (!choices.length) return;
    const place = choices.indexOf(current());
    const next = choices[Math.min(choices.length - 1, Math.max(0, place < 0 ? 0 : place + step))];
    show(next);
    next.focus();
  }

  function enter(link) {
    show(link);
    cardOf(link).querySelector("h3").focus({ preventScroll: true });
    cardOf(link).scrollIntoView({ block: "nearest" });
  }

  function select() {
    const wanted = filter.value.trim().toLowerCase();
    for (const link of links) {
      const entry = link.parentElement;
      const fits = words.get(link).includes(wanted) && (!site?.value || entry.dataset.site === site.value);
      entry.hidden = cardOf(link).hidden = !fits;
    }
    const found = visible();
    count.textContent = `${found.length < links.length ? `${found.length} of ` : ""}${links.length} ${list.dataset.noun}`;
    for (const link of links) if (!found.includes(link) && link === current()) link.removeAttribute("aria-current");
    if (found.length && !current()) show(found[0]);
  }

  function order() {
    const by = sort.value;
    const value = (link) => (by ? Number(link.parentElement.dataset[by]) : 0);
    ordered = [...links].sort((a, b) => value(b) - value(a) || given.get(a) - given.get(b));
    list.append(...ordered.map((link) => link.parentElement));
    cards.append(...ordered.map(cardOf));
    const shown = by || sort.options[1].value;
    for (const rate of list.querySelectorAll(".rate")) rate.hidden = rate.dataset.by !== shown;
    const first = visible()[0];
    if (first) show(first);
    list.scrollTop = 0;
  }

  function leaveFilter(clear) {
    if (clear) filter.value = "";
    select();
    const link = visible().includes(current()) ? current() : visible()[0];
    if (link) link.focus();
    else filter.blur();
  }

  function showAll() {
    byId("all").setAttribute("aria-pressed", String(cards.classList.toggle("all")));
  }

  function fromAddress() {
    const link = links.find((other) => other.hash === location.hash);
    if (!link) return;
    if (link.parentElement.hidden) {
      filter.value = "";
      if (site) site.value = "";
      select();
    }
    show(link);
    cardOf(link).scrollIntoView({ block: "nearest" });
  }

  const actions = {
    "/": () => { filter.focus(); filter.select(); },
    j: () => move(1),
    k: () => move(-1),
    a: showAll,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open || event.target.matches("select")) return;
    if (event.target === filter) {
      if (event.key === "Escape") leaveFilter(true);
      else if (event.key === "ArrowDown" || event.key === "Enter") leaveFilter(false);
      else return;
    } else if (links.includes(event.target) && event.key === "ArrowDown") move(1);
    else if (links.includes(event.target) && event.key === "ArrowUp") move(-1);
    else if (links.includes(event.target) && event.key === "Enter") enter(event.target);
    else if (links.length && Object.hasOwn(actions, event.key)) actions[event.key]();
    else if (event.key === "?") keys.showModal();
    else return;
    event.preventDefault();
  });

  for (const link of links) link.addEventListener("click", () => show(link));
  byId("help").addEventListener("click", () => keys.showModal());
  for (const button of document.querySelectorAll(".command button")) {
    button.addEventListener("click", () => {
      const text = button.previousElementSibling;
      getSelection().selectAllChildren(text);
      navigator.clipboard?.writeText(text.textContent).then(() => { button.textContent = "copied"; }, () => {});
    });
  }
  if (links.length) {
    filter.addEventListener("input", select);
    site?.addEventListener("change", select);
    sort?.addEventListener("change", order);
    byId("all").addEventListener("click", showAll);
    window.addEventListener("hashchange", fromAddress);
    show(links[0]);
    fromAddress();
    select();
  }
})();
