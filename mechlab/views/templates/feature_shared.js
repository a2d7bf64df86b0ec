"use strict";
// What both pages of features use: elements made of text, numbers as they are written everywhere, the list of keys.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("feature-data").textContent);

function make(name, attributes, ...parts) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "style") element.style.setProperty(...value);
    else if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...parts.filter((part) => part !== undefined && part !== null));
  return element;
}

function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en").replace("-", "\u2212");
  const size = Math.abs(value);
  const text = size >= 10 ** (digits - 1) ? Math.round(value).toLocaleString("en")
    : size < 1e-4 ? value.toExponential(digits - 2) : value.toPrecision(digits);
  return text.replaceAll("-", "\u2212");
}

function signed(value, decimals = 3) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : `${value > 0 ? "+" : "\u2212"}${text}`;
}

function share(count, total) {
  const percent = (100 * count) / total;
  if (percent === 0 || percent === 100) return `${percent} %`;
  return percent >= 10 ? `${percent.toFixed(0)} %` : percent >= 0.001 ? `${percent.toPrecision(2)} %` : "< 0.001 %";
}

const pageOf = (feature) =>
  `features-${String(Math.floor(feature / data.per_part)).padStart(3, "0")}.html#feature-${feature}`;

byId("help").addEventListener("click", () => byId("keys").showModal());

function onKeys(actions, leaveFilter) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open || event.target.matches("select")) return;
    if (event.target === byId("filter")) {
      if (!["Escape", "ArrowDown", "Enter"].includes(event.key)) return;
      leaveFilter(event.key === "Escape");
    } else if (Object.hasOwn(actions, event.key)) {
      if (actions[event.key](event) === false) return;
    } else if (event.key === "/") { byId("filter").focus(); byId("filter").select(); }
    else if (event.key === "?") byId("keys").showModal();
    else return;
    event.preventDefault();
  });
}
