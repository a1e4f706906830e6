// Draws the plots of a report (page.h): each is the table in its figure.
(function () {
  "use strict";
  const figures = [...document.querySelectorAll("figure[data-drawing]")];
  const root = document.documentElement;

  // What is not a number ("-") is a gap.
  function number(cell) {
    const v = parseFloat(cell.title || cell.textContent);
    return Number.isFinite(v) ? v : null;
  }

  function columnsOf(table) {
    const rows = [...table.tBodies[0].rows];
    return [...table.tHead.rows[0].cells].map((head, i) => ({
      name: head.textContent,
      values: rows.map((row) => number(row.cells[i])),
    }));
  }

  // Bins become steps: the edges are x, and the last value is held up to the last edge.
  function stepsOf([from, to, ...series]) {
    const last = (values) => values[values.length - 1];
    const held = (column) => ({ name: column.name, values: [...column.values, last(column.values)] });
    return [{ name: from.name, values: [...from.values, last(to.values)] }, ...series.map(held)];
  }

  const round = (v) => (v === null || v === undefined ? "–" : String(+v.toPrecision(5)));
  const wide = (values) => Math.max(3, ...(values || []).map((v) => String(v).length));

  function draw(figure) {
    const { drawing, x, y, diagonal } = figure.dataset;
    const style = getComputedStyle(root);
    const color = (name) => style.getPropertyValue(name).trim();
    let columns = columnsOf(figure.querySelector("details table"));
    if (drawing === "bins") columns = stepsOf(columns);
    const series = columns.slice(1).map((column, i) => ({
      label: column.name,
      stroke: color(`--c${i % 8}`),
      fill: drawing === "bins" ? color(`--c${i % 8}`) + "26" : undefined,
      width: 2,
      pxAlign: drawing === "bins" ? 1 : 0,
      paths: drawing === "bins" ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: drawing === "points", size: 7, fill: color("--paper") },
      value: (_, v) => round(v),
    }));
    if (diagonal !== undefined) {
      columns.push({ name: "y = x", values: columns[0].values });
      series.push({ label: "y = x", stroke: color("--soft"), dash: [5, 5], width: 1, points: { show: false }, value: (_, v) => round(v) });
    }
    const axis = (label) => ({
      label, labelFont: "12px system-ui, sans-serif", font: "12px system-ui, sans-serif", labelSize: 22,
      stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 },
    });
    if (figure.plot) figure.plot.destroy();
    figure.plot = new uPlot(
      {
        ...sizeOf(figure),
        scales: { x: { time: false } },
        axes: [{ ...axis(x), size: 34 }, { ...axis(y), size: (_, values) => 18 + 7 * wide(values) }],
        series: [{ label: x, value: (_, v) => round(v) }, ...series],
      },
      columns.map((column) => column.values),
      (plot, ready) => {
        figure.querySelector("figcaption").after(plot.root);
        ready();
      },
    );
  }

  // On paper two stand side by side.
  function sizeOf(figure) {
    const width = root.classList.contains("printing") ? 335 : Math.max(200, figure.clientWidth);
    return { width, height: Math.round(Math.min(320, Math.max(200, width * 0.55))) };
  }

  const drawAll = () => figures.forEach(draw);
  drawAll();
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.plot.width !== sizeOf(target).width) target.plot.setSize(sizeOf(target));
  });
  figures.forEach((figure) => resized.observe(figure));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // Paper is white.
  for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => {
      root.classList.toggle("printing", printing);
      drawAll();
    });
  }
})();
