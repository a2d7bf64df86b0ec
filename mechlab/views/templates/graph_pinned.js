"use strict";
// The circuit of the pinned nodes: a box for each, or for a group of them, and the sums of the effects between boxes.
(() => {
  const A = window.attribution;
  const { state, words, layout } = A;
  const { make } = A.picture;
  const WIDE = 168, HIGH = 44, GAP = 22, RISE = 64, LETTERS = 24;
  const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  function boxes() {
    const single = (node) => ({ key: node.id, node, members: [node], name: words.nameOf(node), below: words.placeOf(node) });
    const grouped = state.groups.map((group) => ({
      key: `group ${state.groups.indexOf(group)}`, group, members: group.ids.map((id) => A.byId.get(id)), name: group.name,
      below: `group of ${group.ids.length}`,
    }));
    const alone = [...state.pinned].map((id) => A.byId.get(id)).filter((node) => !A.groupOf(node)).map(single);
    return [...grouped, ...alone];
  }

  function between(all) {
    const boxOf = new Map(all.flatMap((box) => box.members.map((node) => [node, box])));
    const sums = new Map();
    for (const box of all) {
      for (const node of box.members) {
        for (const link of node.into) {
          const from = boxOf.get(link.source);
          if (!from || from === box) continue;
          const key = `${from.key}>${box.key}`;
          const sum = sums.get(key) ?? { from, to: box, weight: 0, taken: 0 };
          sum.weight += link.weight;
          sums.set(key, sum);
        }
      }
    }
    for (const sum of sums.values()) sum.share = Math.abs(sum.weight) / (sum.to.members.reduce((all, node) => all + node.taken, 0) || 1);
    return [...sums.values()].sort((a, b) => a.share - b.share);
  }

  function place(all, available) {
    const mean = (box, of) => box.members.reduce((sum, node) => sum + of(node), 0) / box.members.length;
    for (const box of all) Object.assign(box, { row: Math.round(mean(box, layout.rowOf)), at: mean(box, (node) => node.position) });
    const rows = [...new Set(all.map((box) => box.row))].sort((a, b) => b - a);
    const lines = [];
    const perLine = Math.max(1, Math.floor((available - GAP) / (WIDE + GAP)));
    for (const row of rows) {
      const own = all.filter((box) => box.row === row).sort((a, b) => a.at - b.at);
      for (let start = 0; start < own.length; start += perLine) lines.push(own.slice(start, start + perLine));
    }
    const width = Math.max(available, WIDE + 2 * GAP);
    lines.forEach((line, level) => line.forEach((box, at) => {
      const room = width / line.length;
      const aside = ((level % 3) - 1) * Math.min(0.18 * room, 0.55 * WIDE, (room - WIDE) / 2);  // so that long lines pass beside
      Object.assign(box, { x: room * (at + 0.5) + aside, y: 16 + HIGH / 2 + level * (HIGH + RISE), height: HIGH });
    }));
    return { width, height: 32 + lines.length * (HIGH + RISE) - RISE };
  }

  function draw() {
    const svg = document.getElementById("circuit");
    const focused = document.activeElement?.closest?.("#circuit [data-box]")?.dataset.box;
    const all = boxes();
    const { width, height } = place(all, Math.max(220, svg.parentElement.clientWidth - 2));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    for (const sum of between(all)) {
      const path = make("path", {
        d: layout.curve(sum.from, sum.to), class: sum.weight < 0 ? "minus" : "plus",
        "stroke-width": (0.9 + 6 * Math.sqrt(sum.share)).toFixed(2), "stroke-opacity": (0.35 + 0.6 * Math.sqrt(sum.share)).toFixed(2),
      }, svg);
      make("title", {}, path).textContent = `${sum.from.name} to ${sum.to.name}: ${words.signed(sum.weight)}, ${words.percent(sum.share)} of what it takes`;
    }
    for (const box of all) {
      const isChosen = box.group ? state.group === box.group : state.clicked === box.node;
      const part = make("g", {
        class: `box ${box.group ? "several" : ""} ${isChosen ? "is-chosen" : ""}`, tabindex: 0, role: "button",
        transform: `translate(${box.x} ${box.y})`, "aria-pressed": isChosen, "aria-label": `${box.name}, ${box.below}`,
      }, svg);
      part.dataset.box = box.key;
      if (box.node) part.dataset.id = box.node.id;
      if (box.group) make("rect", { x: -WIDE / 2 + 4, y: -HIGH / 2 - 4, width: WIDE, height: HIGH, rx: 5, class: "behind" }, part);
      make("rect", { x: -WIDE / 2, y: -HIGH / 2, width: WIDE, height: HIGH, rx: box.node?.kind === "logit" ? HIGH / 2 : 5, class: "shape" }, part);
      make("text", { y: -4, class: "name" }, part).textContent = cut(box.name, LETTERS);
      make("text", { y: 13, class: "below" }, part).textContent = cut(box.below, LETTERS + 4);
      make("title", {}, part).textContent = box.group ? box.members.map(words.told).join("\n") : words.told(box.node);
      const choose = () => (box.group ? A.chooseGroup(box.group) : A.choose(box.node));
      part.addEventListener("click", choose);
    }
    if (focused) svg.querySelector(`[data-box="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  A.circuit = { draw, boxes, between };
})();
