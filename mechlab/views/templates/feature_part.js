"use strict";
// The features of one page: a list of them, and the card of the one that is chosen.
(() => {
  const DRAWING = make("div").appendChild(document.createRange().createContextualFragment("<svg></svg>").firstChild).namespaceURI;
  const CHART = { width: 240, height: 72 };
  const [filter, count, index, card] = ["filter", "count", "index", "card"].map(byId);
  const causeOf = (feature) => (feature.cause ? data.causes[feature.cause[0]] : "");
  const nameOf = (feature) => feature.name || (feature.fires ? "spaces" : "never fires");
  let current = null;

  function mark(text, code, most, focus) {
    const word = (text.trimStart() || text.replaceAll(" ", "␣")).replace(/ +$/, (spaces) => "␣".repeat(spaces.length));
    const parts = text.trimStart() ? text.slice(0, text.length - text.trimStart().length) : "";
    const title = `${text.replaceAll(" ", "␣")}  activation ${number(code || 0)}`;
    const strength = Math.min(1, (code || 0) / most).toFixed(2);
    return [parts, make("mark", { class: focus ? "focus" : undefined, style: ["--a", strength], title }, word)];
  }

  function context([row, start, focus, numbers, codes], feature, removal) {
    const on = new Map();
    for (let i = 0; i < codes.length; i += 2) on.set(codes[i], codes[i + 1]);
    const parts = numbers.flatMap((text, place) =>
      on.has(place) || place === focus ? mark(data.texts[text], on.get(place), feature.most, place === focus) : [data.texts[text]]);
    const lost = removal && removal[0] !== null
      ? make("span", { class: "lost", title: `nats the next token's loss rises without this feature here; ${signed(removal[1], 3)} without another of the same size` }, `loss ${signed(removal[0])}`)
      : undefined;
    return make("li", {},
      make("span", { class: "peak", title: `activation on the boxed token; row ${row}, token ${start + focus}` }, number(on.get(focus))),
      make("p", {}, ...parts), lost);
  }

  const contexts = (title, note, found, feature, removals) =>
    make("section", { class: "contexts", "aria-label": title },
      make("h4", {}, title, " ", note ? make("small", {}, note) : ""),
      make("ol", {}, ...found.map((one, place) => context(one, feature, removals?.[place])),
        found.length ? undefined : make("li", { class: "none" }, "None was drawn.")));

  function logits(title, sign, rows, chance) {
    const most = Math.max(...rows.map((row) => Math.abs(row[1])), 1e-9);
    const decimals = Math.max(0, 2 - Math.floor(Math.log10(most)));
    return make("section", { class: `logits ${sign}` },
      make("h4", { title: "Change of the next token's logit per unit of activation, through the unembedding alone." }, title),
      make("ul", {}, ...rows.map(([token, value]) => make("li", {},
        make("span", { class: "token" }, token),
        make("span", { class: "bar", style: ["--w", `${((100 * Math.abs(value)) / most).toFixed(0)}%`] }),
        make("span", { class: "value" }, value.toFixed(decimals).replace("-", "\u2212"))))),
      make("p", { class: "chance", title: "95 of 100 random directions of this length move no token further." }, `by chance up to ${number(chance, 2)}`));
  }

  function svg(name, attributes, ...parts) {
    const element = document.createElementNS(DRAWING, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...parts);
    return element;
  }

  function histogram(feature) {
    const last = feature.bins.findLastIndex((n) => n > 0) + 1;
    const bins = feature.bins.slice(0, last);
    const step = feature.reach / feature.bins.length;
    const [tallest, width] = [Math.log1p(Math.max(...bins)), CHART.width / last];
    const bars = bins.map((n, place) => {
      const height = (CHART.height * Math.log1p(n)) / tallest;
      const bar = svg("rect", { x: place * width, y: CHART.height - height, width: Math.max(0.5, width - 0.6), height },
        svg("title", {}, `${number(place * step)} to ${number((place + 1) * step)}: ${number(n)} tokens`));
      bar.style.setProperty("--a", ((place + 0.5) / last).toFixed(2));
      return bar;
    });
    const edges = feature.edges.slice(1, -1).map((edge) => {
      const x = (edge / (step * last)) * CHART.width;
      return svg("line", { class: "edge", x1: x, x2: x, y1: 0, y2: CHART.height }, svg("title", {}, `edge of a band: ${number(edge)}`));
    });
    const label = `Histogram of ${number(feature.fires)} activations up to ${number(feature.most)}; heights are logarithmic`;
    return make("section", { class: "histogram" },
      make("h4", { title: "How many tokens activate the feature how strongly; heights are logarithmic, dashes part the bands." }, "How strongly"),
      svg("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": label }, ...bars, ...edges),
      make("p", { class: "scale" }, make("span", {}, "0"), make("span", {}, `${number(feature.fires)} tokens, log height`), make("span", {}, number(step * last))));
  }

  const fact = (name, title, value, small) =>
    make("div", { title }, make("dt", {}, name), make("dd", {}, value, " ", small ? make("small", {}, small) : ""));
  const mean = (values) => {
    const known = (values || []).filter((value) => value !== null);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  };

  function facts(feature) {
    const found = [
      fact("fires on", "share of tokens, with its 95 % interval over rows", share(feature.fires, data.n_tokens),
        `± ${(196 * feature.error).toPrecision(2)} %`),
      fact("mean, largest", "activation where it fires", `${number(feature.mean)}, ${number(feature.most)}`),
    ];
    if (feature.cause) {
      const [, f1, chance, threshold] = feature.cause;
      found.push(fact("best known cause", `says yes from an activation of ${number(threshold)}`, causeOf(feature), `F1 ${f1.toFixed(2)}, by chance ${chance.toFixed(2)}`));
    }
    if (feature.removed) {
      const [lost, other, apart, otherApart] = feature.removed.map(mean);
      found.push(fact("loss without it", "nats, at its strongest contexts; another feature of the same size beside it", signed(lost), `another ${signed(other)}`));
      found.push(fact("divergence without it", "KL in nats from the model's own prediction there", number(apart, 2), `another ${number(otherApart, 2)}`));
    }
    return make("dl", { class: "facts" }, ...found);
  }

  function show(feature) {
    current = feature;
    for (const link of index.querySelectorAll("a")) {
      if (Number(link.dataset.at) === feature.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const effects = make("div", { class: "effects" });
    if (feature.top.length) effects.append(logits("Promotes", "up", feature.top, feature.by_chance), logits("Suppresses", "down", feature.bottom, feature.by_chance));
    if (feature.fires) effects.append(histogram(feature));
    const removals = feature.removed?.[0].map((_, place) => [feature.removed[0][place], feature.removed[1][place]]);
    const parts = [make("header", {}, make("h3", { tabindex: "-1" }, make("span", { class: "id" }, `#${feature.id}`), " ", nameOf(feature)))];
    if (feature.fires) {
      parts.push(facts(feature), contexts("Where it fires most", "one from a row, no text twice", feature.strongest, feature, removals), effects);
      feature.bands.map((band, place) => [band, place]).reverse().forEach(([band, place]) => parts.push(
        contexts(`From ${number(feature.edges[place])} to ${number(feature.edges[place + 1])}`,
          `drawn from the ${place === 0 ? "weakest" : place === feature.bands.length - 1 ? "strongest" : `${place + 1}${["st", "nd", "rd"][place] || "th"}`} of ${feature.bands.length} equal parts`, band, feature)));
    } else {
      parts.push(make("p", { class: "vital" }, `It fires on none of ${number(data.n_tokens)} tokens: dead here. A longer text may still wake it.`), effects);
    }
    card.replaceChildren(...parts);
  }

  function list() {
    index.append(...data.features.map((feature) => make("li", {},
      make("a", { href: `#feature-${feature.id}`, "data-at": feature.id },
        make("span", { class: "id" }, String(feature.id)),
        make("span", { class: feature.fires ? "name" : "name none" }, nameOf(feature)),
        make("span", { class: "rate", title: "share of tokens it fires on" }, feature.fires ? share(feature.fires, data.n_tokens) : "dead")))));
  }

  const links = () => [...index.querySelectorAll("li:not([hidden]) a")];
  const featureOf = (link) => data.features[Number(link.dataset.at) - data.first];
  const remember = (feature) => history.replaceState(null, "", `#feature-${feature.id}`);

  function choose(link) {
    show(featureOf(link));
    remember(current);
    link.focus();
  }

  function move(step) {
    const here = links();
    const place = here.findIndex((link) => featureOf(link) === current);
    const beyond = place + step >= here.length ? byId("after") : place + step < 0 ? byId("before") : null;
    if (beyond && !filter.value) location.href = beyond.href + (step < 0 ? `#feature-${data.first - 1}` : "");
    else if (here.length) choose(here[Math.min(here.length - 1, Math.max(0, place + step))]);
  }

  function select() {
    const wanted = filter.value.trim().toLowerCase();
    for (const link of index.querySelectorAll("a")) {
      const feature = featureOf(link);
      const text = `#${feature.id} ${nameOf(feature)} ${causeOf(feature)} ${feature.top.map(([token]) => token).join(" ")}`;
      link.parentElement.hidden = !text.toLowerCase().includes(wanted);
    }
    const found = links();
    count.textContent = `${found.length < data.features.length ? `${found.length} of ` : ""}${data.features.length} features`;
    if (found.length && !found.some((link) => featureOf(link) === current)) show(featureOf(found[0]));
  }

  function fromAddress() {
    const wanted = data.features.find((feature) => location.hash === `#feature-${feature.id}`);
    if (wanted && wanted !== current) {
      show(wanted);
      const [link, box] = [index.querySelector("[aria-current]").getBoundingClientRect(), index.getBoundingClientRect()];
      index.scrollTop += link.top - box.top - box.height / 3;
    }
    return wanted;
  }

  const enter = (event) => {
    if (!index.contains(event.target)) return false;
    show(featureOf(event.target));
    remember(current);
    card.querySelector("h3").focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  };
  const inList = (step) => (event) => (index.contains(event.target) ? move(step) : false);
  onKeys({
    j: () => move(1), k: () => move(-1), ArrowDown: inList(1), ArrowUp: inList(-1), Enter: enter,
    u: () => { location.href = document.querySelector("nav a").href; },
  }, (clear) => {
    if (clear) { filter.value = ""; select(); }
    const [first] = links();
    if (first) choose(links().find((link) => featureOf(link) === current) || first);
    else filter.blur();
  });
  index.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    choose(link);
  });
  filter.addEventListener("input", select);
  window.addEventListener("hashchange", fromAddress);
  document.documentElement.classList.add("js");
  list();
  if (!fromAddress()) show(data.features[0]);
  select();
})();
