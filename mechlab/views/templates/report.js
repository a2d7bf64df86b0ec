"use strict";
// Keyboard and search: one feature at a time, found by number, label or token. Without this script all are shown.
(() => {
  const root = document.documentElement;
  const filter = document.getElementById("filter");
  const cards = document.querySelector(".cards");
  const count = document.getElementById("count");
  const keys = document.getElementById("keys");
  const links = [...document.querySelectorAll(".index a")];
  root.classList.add("js");

  const cardOf = (link) => document.getElementById(link.hash.slice(1));
  const words = new Map(links.map((link) => [link, textOf(cardOf(link))]));
  const visible = () => links.filter((link) => !link.parentElement.hidden);
  const current = () => links.find((link) => link.hasAttribute("aria-current"));

  function textOf(card) {
    return [...card.querySelectorAll(".searchable")].map((part) => part.textContent).join("\n").toLowerCase();
  }

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
    const heading = cardOf(link).querySelector("h3");
    heading.focus({ preventScroll: true });
    cardOf(link).scrollIntoView({ block: "nearest" });
  }

  function search() {
    const wanted = filter.value.trim().toLowerCase();
    for (const link of links) {
      const found = words.get(link).includes(wanted);
      link.parentElement.hidden = cardOf(link).hidden = !found;
    }
    const found = visible();
    count.textContent = wanted ? `${found.length} of ${links.length} features` : `${links.length} features`;
    if (found.length && !found.includes(current())) show(found[0]);
  }

  function leaveFilter(clear) {
    if (clear) filter.value = "";
    search();
    const link = visible().includes(current()) ? current() : visible()[0];
    if (link) link.focus();
    else filter.blur();
  }

  function showAll() {
    const all = cards.classList.toggle("all");
    document.getElementById("all").setAttribute("aria-pressed", String(all));
  }

  function fromAddress() {
    const link = links.find((other) => other.hash === location.hash);
    if (!link) return;
    if (link.parentElement.hidden) leaveFilter(true);
    show(link);
    cardOf(link).scrollIntoView({ block: "nearest" });
  }

  const actions = {
    "/": () => { filter.focus(); filter.select(); },
    "?": () => keys.showModal(),
    j: () => move(1),
    k: () => move(-1),
    a: showAll,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
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
  document.getElementById("help").addEventListener("click", () => keys.showModal());
  for (const button of document.querySelectorAll(".command button")) {
    button.addEventListener("click", () => {
      const text = button.previousElementSibling;
      getSelection().selectAllChildren(text);
      navigator.clipboard?.writeText(text.textContent).then(() => { button.textContent = "copied"; }, () => {});
    });
  }
  if (links.length) {
    filter.addEventListener("input", search);
    document.getElementById("all").addEventListener("click", showAll);
    window.addEventListener("hashchange", fromAddress);
    show(links[0]);
    fromAddress();
    search();
  }
})();
