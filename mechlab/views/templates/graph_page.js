"use strict";
// Wires the page: pointer and keys, search, slider, dialogs, the file to take away.
(() => {
  const A = window.attribution;
  const { state, words, edits, picture, circuit, panel } = A;
  const byId = (id) => document.getElementById(id);
  const [dots, search, slider, tip, naming, grouping, keys] = ["dots", "search", "slider", "tip", "naming", "grouping", "keys"].map(byId);

  function drawAll() {
    const isCircuit = state.view === "pinned" && state.pinned.size > 0;
    byId("scroll").hidden = isCircuit;
    byId("circuit-place").hidden = !isCircuit;
    if (isCircuit) circuit.draw();
    else picture.draw();
    if (isCircuit) byId("drawn").textContent = "sums of the effects between pinned nodes and groups";
    panel.draw();
    const within = A.nodes.filter(A.isWithin).length;
    byId("slider-told").textContent = `${words.percent(state.threshold)} of influence · ${within} of ${A.nodes.length} nodes`;
  }
  A.listeners.push(drawAll);

  // Dialogs that ask for a name.
  let answer = null;
  function askName(title, value, then) {
    byId("naming-title").textContent = title;
    byId("name").value = value;
    answer = then;
    naming.showModal();
    byId("name").select();
  }
  naming.addEventListener("close", () => {
    const name = byId("name").value.trim();
    if (naming.returnValue === "save" && answer) answer(name);
    naming.returnValue = "";
    answer = null;
  });
  function askGroup() {
    if (state.pinned.size < 2) return;
    byId("members").replaceChildren(...[...state.pinned].map((id) => A.byId.get(id)).map((node) => A.element("label", {},
      A.element("input", { type: "checkbox", value: node.id, checked: !A.groupOf(node) }),
      A.element("span", {}, words.nameOf(node), A.element("small", {}, ` ${words.placeOf(node)}${A.groupOf(node) ? `, in ${A.groupOf(node).name}` : ""}`)))));
    byId("group-name").value = "";
    grouping.showModal();
    byId("group-name").focus();
  }
  grouping.addEventListener("close", () => {
    const ids = [...byId("members").querySelectorAll("input:checked")].map((box) => box.value);
    if (grouping.returnValue === "save" && ids.length) edits.group(ids, byId("group-name").value.trim() || "group");
    grouping.returnValue = "";
  });
  A.ask = {
    label: (node) => askName(`Label of ${words.plainName(node)}`, words.labelOf(node), (name) => edits.label(node, name)),
    rename: (group) => askName("Name of the group", group.name, (name) => edits.rename(group, name || group.name)),
  };
  for (const dialog of [naming, grouping]) {
    for (const button of dialog.querySelectorAll("button[type=button]")) button.addEventListener("click", () => dialog.close(""));
  }

  // Search: words of names, places and tokens; several have to be there together.
  function find() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    state.found = wanted.length
      ? new Set(A.nodes.filter((node) => wanted.every((word) => `${words.told(node)} ${words.plainName(node)} ${node.id}`.toLowerCase().includes(word)))) : null;
    A.changed(false);
  }
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && state.found?.size) {
      event.preventDefault();
      const first = [...state.found].find(A.isWithin);
      if (!first) return;
      state.view = "all";
      A.choose(first);
      picture.reach(first);
    } else if (event.key === "Escape") {
      event.preventDefault();
      search.value = "";
      find();
      picture.reach(picture.reached);
    } else return;
    event.stopPropagation();
  });

  const scale = (value) => (Number(slider.max) ? (A.highest * value) / Number(slider.max) : A.highest);
  slider.addEventListener("input", () => {
    state.threshold = Number(slider.value) === Number(slider.max) ? A.highest : scale(Number(slider.value));
    A.changed(false);
  });
  byId("n-links").addEventListener("change", (event) => {
    state.nLinks = event.target.value === "all" ? Infinity : Number(event.target.value);
    A.changed(false);
  });

  // Pointer.
  const tell = (node, event) => {
    tip.hidden = !node;
    if (!node) return;
    tip.replaceChildren(A.element("b", {}, words.nameOf(node)), A.element("span", {}, words.labelOf(node) ? `${words.plainName(node)}, ${words.placeOf(node)}` : words.placeOf(node)),
      ...words.factsOf(node).map(([name, value]) => A.element("span", {}, `${name} ${value}`)));
    const box = tip.getBoundingClientRect();
    const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const top = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  };
  dots.addEventListener("pointerover", (event) => { const node = picture.nodeAt(event.target); picture.hover(node ?? null); tell(node ?? null, event); });
  dots.addEventListener("pointerout", () => { picture.hover(null); tell(null); });
  dots.addEventListener("click", (event) => {
    const node = picture.nodeAt(event.target);
    if (!node) return;
    A.choose(state.clicked === node ? null : node);
    picture.reach(node);
  });
  byId("picture").addEventListener("click", (event) => { if (!picture.nodeAt(event.target)) A.choose(null); });

  // Keys.
  const acted = () => {
    const node = picture.nodeAt(document.activeElement);
    return document.activeElement?.closest?.("#picture, #circuit") && node ? node : state.clicked;
  };
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function clear() {
    if (state.found) { search.value = ""; find(); } else if (state.clicked || state.group) A.choose(null);
    else if (state.view === "pinned") { state.view = "all"; A.changed(false); }
    tell(null);
  }
  const actions = {
    "/": () => { search.focus(); search.select(); },
    "?": () => keys.showModal(),
    p: () => { const node = acted(); if (node) edits.pin(node); },
    l: () => { const node = acted(); if (node && node.kind !== "logit" && node.kind !== "bias") A.ask.label(node); },
    g: askGroup,
    v: () => byId("view").click(),
    Escape: clear,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || naming.open || grouping.open || keys.open) return;
    if (event.target.matches?.("input:not([type=range]), select, textarea")) return;
    const inPicture = event.target.closest?.("#dots");
    if (inPicture && moves[event.key]) {
      const next = picture.step(picture.nodeAt(event.target), ...moves[event.key]);
      if (next) picture.reach(next);
    } else if (event.target.closest?.("#picture, #circuit") && (event.key === "Enter" || event.key === " ")) {
      event.target.closest("[data-id], [data-box]")?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    } else if (Object.hasOwn(actions, event.key)) actions[event.key]();
    else return;
    event.preventDefault();
  });

  byId("view").addEventListener("click", () => { if (!state.pinned.size) return; state.view = state.view === "pinned" ? "all" : "pinned"; A.changed(false); if (state.view === "all") picture.settle(); });
  byId("gather").addEventListener("click", askGroup);
  byId("help").addEventListener("click", () => keys.showModal());
  byId("reset").addEventListener("click", () => edits.reset());
  byId("save").addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([A.exported()], { type: "application/json" }));
    const link = A.element("a", { href: address, download: `${A.graph.metadata.slug}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });

  let waiting = 0, wide = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === wide) return;
    wide = innerWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => (state.view === "pinned" ? circuit.draw() : picture.settle()));
  });
  document.documentElement.classList.add("js");
  picture.settle();
  byId("scroll").scrollLeft = byId("scroll").scrollWidth;
  drawAll();
  document.documentElement.dataset.ready = "yes";
})();
