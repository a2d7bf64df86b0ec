"use strict";
// Where things stand: a column for each token, a row for each layer, and within a cell the most influential node first.
(() => {
  const A = window.attribution;
  const PITCH = 16, PAD = 18, LINE = 20, LETTER = 6.6;
  const ROWS = { token: 0, position: 0 };
  const widthOf = (text, most) => Math.min(most, 16 + LETTER * text.length);

  const top = Math.max(...A.nodes.filter((node) => node.kind !== "logit").map((node) => node.layer), -1) + 2;
  const rowOf = (node) => (node.kind === "logit" ? top : node.kind === "bias" ? 0 : ROWS[node.kind] ?? node.layer + 1);
  const hasBias = A.nodes.some((node) => node.kind === "bias");
  const columnOf = (node) => (node.kind === "bias" ? 0 : node.position + (hasBias ? 1 : 0));
  const ORDER = ["feature", "other", "bos", "token", "position", "error", "bias", "logit"];

  const cells = new Map();
  for (const node of A.nodes) {
    const key = `${rowOf(node)} ${columnOf(node)}`;
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(node);
  }
  for (const cell of cells.values()) {
    cell.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || (a.influence ?? 2) - (b.influence ?? 2));
  }
  const headings = [...(hasBias ? ["biases"] : []), ...A.tokens.map((token) => A.words.alone(token))];
  const cellAt = (row, column) => cells.get(`${row} ${column}`) ?? [];
  const pillText = (node) => (A.isDirection(node) ? A.words.plainName(node) : A.words.alone(A.words.output(node)?.[1] ?? node.label));
  const pillWidth = (node) => widthOf(pillText(node), 150) + (A.isDirection(node) ? 4 : 34);

  // Outputs of a single column may spread to the left of it, where nothing else stands.
  const asked = headings.map((_, column) => column).filter((column) => cellAt(top, column).length);
  const widest = Math.max(0, ...A.nodes.filter((node) => node.kind === "logit").map(pillWidth)) + 8;
  const abreast = (column, width) => (asked.length > 1 ? 1 : Math.max(1, Math.min(6, Math.floor((0.9 * width) / widest - 0.5), cellAt(top, column).length)));

  function columnWidths(available) {
    const least = headings.map((text, column) => {
      const pills = cellAt(top, column).map(pillWidth);
      return Math.max(44, widthOf(text, 110), ...pills.map((width) => width + 10));
    });
    const most = headings.map((_, column) => Math.max(0, ...Array.from({ length: top }, (_, row) => cellAt(row, column).length)));
    const per = least.map((width) => Math.max(1, Math.floor((width - PAD) / PITCH)));
    const width = (column) => Math.max(least[column], per[column] * PITCH + PAD);
    const lines = (column) => Math.ceil(most[column] / per[column]);
    let total = headings.reduce((sum, _, column) => sum + width(column), 0);
    for (;;) {
      const widest = headings.reduce((best, _, column) => (lines(column) > lines(best) ? column : best), 0);
      if (lines(widest) <= 2 || (total + PITCH > available && lines(widest) <= 5)) break;
      total -= width(widest);
      per[widest] += 1;
      total += width(widest);
    }
    return { widths: filled(headings.map((_, column) => width(column)), available), per };
  }

  // The last columns, as many as are seen at once, fill the view: scrolled to the end, it starts where a column does.
  function filled(widths, available) {
    let first = widths.length, seen = 0;
    while (first && seen + widths[first - 1] <= available) seen += widths[--first];
    if (!first && hasBias && widths.length > 1) first = 1;
    const spare = Math.max(0, available - seen) / Math.max(1, widths.length - first);
    return widths.map((width, column) => width + (column < first ? 0 : spare));
  }

  // Rows share what height is left, none growing beyond what an eye can bridge.
  function spread(heights, tall) {
    const spare = Math.max(0, tall - heights.reduce((sum, one) => sum + one, 0)) / Math.max(1, heights.length - 1);
    return heights.map((one, row) => (row === top ? one : one + Math.min(spare, 40)));
  }

  function place(available, tall) {
    const { widths, per } = columnWidths(available);
    const left = [];
    widths.reduce((sum, width, column) => { left[column] = sum; return sum + width; }, 0);
    const width = left.at(-1) + widths.at(-1);
    const heights = spread(Array.from({ length: top + 1 }, (_, row) => {
      const counts = headings.map((_, column) => Math.ceil(cellAt(row, column).length / (row === top ? abreast(column, width) : per[column])));
      const most = Math.max(0, ...counts);
      return row === top ? most * LINE + 14 : Math.max(22, most * PITCH + 14);
    }), tall);
    const height = heights.reduce((sum, one) => sum + one, 0);
    const upper = [];
    heights.reduce((sum, one, row) => { upper[row] = height - sum - one; return sum + one; }, 0);
    for (const [key, cell] of cells) {
      const [row, column] = key.split(" ").map(Number);
      const middle = left[column] + widths[column] / 2;
      if (row === top) {
        placeOutputs(cell, middle, upper[row] + 7, abreast(column, width), width);
        continue;
      }
      const nLines = Math.ceil(cell.length / per[column]), perLine = Math.ceil(cell.length / nLines);
      cell.forEach((node, at) => {
        const line = Math.floor(at / perLine), inLine = Math.min(perLine, cell.length - line * perLine);
        Object.assign(node, {
          x: middle + (at % perLine - (inLine - 1) / 2) * PITCH,
          y: upper[row] + heights[row] / 2 + (line - (nLines - 1) / 2) * PITCH,
          row, width: 0,
        });
      });
    }
    return { width, height, left, widths, upper, heights, headings, hasBias, rows: Array.from({ length: top + 1 }, (_, row) => rowName(row)) };
  }

  function placeOutputs(cell, middle, upper, most, width) {
    const nLines = Math.ceil(cell.length / most), perLine = Math.ceil(cell.length / nLines);
    cell.forEach((node, at) => {
      const line = Math.floor(at / perLine), inLine = Math.min(perLine, cell.length - line * perLine);
      const isUpper = nLines > 1 && line % 2 === 0;  // lines to it pass between those below
      const right = Math.min(middle + (widest * inLine) / 2, width - 2) - (isUpper ? widest / 2 : 0);
      Object.assign(node, { x: right - widest * (inLine - 0.5 - (at % perLine)), y: upper + LINE * (line + 0.5), row: top, width: pillWidth(node) });
    });
  }

  const rowName = (row) => (row === 0 ? "tokens" : row === top ? "outputs" : `layer ${row - 1}`);
  const curve = (a, b) => {
    const [start, end] = [a.y - (a.height ?? 0) / 2, b.y + (b.kind === "logit" ? 9 : 0) + (b.height ?? 0) / 2];
    const middle = (start + end) / 2;
    return `M${a.x.toFixed(1)} ${start.toFixed(1)}C${a.x.toFixed(1)} ${middle.toFixed(1)} ${b.x.toFixed(1)} ${middle.toFixed(1)} ${b.x.toFixed(1)} ${end.toFixed(1)}`;
  };

  A.layout = { place, curve, pillText, rowOf };
})();
