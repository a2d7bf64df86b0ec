"use strict";
// The list of all features: searched, filtered, sorted; a few hundred lines are drawn at a time.
(() => {
  const AT_ONCE = 200;
  const [filter, state, cause, sort, turn, count, lines, more] =
    ["filter", "state", "cause", "sort", "turn", "count", "lines", "more"].map(byId);
  const all = data.fires.map((_, feature) => feature);
  const causeOf = (feature) => (data.cause[feature] < 0 ? "" : data.causes[data.cause[feature]]);
  const words = all.map((feature) =>
    `#${feature} ${data.names[feature]} ${causeOf(feature)} ${data.promoted[feature]}`.toLowerCase());
  const ranks = {
    f1: (feature) => data.f1[feature],
    beyond: (feature) => data.f1[feature] - data.by_chance[feature],
    fires: (feature) => data.fires[feature],
    largest: (feature) => data.largest[feature],
    lost: (feature) => data.lost[feature] ?? -Infinity,
    id: (feature) => -feature,
  };
  const columns = [...document.querySelectorAll("table.features thead th")].map((th) => th.textContent.trim());
  let chosen = [];
  let drawn = 0;

  function line(feature) {
    const alive = data.fires[feature] > 0;
    const f1 = causeOf(feature) ? data.f1[feature].toFixed(2) : "–";
    const chance = causeOf(feature) ? `chance ${data.by_chance[feature].toFixed(2)}` : null;
    const lost = data.lost[feature];
    const cells = {
      "Strongest on": make("td", { class: alive ? "words whole" : "words whole dead" }, data.names[feature] || (alive ? "spaces" : "never fires")),
      "Fires on": make("td", { class: "num" }, share(data.fires[feature], data.n_tokens)),
      Largest: make("td", { class: "num" }, alive ? number(data.largest[feature]) : "–"),
      "Known cause": make("td", {}, causeOf(feature) || "–"),
      F1: make("td", { class: "num" }, f1, chance && make("small", {}, chance)),
      Raises: make("td", { class: "raises" }, data.promoted[feature] || "–"),
      "Loss without": make("td", { class: "num" }, signed(lost), lost === null ? null : make("small", {}, `other ${signed(data.lost_otherwise[feature])}`)),
    };
    const row = make("tr", { "data-at": feature },
      make("th", { scope: "row" }, make("a", { href: pageOf(feature) }, `#${feature}`)));
    for (const name of columns.slice(1)) {
      cells[name].setAttribute("data-label", name.toLowerCase());
      row.append(cells[name]);
    }
    return row;
  }

  function draw(n) {
    lines.append(...chosen.slice(drawn, drawn + n).map(line));
    drawn = Math.min(chosen.length, drawn + n);
    more.hidden = drawn >= chosen.length;
    more.textContent = `Show ${Math.min(AT_ONCE, chosen.length - drawn)} more of ${number(chosen.length - drawn)}`;
  }

  function select() {
    const wanted = filter.value.trim().toLowerCase();
    const sign = turn.getAttribute("aria-pressed") === "true" ? -1 : 1;
    const rank = ranks[sort.value];
    chosen = all.filter((feature) =>
      (/^#?\d+$/.test(wanted) ? String(feature).startsWith(wanted.replace("#", "")) : words[feature].includes(wanted)) &&
      (!state.value || (data.fires[feature] > 0) === (state.value === "alive")) &&
      (!cause?.value || data.cause[feature] === Number(cause.value)));
    const value = new Map(chosen.map((feature) => [feature, rank(feature)]));
    const order = (a, b) => (value.get(a) === value.get(b) ? 0 : value.get(b) > value.get(a) ? 1 : -1);
    chosen.sort((a, b) => sign * order(a, b) || a - b);
    const n = chosen.length;
    count.textContent = `${n < all.length ? `${number(n)} of ` : ""}${number(all.length)} features`;
    lines.replaceChildren();
    drawn = 0;
    draw(AT_ONCE);
    if (!n) lines.append(make("tr", {}, make("td", { colspan: columns.length, class: "dead" }, "No feature is like this.")));
  }

  const links = () => [...lines.querySelectorAll("a")];
  function move(step) {
    const here = links();
    if (!here.length) return;
    let next = here.indexOf(document.activeElement) + step;
    if (next >= here.length && drawn < chosen.length) { draw(AT_ONCE); }
    next = Math.min(links().length - 1, Math.max(0, next));
    links()[next].focus();
  }

  function reverse() {
    turn.setAttribute("aria-pressed", String(turn.getAttribute("aria-pressed") !== "true"));
    select();
  }

  const inList = (step) => (event) => (lines.contains(event.target) ? move(step) : false);
  onKeys({ j: () => move(1), k: () => move(-1), r: reverse, ArrowDown: inList(1), ArrowUp: inList(-1) }, (clear) => {
    if (clear) { filter.value = ""; select(); }
    const [first] = links();
    if (first) first.focus();
    else filter.blur();
  });
  filter.addEventListener("input", select);
  for (const choice of [state, cause, sort]) choice?.addEventListener("change", select);
  turn.addEventListener("click", reverse);
  more.addEventListener("click", () => draw(AT_ONCE));
  lines.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-at]");
    if (row && !event.target.closest("a") && !String(getSelection())) row.querySelector("a").click();
  });
  for (const button of document.querySelectorAll(".command button")) {
    button.addEventListener("click", () => {
      const text = button.previousElementSibling;
      getSelection().selectAllChildren(text);
      navigator.clipboard?.writeText(text.textContent).then(() => { button.textContent = "copied"; }, () => {});
    });
  }
  select();
})();
