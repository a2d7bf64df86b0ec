"use strict";
// A pair of heads, chosen on a map or in the boxes beside it, shows its components; long axes name heads when zoomed in;
// the table of the strongest channels is filtered by mode. Without this script maps and the table can still be read.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("channels-data").textContent);
  const { senders, receivers } = data;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const layerOf = (head) => Number(head.split(".")[0]);
  document.documentElement.classList.add("js");

  const fixed = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
  const small = (value) => (value >= 0.001 ? value.toPrecision(2) : value.toExponential(0));
  const percent = (value) => `${(100 * value).toPrecision(value < 0.1 ? 2 : 3)} %`;
  const cell = (text, kind, below) => {
    const place = document.createElement("td");
    place.className = kind;
    place.textContent = text;
    if (below) place.append(Object.assign(document.createElement("small"), { textContent: below }));
    return place;
  };

  function board(mode) {
    const section = byId(`mode-${mode.mode}`);
    const find = (query) => section.querySelector(query);
    const [plot, sender, receiver] = [byId(`plot-map-${mode.mode}`), find(".sender"), find(".receiver")];
    const [title, told, body] = [find("h3"), find(".told"), find("tbody")];
    const { rows } = mode;
    const first = new Map();
    rows.pair.forEach((pair, row) => { if (!first.has(pair)) first.set(pair, row); });
    const wholes = mode.whole.flat().filter((value) => value !== null);

    const row = (at) => {
      const line = document.createElement("tr");
      line.className = rows.q[at] <= data.rate ? "" : "noise";
      line.append(
        cell(rows.component[at], "", rows.block[at] && `block ${rows.block[at]}`),
        cell(fixed(rows.score[at], 3), "num"), cell(fixed(rows.z[at], 1), "num"), cell(small(rows.q[at]), "num"),
        cell(percent(rows.share[at]), "num"), cell(rows.read[at], "num"), cell(fixed(rows.cosine[at], 2), "num"),
      );
      return line;
    };

    function describe(from, to, n) {
      const whole = mode.whole[from][to];
      if (layerOf(receivers[to]) <= layerOf(senders[from])) {
        return `Head ${receivers[to]} is in no later layer than ${senders[from]} and cannot read it.`;
      }
      if (whole === null || !n) return "There is no score: one of the two heads has no weights.";
      const above = wholes.filter((value) => value > whole).length;
      const shown = `${n} component${n === 1 ? "" : "s"} shown: the best, and what has a z of ${data.least_z} or more`;
      return `${shown}. As whole matrices the two score ${fixed(whole, 3)}, which is place `
        + `${(above + 1).toLocaleString("en")} of ${wholes.length.toLocaleString("en")} pairs.`;
    }

    function mark(from, to) {
      const base = (plot.layout.shapes || []).filter((shape) => shape.name !== "chosen");
      const color = getComputedStyle(document.documentElement).getPropertyValue("--orange").trim();
      const [wide, high] = [receivers, senders].map((heads) => 0.5 + heads.length / 120);
      const place = { x0: to - wide, x1: to + wide, y0: from - high, y1: from + high };
      Plotly.relayout(plot, { shapes: [...base, { type: "rect", name: "chosen", line: { color, width: 2 }, ...place }] });
    }

    function show(from, to) {
      [sender.value, receiver.value] = [from, to];
      title.textContent = `${senders[from]} → ${receivers[to]}, ${mode.name}`;
      const pair = from * receivers.length + to;
      const lines = [];
      for (let at = first.get(pair); at !== undefined && rows.pair[at] === pair; at += 1) lines.push(row(at));
      body.replaceChildren(...lines);
      section.querySelector(".scroll").hidden = !lines.length;
      told.textContent = describe(from, to, lines.length);
      mark(from, to);
    }

    function nameHeads(change) {
      for (const [axis, heads, along] of [["xaxis", receivers, plot.clientWidth], ["yaxis", senders, plot.clientHeight]]) {
        const [low, high] = plot.layout[axis].range.map(Number).sort((a, b) => a - b);
        const shown = heads.map((_, place) => place).filter((place) => place >= low && place <= high);
        const every = shown.length * 16 < along;
        const layers = [...new Set(heads.map(layerOf))];
        const middle = (layer) => {
          const own = shown.filter((place) => layerOf(heads[place]) === layer);
          return own.length ? (own[0] + own.at(-1)) / 2 : null;
        };
        const named = layers.map((layer) => [middle(layer), `layer ${layer}`]).filter(([place]) => place !== null);
        change[`${axis}.tickvals`] = every ? shown : named.map(([place]) => place);
        change[`${axis}.ticktext`] = every ? shown.map((place) => heads[place]) : named.map(([, name]) => name);
      }
      return change;
    }

    const chosen = () => show(Number(sender.value), Number(receiver.value));
    sender.addEventListener("change", chosen);
    receiver.addEventListener("change", chosen);
    plot.on("plotly_click", ({ points: [point] }) => show(...point.pointIndex));
    plot.on("plotly_relayout", (change) => {
      if (Object.keys(change).some((key) => /^[xy]axis\.(range|autorange)/.test(key))) Plotly.relayout(plot, nameHeads({}));
    });
    const settle = () => { Plotly.relayout(plot, nameHeads({})); chosen(); };
    dark.addEventListener("change", settle);
    window.addEventListener("afterprint", settle);
    const best = rows.z.reduce((top, z, at) => (z > rows.z[top] ? at : top), 0);
    const start = rows.pair.length ? rows.pair[best] : 0;
    show(Math.floor(start / receivers.length), start % receivers.length);
    Plotly.relayout(plot, { ...nameHeads({}), dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom" });
    return show;
  }

  const boards = new Map(data.modes.map((mode) => [mode.mode, board(mode)]));

  for (const link of document.querySelectorAll("#strongest a[data-place]")) {
    link.addEventListener("click", () => {
      const place = Number(link.dataset.place);
      boards.get(link.hash.replace("#mode-", ""))(Math.floor(place / receivers.length), place % receivers.length);
    });
  }
  for (const link of document.querySelectorAll("#carried a[data-sender]")) {
    const [from, to] = [senders.indexOf(link.dataset.sender), receivers.indexOf(link.dataset.receiver)];
    if (from >= 0 && to >= 0) link.addEventListener("click", () => boards.get(link.hash.replace("#mode-", ""))(from, to));
  }
  const wanted = byId("mode");
  function filter() {
    let shown = 0;
    for (const row of document.querySelectorAll("#strongest tbody tr")) {
      const fits = !wanted.value || row.dataset.mode === wanted.value;
      row.hidden = !fits || shown >= data.n_shown;
      if (!row.hidden) shown += 1;
    }
    byId("count").textContent = `${shown} channel${shown === 1 ? "" : "s"}, the largest z first`;
  }
  if (wanted) {
    wanted.addEventListener("change", filter);
    filter();
  }
})();
