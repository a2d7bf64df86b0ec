"use strict";
// The panel beside the picture: what is chosen, what makes it and what it makes, strongest first; and what is pinned.
(() => {
  const A = window.attribution;
  const { state, words, element, edits } = A;
  const byId = (id) => document.getElementById(id);
  const FIRST = 15;
  const wide = new Set();
  const kindMark = (node) => {
    const svg = A.picture.make("svg", { viewBox: "-8 -8 16 16", class: `mark ${node.kind}`, "aria-hidden": "true" });
    A.picture.make("path", { d: A.picture.SHAPES[node.kind] ?? "M-7 -4H7V4H-7Z" }, svg);
    return svg;
  };

  function entry(node, weight, share) {
    const isHidden = !A.isWithin(node);
    const sign = weight < 0 ? "minus" : "plus";
    return element("li", {}, element("button", {
      type: "button", class: `entry ${sign}`, "data-goes": node.id, title: `${words.told(node)}${isHidden ? "; hidden by the slider" : ""}`,
      onclick: () => { A.choose(node); A.picture.show(node); byId("chosen-name").focus({ preventScroll: true }); },
    },
    kindMark(node),
    element("span", { class: "who" }, words.nameOf(node), element("small", {}, ` ${words.placeOf(node)}${isHidden ? ", hidden" : ""}`)),
    element("span", { class: "weight" }, words.signed(weight)),
    element("span", { class: "share" }, share === null ? "" : words.percent(share)),
    element("span", { class: "line", "--w": `${Math.min(100, 100 * (share ?? 0))}%` })));
  }

  const plainEntry = (node) => element("li", {}, element("button", {
    type: "button", class: "entry", "data-goes": node.id, onclick: () => { A.choose(node); A.picture.show(node); },
  }, kindMark(node), element("span", { class: "who" }, words.nameOf(node), element("small", {}, ` ${words.placeOf(node)}`))));

  function list(title, note, links, end, shareOf, key) {
    const all = wide.has(key);
    const shown = all ? links : links.slice(0, FIRST);
    const more = links.length > FIRST ? element("button", {
      type: "button", class: "more", onclick: () => { if (all) wide.delete(key); else wide.add(key); draw(); },
    }, all ? `the first ${FIRST} only` : `all ${links.length.toLocaleString("en")}`) : null;
    return element("section", { class: "links", id: `links-${key}` },
      element("h4", {}, `${title} `, element("small", {}, `${links.length}`)),
      note ? element("p", { class: "sum" }, note) : null,
      links.length ? element("ol", {}, ...shown.map((link) => entry(link[end], link.weight, shareOf(link)))) : element("p", { class: "missing" }, "None is kept."),
      more);
  }

  // What a row holds and does not show: the parts along links that pruning took away.
  function balance(node) {
    if (node.value === null) return "";
    const shown = node.into.filter((link) => link.source.kind !== "bias").reduce((sum, link) => sum + link.weight, 0);
    const bias = A.own.biases?.[node.id] ?? 0;
    return `${words.signed(node.value)} in all = ${words.signed(shown)} along these links, ${words.signed(bias)} biases, ${words.signed(node.value - shown - bias)} pruned away.`;
  }

  function actions(node) {
    const isPinned = state.pinned.has(node.id);
    return element("p", { class: "actions" },
      element("button", { type: "button", id: "pin", "aria-pressed": String(isPinned), onclick: () => { edits.pin(node); byId("pin")?.focus(); } }, isPinned ? "Unpin " : "Pin ", element("kbd", {}, "p")),
      node.kind === "logit" || node.kind === "bias" ? null : element("button", { type: "button", onclick: () => A.ask.label(node) }, "Label ", element("kbd", {}, "l")));
  }

  function ofNode(node) {
    const plain = words.plainName(node);
    const facts = words.factsOf(node);
    const group = A.groupOf(node);
    return [
      element("header", {},
        element("h3", { id: "chosen-name", tabindex: -1 }, kindMark(node), words.nameOf(node)),
        element("p", { class: "vital" }, words.nameOf(node) === plain ? words.placeOf(node) : `${plain}, ${words.placeOf(node)}`, group ? `; in ${group.name}` : ""),
        facts.length ? element("dl", {}, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))) : null,
        actions(node)),
      node.into.length || node.kind === "feature" || node.kind === "logit"
        ? list("What makes it", balance(node), node.into, "source", (link) => link.share, "into") : null,
      list("What it makes", "", node.out, "target", (link) => link.share, "out"),
      A.details(node) && element("section", { class: "about" }, element("h4", {}, "The feature"), A.details(node)),
    ];
  }

  function ofGroup(group) {
    const box = A.circuit.boxes().find((one) => one.group === group);
    const sums = A.circuit.between(A.circuit.boxes()).reverse();
    const side = (title, own, other) => {
      const found = sums.filter((sum) => sum[own] === box || sum[own].group === group);
      return element("section", { class: "links" }, element("h4", {}, title),
        found.length ? element("ol", {}, ...found.map((sum) => element("li", {}, element("button", {
          type: "button", class: `entry ${sum.weight < 0 ? "minus" : "plus"}`,
          onclick: () => (sum[other].group ? A.chooseGroup(sum[other].group) : A.choose(sum[other].node)),
        }, element("span", { class: "mark" }), element("span", { class: "who" }, sum[other].name, element("small", {}, ` ${sum[other].below}`)), element("span", { class: "weight" }, words.signed(sum.weight)), element("span", { class: "share" }, words.percent(sum.share)), element("span", { class: "line", "--w": `${100 * sum.share}%` })))))
          : element("p", { class: "missing" }, "Nothing that is pinned."));
    };
    return [
      element("header", {}, element("h3", { id: "chosen-name", tabindex: -1 }, group.name), element("p", { class: "vital" }, `group of ${group.ids.length}`),
        element("p", { class: "actions" },
          element("button", { type: "button", onclick: () => A.ask.rename(group) }, "Rename"),
          element("button", { type: "button", onclick: () => edits.ungroup(group) }, "Ungroup"))),
      element("section", { class: "links" }, element("h4", {}, "Its members"),
        element("ol", {}, ...group.ids.map((id) => plainEntry(A.byId.get(id))))),
      side("What makes it, of what is pinned", "to", "from"),
      side("What it makes, of what is pinned", "from", "to"),
    ];
  }

  function found() {
    const place = byId("found");
    place.hidden = !state.found;
    if (!state.found) return;
    const nodes = [...state.found].filter(A.isWithin);
    byId("found-count").textContent = `${nodes.length} of ${A.nodes.length} nodes`;
    byId("found-list").replaceChildren(...nodes.slice(0, 40).map(plainEntry));
  }

  function pinned() {
    const nodes = [...state.pinned].map((id) => A.byId.get(id));
    byId("pinned-count").textContent = `${nodes.length} pinned`;
    byId("view").disabled = !nodes.length;
    byId("view").setAttribute("aria-pressed", String(state.view === "pinned"));
    byId("gather").disabled = nodes.length < 2;
  }

  function draw() {
    const place = byId("chosen");
    const held = place.contains(document.activeElement) ? document.activeElement.id : "";
    const parts = state.group ? ofGroup(state.group) : state.clicked ? ofNode(state.clicked) : [];
    byId("nothing").hidden = parts.length > 0;
    if (!parts.length) byId("outputs").replaceChildren(...A.nodes.filter((node) => node.kind === "logit").map(plainEntry));
    place.replaceChildren(...parts.filter(Boolean));
    if (held) byId(held)?.focus({ preventScroll: true });
    say();
    found();
    pinned();
  }

  // For those who hear the page: what was chosen, in a line.
  function say() {
    const [node, group] = [state.clicked, state.group];
    const line = node ? `${words.told(node)}; ${node.into.length} links in, ${node.out.length} out` : group ? `group ${group.name}` : "";
    if (byId("said").textContent !== line) byId("said").textContent = line;
  }

  A.panel = { draw };
})();
