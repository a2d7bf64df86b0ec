"use strict";
// The picture: links in a few paths by sign and strength, so that ten thousand cost little; nodes one by one, to be reached.
(() => {
  const A = window.attribution;
  const { state, layout, words } = A;
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes = {}, parent = null) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent?.append(element);
    return element;
  };
  const SHAPES = {
    feature: "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0Z",
    error: "M0 -6.2L6.2 0L0 6.2L-6.2 0Z",
    token: "M-5.2 -5.2H5.2V5.2H-5.2Z",
    position: "M0 -6L6 5H-6Z",
    bos: "M0 6L6 -5H-6Z",
    bias: "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    other: "M-6 0L-3 -5.2H3L6 0L3 5.2H-3Z",
  };
  const STEPS = 6;
  const [board, scroll, svg, behind] = ["board", "scroll", "picture", "behind"].map(byId);
  const [base, over, dots] = ["base", "over", "dots"].map(byId);
  const parts = new Map();
  let placed = null;

  function axes() {
    const across = byId("across"), along = byId("along");
    const heading = (text, column) => {
      const label = document.createElement("span");
      label.style.left = `${placed.left[column]}px`;
      label.style.width = `${placed.widths[column]}px`;
      label.textContent = text;
      const at = column - (placed.hasBias ? 1 : 0);
      label.title = at < 0 ? "biases of the model and the transcoders, one node for all" : `${text} (${at})`;
      label.className = at < 0 ? "aside" : "";
      if (at >= 0) label.append(Object.assign(document.createElement("small"), { textContent: at }));
      return label;
    };
    across.replaceChildren(...placed.headings.map(heading));
    along.replaceChildren(...placed.rows.map((text, row) => {
      const label = document.createElement("span");
      label.style.top = `${placed.upper[row]}px`;
      label.style.height = `${placed.heights[row]}px`;
      label.textContent = text;
      return label;
    }));
    const grid = byId("grid");
    grid.replaceChildren();
    placed.rows.forEach((_, row) => {
      if (row % 2) make("rect", { x: 0, y: placed.upper[row], width: placed.width, height: placed.heights[row] }, grid);
    });
    if (placed.hasBias) make("line", { x1: placed.left[1], x2: placed.left[1], y1: 0, y2: placed.height }, grid);
  }

  function drawNodes() {
    for (const node of A.nodes) {
      const part = make("g", { class: `node ${node.kind}`, tabindex: -1, role: "button" });
      part.dataset.id = node.id;
      if (node.kind === "logit") {
        make("rect", { class: "shape", x: -node.width / 2, y: -8.5, width: node.width, height: 17, rx: 8.5 }, part);
        const text = make("text", { y: 4 }, part);
        const shown = layout.pillText(node);
        text.textContent = shown.length > 20 ? `${shown.slice(0, 19)}…` : shown;
        if (!A.isDirection(node)) make("tspan", { class: "p", dx: 5 }, text).textContent = node.probability.toFixed(2);
      } else make("path", { class: "shape", d: SHAPES[node.kind] }, part);
      dots.append(part);
      parts.set(node.id, part);
    }
  }

  const room = () => scroll.clientWidth - byId("along").offsetWidth - 2;
  function place() {
    placed = layout.place(Math.max(200, room()), Math.min(640, 0.62 * innerHeight));
    board.style.setProperty("--width", `${placed.width}px`);
    board.style.setProperty("--height", `${placed.height}px`);
  }

  function settle() {
    const before = room();
    place();
    if (room() !== before) place();  // the picture has brought a scrollbar, or has sent one away
    for (const layer of [svg, behind, byId("grid")]) layer.setAttribute("viewBox", `0 0 ${placed.width} ${placed.height}`);
    axes();
    if (!parts.size) drawNodes();
    for (const node of A.nodes) parts.get(node.id).setAttribute("transform", `translate(${node.x.toFixed(1)} ${node.y.toFixed(1)})`);
    shownLinks = null;
    draw();
  }

  // Base layer: all links of one sign and strength are one path.
  let shownLinks = null, told = "";
  function drawBase(visible) {
    const wanted = `${state.nLinks} ${A.nodes.filter(visible).length} ${state.threshold}`;
    if (shownLinks === wanted) return;
    shownLinks = wanted;
    const paths = Array.from({ length: 2 * STEPS }, () => []);
    const drawable = A.ranked.filter((link) => visible(link.source) && visible(link.target));
    const drawn = drawable.slice(0, state.nLinks);
    for (const link of drawn) {
      const step = Math.min(STEPS - 1, Math.floor(Math.sqrt(link.share) * STEPS));
      paths[2 * step + (link.weight < 0 ? 1 : 0)].push(layout.curve(link.source, link.target));
    }
    base.replaceChildren(...paths.map((path, at) => {
      const step = Math.floor(at / 2);
      return make("path", {
        d: path.join(""), class: at % 2 ? "minus" : "plus",
        "stroke-width": (0.7 + 0.75 * step).toFixed(2), "stroke-opacity": (0.16 + 0.11 * step).toFixed(2),
      });
    }));
    told = drawn.length < drawable.length
      ? `the ${drawn.length.toLocaleString("en")} strongest of ${drawable.length.toLocaleString("en")} links`
      : `all ${drawable.length.toLocaleString("en")} links`;
  }

  const lineOf = (link, most, extra = "") => make("path", {
    d: layout.curve(link.source, link.target), class: `${link.weight < 0 ? "minus" : "plus"} ${extra}`,
    "stroke-width": (0.8 + 4.2 * Math.sqrt(Math.abs(link.weight) / (most || 1))).toFixed(2),
  });

  function drawOver(visible, node, extra = "") {
    const seen = (link) => visible(link.source) && visible(link.target);
    const [into, out] = [node.into.filter(seen), node.out.filter(seen)];
    const most = (some) => Math.abs(some[0]?.weight ?? 1);
    return [...into.map((link) => lineOf(link, most(into), extra)), ...out.map((link) => lineOf(link, most(out), extra))];
  }

  let hovered = null;
  const chosenNode = () => (state.clicked && A.isWithin(state.clicked) ? state.clicked : null);
  function overlay() {
    const visible = A.isWithin, chosen = chosenNode();
    over.replaceChildren(
      ...(hovered && hovered !== chosen && visible(hovered) ? drawOver(visible, hovered, "passing") : []),
      ...(chosen ? drawOver(visible, chosen) : []),
    );
  }

  function draw() {
    const visible = A.isWithin, chosen = chosenNode();
    drawBase(visible);
    byId("drawn").textContent = told;
    overlay();
    const signs = new Map();
    for (const link of chosen?.into ?? []) signs.set(link.source, link.weight);
    for (const link of chosen?.out ?? []) signs.set(link.target, link.weight);
    const members = new Set(state.group?.ids ?? []);
    const isAsked = Boolean(chosen || members.size || state.found);
    svg.classList.toggle("chosen", isAsked);
    behind.classList.toggle("dim", isAsked);
    for (const node of A.nodes) {
      const part = parts.get(node.id), weight = signs.get(node);
      const isChosen = node === chosen || members.has(node.id);
      part.classList.toggle("gone", !visible(node));
      part.classList.toggle("is-chosen", isChosen);
      part.classList.toggle("is-pinned", state.pinned.has(node.id));
      part.classList.toggle("plus", weight > 0);
      part.classList.toggle("minus", weight < 0);
      part.classList.toggle("is-found", Boolean(state.found?.has(node)));
      part.setAttribute("aria-pressed", String(isChosen));
      const known = `${state.labels.get(node.id) ?? ""}|${state.pinned.has(node.id)}`;
      if (part.dataset.known !== known) part.setAttribute("aria-label", words.told(node) + (state.pinned.has(node.id) ? ", pinned" : ""));
      part.dataset.known = known;
    }
    reachable();
  }

  // One stop for the tab key: the node last reached, else the chosen one, else the first output.
  let reached = null;
  function reachable() {
    const visible = A.nodes.filter(A.isWithin);
    if (!reached || !A.isWithin(reached)) reached = state.clicked ?? visible.find((node) => node.kind === "logit") ?? visible[0];
    for (const node of A.nodes) {
      const wanted = node === reached ? "0" : "-1";
      if (parts.get(node.id).getAttribute("tabindex") !== wanted) parts.get(node.id).setAttribute("tabindex", wanted);
    }
  }

  function reach(node) {
    reached = node;
    reachable();
    parts.get(node.id).focus({ preventScroll: true });
    show(node);
  }

  function show(node) {
    if (state.view !== "all") return;
    const [gutter, foot] = [byId("along").offsetWidth, byId("across").offsetHeight];
    const [x, y] = [node.x + gutter, node.y];
    const [left, right] = [scroll.scrollLeft + gutter + 20, scroll.scrollLeft + scroll.clientWidth - 20];
    const [low, high] = [scroll.scrollTop + 20, scroll.scrollTop + scroll.clientHeight - foot - 20];
    if (x < left) scroll.scrollLeft -= left - x;
    if (x > right) scroll.scrollLeft += x - right;
    if (y < low) scroll.scrollTop -= low - y;
    if (y > high) scroll.scrollTop += y - high;
  }

  function step(from, dx, dy) {
    const others = A.nodes.filter((node) => A.isWithin(node) && node !== from);
    const ahead = dx
      ? others.filter((node) => node.row === from.row && Math.sign(node.x - from.x) === dx && Math.abs(node.y - from.y) < 8)
      : others.filter((node) => Math.sign(node.y - from.y) === dy && Math.abs(node.y - from.y) > 4);
    const far = (node) => (dx ? Math.abs(node.x - from.x) : 1000 * Math.abs(node.y - from.y) + Math.abs(node.x - from.x));
    return ahead.sort((a, b) => far(a) - far(b))[0] ?? null;
  }

  function hover(node) {
    if (node === hovered) return;
    hovered = node;
    overlay();
  }

  A.picture = { settle, draw, reach, show, step, hover, make, parts, SHAPES, nodeAt: (target) => A.byId.get(target.closest?.("[data-id]")?.dataset.id), get reached() { return reached; } };
})();
