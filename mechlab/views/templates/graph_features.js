"use strict";
// What is known of a feature: where it is on, which outputs it promotes, how strong it gets. Missing parts are said to be.
(() => {
  const A = window.attribution;
  const { words, features } = A;
  const HIGH = 72, WIDE = 240;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("--")) made.style.setProperty(key, value);
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }

  const finite = (value) => typeof value === "number" && Number.isFinite(value);
  const listed = (value) => (Array.isArray(value) ? value : []);

  function context(example, most) {
    const text = element("p");
    const activations = listed(example.tokens_acts_list);
    listed(example.tokens).map(String).forEach((token, at) => {
      const lead = at ? token.slice(0, token.length - token.trimStart().length) : "";
      const value = activations[at] ?? 0, focus = at === example.train_token_ind;
      if (!(value > 0) && !focus) { text.append(words.inText(at ? token : token.trimStart())); return; }
      const word = token.trimStart() || token;
      text.append(token.trim() ? lead : "");
      const strength = Math.min(1, Math.max(0, value / (most || 1)));
      text.append(element("mark", { class: focus ? "focus" : null, "--a": strength.toFixed(2), title: `${words.alone(token)}  activation ${words.number(value)}` }, words.alone(word)));
    });
    const peak = Math.max(0, ...activations.filter(finite));
    return element("li", { class: example.is_repeated_datapoint ? "again" : null },
      element("span", { class: "peak", title: "strongest activation" }, words.number(peak)), text);
  }

  function quantile(one, most, isFirst) {
    const examples = listed(one.examples);
    if (!examples.length) return null;
    const title = `${one.quantile_name ?? "Examples"} (${examples.length})`;
    return element("details", { open: isFirst },
      element("summary", {}, title),
      element("ol", { class: "contexts" }, ...examples.map((example) => context(example, most))));
  }

  function outputs(name, sign, rows) {
    if (!rows.length) return null;
    const pairs = rows.map((row) => (Array.isArray(row) ? row : typeof row === "string" ? [row, null] : [row.token ?? "", row.value ?? row.logit ?? null]));
    const most = Math.max(...pairs.map(([, value]) => Math.abs(value ?? 0))) || 1;
    const line = ([token, value]) => (finite(value)
      ? element("li", {}, element("span", { class: "token" }, words.alone(token)), element("span", { class: "bar", "--w": `${(100 * Math.abs(value)) / most}%` }), element("span", { class: "value" }, words.signed(value)))
      : element("li", { class: "bare" }, element("span", { class: "token" }, words.alone(token))));
    return element("section", { class: `logits ${sign}` }, element("h4", {}, name), element("ul", { class: finite(pairs[0][1]) ? "" : "words" }, ...pairs.map(line)));
  }

  function histogram(one, activation) {
    const counts = listed(one.histogram).filter(finite);
    if (!counts.length) return null;
    const [low, high] = [finite(one.act_min) ? one.act_min : 0, finite(one.act_max) ? one.act_max : 1];
    const tallest = Math.log1p(Math.max(...counts)) || 1, wide = WIDE / counts.length;
    const svg = A.picture.make("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Histogram of activations from ${words.number(low)} to ${words.number(high)}; heights are logarithmic` });
    counts.forEach((count, at) => {
      const tall = (HIGH * Math.log1p(count)) / tallest;
      const bar = A.picture.make("rect", { x: (at * wide).toFixed(1), width: Math.max(0.5, wide - 1).toFixed(1), y: (HIGH - tall).toFixed(1), height: tall.toFixed(1) }, svg);
      bar.style.setProperty("--a", ((at + 0.5) / counts.length).toFixed(2));
      A.picture.make("title", {}, bar).textContent = `${words.number(low + ((high - low) * at) / counts.length)} to ${words.number(low + ((high - low) * (at + 1)) / counts.length)}: ${count.toLocaleString("en")}`;
    });
    if (finite(activation) && high > low) {
      const x = (WIDE * Math.min(1, Math.max(0, (activation - low) / (high - low)))).toFixed(1);
      A.picture.make("line", { class: "here", x1: x, x2: x, y1: 0, y2: HIGH }, svg);
    }
    return element("section", { class: "histogram" }, element("h4", {}, "How strongly"), svg,
      element("p", { class: "scale" }, element("span", {}, words.number(low)), element("span", {}, finite(activation) ? "line: here; log height" : "log height"), element("span", {}, words.number(high))));
  }

  function details(node) {
    if (node.kind !== "feature") return null;
    const one = features[`${node.layer}.${node.number}`];
    const missing = Object.keys(features).length ? "No examples were given for this feature." : "This page was written without examples of its features.";
    if (!one) return element("p", { class: "missing" }, missing);
    const quantiles = listed(one.examples_quantiles);
    const most = finite(one.act_max) ? one.act_max : Math.max(0, ...quantiles.flatMap((part) => listed(part.examples)).flatMap((example) => listed(example.tokens_acts_list)));
    const vitals = [
      finite(one.activation_frequency) ? `on at ${words.percent(one.activation_frequency)} of tokens` : null,
      finite(one.act_max) ? `at most ${words.number(one.act_max)}` : null,
    ].filter(Boolean).join(", ");
    const shown = quantiles.map((part, at) => quantile(part, most, at === 0)).filter(Boolean);
    const effects = [outputs("Promotes", "up", listed(one.top_logits)), outputs("Suppresses", "down", listed(one.bottom_logits)), histogram(one, node.activation)].filter(Boolean);
    return element("div", { class: "mechlab-card" },
      vitals ? element("p", { class: "vital" }, vitals) : null,
      ...(shown.length ? shown : [element("p", { class: "missing" }, "There are no contexts of this feature.")]),
      element("div", { class: "effects" }, ...effects));
  }

  Object.assign(A, { element, details });
})();
