"use strict";
// The graph as data: nodes with their links, and what people do to them, which the browser keeps and a file hands on.
window.attribution = (() => {
  const page = JSON.parse(document.getElementById("graph-data").textContent);
  const { graph, features } = page;
  const own = graph.metadata.mechlab ?? {};
  const KINDS = { "cross layer transcoder": "feature", "mlp reconstruction error": "error", embedding: "token", logit: "logit" };
  const BIASES = [["bias_position_", "position"], ["bias_bos_", "bos"], ["bias_all", "bias"]];

  const kindOf = (node) => KINDS[node.feature_type]
    ?? (node.feature_type === "bias" ? (BIASES.find(([start]) => node.node_id.startsWith(start)) ?? [, "bias"])[1] : "other");
  const numberOf = (node) => {
    const parts = node.node_id.split("_");
    return parts.length === 3 && parts[0] === node.layer ? Number(parts[1]) : node.feature;
  };
  const nodes = graph.nodes.map((node) => ({
    id: node.node_id,
    kind: kindOf(node),
    type: node.feature_type,
    layer: node.layer === "E" ? -1 : Number(node.layer),
    number: numberOf(node),
    position: node.ctx_idx,
    label: node.clerp,
    influence: node.influence,
    activation: node.activation,
    probability: node.token_prob,
    value: own.values?.[node.node_id] ?? null,
    into: [],
    out: [],
  }));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const links = graph.links.map((link) => ({
    source: byId.get(link.source), target: byId.get(link.target), weight: link.weight,
  }));
  for (const link of links) {
    link.source.out.push(link);
    link.target.into.push(link);
  }
  const bySize = (a, b) => Math.abs(b.weight) - Math.abs(a.weight);
  for (const node of nodes) {
    node.into.sort(bySize);
    node.out.sort(bySize);
    node.taken = node.into.reduce((sum, link) => sum + Math.abs(link.weight), 0);
  }
  // A link weighs what part of its target it makes, and more where the target itself matters.
  for (const link of links) {
    link.share = Math.abs(link.weight) / (link.target.taken || 1);
    link.rank = link.share * (1.05 - (link.target.influence ?? 0));
  }
  const ranked = links.filter((link) => link.source.kind !== "bias").sort((a, b) => b.rank - a.rank);

  const highest = graph.metadata.node_threshold ?? 1;
  const state = {
    clicked: null, group: null, threshold: highest, nLinks: 300, view: "all", found: null, places: false,
    pinned: new Set(), groups: [], labels: new Map(),
  };
  const listeners = [];

  // Edits belong to this very file: one that was saved with other marks is opened as it was saved.
  const digest = () => {
    let sum = 2166136261;
    const known = JSON.stringify([graph.qParams, graph.nodes.map((node) => [node.node_id, node.clerp])]);
    for (let at = 0; at < known.length; at += 1) sum = Math.imul(sum ^ known.charCodeAt(at), 16777619);
    return (sum >>> 0).toString(16);
  };
  const KEY = `mechlab.graph.${graph.metadata.slug}.${digest()}`;

  function fromFile() {
    const marks = graph.qParams;
    state.pinned = new Set(marks.pinnedIds.filter((id) => byId.has(id)));
    state.groups = marks.supernodes.map(([name, ...ids]) => ({ name, ids: ids.filter((id) => byId.has(id)) }))
      .filter((group) => group.ids.length);
    state.labels = new Map();
    state.group = null;
    for (const group of state.groups) for (const id of group.ids) state.pinned.add(id);
    state.clicked = byId.get(marks.clickedId) ?? null;
  }

  function keep() {
    const { pinned, groups, labels } = state;
    try {
      localStorage.setItem(KEY, JSON.stringify({ pinned: [...pinned], groups, labels: [...labels] }));
    } catch { /* a browser that keeps nothing still shows and exports */ }
  }

  function restore() {
    fromFile();
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "null");
      if (!kept) return;
      state.pinned = new Set(kept.pinned.filter((id) => byId.has(id)));
      state.groups = kept.groups.map(({ name, ids }) => ({ name: String(name), ids: ids.filter((id) => byId.has(id)) }))
        .filter((group) => group.ids.length);
      state.labels = new Map(kept.labels.filter(([id]) => byId.has(id)));
    } catch { fromFile(); }
  }

  function changed(isEdit) {
    if (isEdit) keep();
    for (const listener of listeners) listener();
  }

  const groupOf = (node) => state.groups.find((group) => group.ids.includes(node.id));
  // Where all starts and ends is always shown, whatever influence a file gives it.
  const ALWAYS = new Set(["token", "position", "bos", "bias", "logit"]);
  const isWithin = (node) => ALWAYS.has(node.kind) || node.influence === null || node.influence <= state.threshold || state.pinned.has(node.id);

  const edits = {
    pin(node) {
      if (state.pinned.has(node.id)) {
        state.pinned.delete(node.id);
        for (const group of state.groups) group.ids = group.ids.filter((id) => id !== node.id);
        state.groups = state.groups.filter((group) => group.ids.length);
        if (state.group && !state.groups.includes(state.group)) state.group = null;
      } else state.pinned.add(node.id);
      if (!state.pinned.size) state.view = "all";
      changed(true);
    },
    group(ids, name) {
      for (const group of state.groups) group.ids = group.ids.filter((id) => !ids.includes(id));
      state.groups = [...state.groups.filter((group) => group.ids.length), { name, ids }];
      changed(true);
    },
    rename(group, name) { group.name = name; changed(true); },
    ungroup(group) {
      state.groups = state.groups.filter((other) => other !== group);
      state.group = null;
      changed(true);
    },
    label(node, text) {
      if (text === node.label) state.labels.delete(node.id);
      else state.labels.set(node.id, text);
      changed(true);
    },
    reset() {
      fromFile();
      state.view = "all";
      changed(false);
      try { localStorage.removeItem(KEY); } catch { /* nothing was kept */ }
    },
  };

  function choose(node) { Object.assign(state, { clicked: node, group: null }); changed(false); }
  function chooseGroup(group) { Object.assign(state, { clicked: null, group }); changed(false); }

  function exported() {
    const marks = {
      ...graph.qParams,
      pinnedIds: [...state.pinned],
      supernodes: state.groups.map(({ name, ids }) => [name, ...ids]),
      clickedId: state.clicked?.id ?? "",
    };
    const named = graph.nodes.map((node) => state.labels.has(node.node_id) ? { ...node, clerp: state.labels.get(node.node_id) } : node);
    return JSON.stringify({ metadata: graph.metadata, qParams: marks, nodes: named, links: graph.links });
  }

  restore();
  return {
    page, graph, features, own, nodes, byId, links, ranked, highest, state, edits, listeners, tokens: graph.metadata.prompt_tokens,
    groupOf, isWithin, choose, chooseGroup, changed, exported,
    isDirection: (node) => (own.directions ?? []).includes(node.id),
  };
})();
