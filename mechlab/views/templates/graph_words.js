"use strict";
// How nodes, tokens and numbers are written: what the eye cannot see is spelled out, and a minus is a minus.
(() => {
  const A = window.attribution;
  const NAMED = { "\n": "↵", "\r": "␍", "\t": "⇥" };
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu;
  const inText = (token) => token.replace(HIDDEN, (one) => NAMED[one] ?? `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);
  const alone = (token) => {
    if (!token) return "∅";
    const body = token.replace(/^ +| +$/g, "");
    const start = token.length - token.trimStart().length;
    return body ? "␣".repeat(token.indexOf(body)) + inText(body) + "␣".repeat(token.length - token.indexOf(body) - body.length) : "␣".repeat(start);
  };
  const quoted = (token) => `“${alone(token)}”`;

  function number(value, digits = 3) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(digits - 1)
      : value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size || 1))));
    return text.replaceAll("-", "−");
  }
  const signed = (value, digits) => (value > 0 ? "+" : "") + number(value, digits);
  const percent = (share) => {
    const value = 100 * share;
    return value === 0 || value >= 10 ? `${value.toFixed(0)} %` : value < 0.1 ? "< 0.1 %" : `${value.toFixed(1)} %`;
  };

  const output = (node) => node.label.match(/^Output "(.*)" \(p=([^)]*)\)$/s);
  function plainName(node) {
    switch (node.kind) {
      case "feature": return `feature ${node.layer}.${node.number}`;
      case "error": return `error of MLP ${node.layer}`;
      case "token": return `token ${quoted(A.tokens[node.position] ?? "")}`;
      case "position": return `position ${node.position}`;
      case "bos": return `MLP ${node.layer} at BOS`;
      case "bias": return "biases";
      case "logit": return output(node) ? (A.isDirection(node) ? inText(output(node)[1]) : `output ${quoted(output(node)[1])}`) : inText(node.label);
      default: return `${node.type} ${node.id}`;
    }
  }
  const labelOf = (node) => A.state.labels.get(node.id) ?? (["feature", "error", "token", "other"].includes(node.kind) ? node.label : "");
  const nameOf = (node) => inText(labelOf(node)) || plainName(node);
  function placeOf(node) {
    if (node.kind === "bias") return "in every row";
    const at = `at ${quoted(A.tokens[node.position] ?? "")} (${node.position})`;
    return node.kind === "feature" || node.kind === "other" ? `layer ${node.layer}, ${at}` : at;
  }

  function factsOf(node) {
    const facts = [];
    if (node.kind === "logit" && !A.isDirection(node)) facts.push(["probability", number(node.probability)]);
    if (node.activation !== null) facts.push(["activation", number(node.activation)]);
    const isOn = node.activation !== null && Math.abs(node.activation - node.value) < 1e-3 * Math.abs(node.value);
    if (node.value !== null && !isOn) facts.push([node.kind === "logit" ? "value, less the mean logit" : "pre-activation", signed(node.value)]);
    if (node.influence !== null) facts.push(["influence", `within the first ${percent(node.influence)}`]);
    return facts;
  }

  const told = (node) => [nameOf(node), placeOf(node), ...factsOf(node).map(([name, value]) => `${name} ${value}`)].join(", ");
  Object.assign(A, { words: { inText, alone, quoted, number, signed, percent, plainName, labelOf, nameOf, placeOf, factsOf, told, output } });
})();
