"use strict";
// Draws every figure in the page's colours, again when the colours change, and in light colours on paper.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { responsive: true, displayModeBar: false, displaylogo: false };
  const plots = [...document.querySelectorAll(".plot")].map((place) => ({
    place,
    themes: JSON.parse(document.getElementById(`${place.id}-data`).textContent),
  }));

  const draw = (theme) => {
    for (const { place, themes } of plots) {
      const { data, layout } = structuredClone(themes[theme]);
      Plotly.react(place, data, layout, options);
    }
    document.documentElement.dataset.figures = `${plots.length} ${theme}`;
  };
  const onScreen = () => draw(dark.matches ? "dark" : "light");

  dark.addEventListener("change", onScreen);
  window.addEventListener("beforeprint", () => draw("light"));
  window.addEventListener("afterprint", onScreen);
  onScreen();
})();
