// Draws the charts of the report. What is drawn, the data says; this says only how.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const HEIGHT = 230;
  const PRINTED_WIDTH = 660;
  const STROKES = {
    solid: { width: 2, dash: [] },
    thin: { width: 1, dash: [] },
    dashed: { width: 2, dash: [7, 4] },
    dotted: { width: 1.5, dash: [2, 3] },
  };

  const colour = name => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const digits = value => Number(value.toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 6 });

  const inUnits = {
    milliseconds: ms => (ms >= 1000 ? `${digits(ms / 1000)} s` : `${digits(ms)} ms`),
    per_second: digits,
    pages: value => Math.round(value).toLocaleString("en"),
    processors: digits,
    bytes: value => {
      const unit = ["B", "KiB", "MiB", "GiB", "TiB"].find((_, power) => value < 1024 ** (power + 1)) ?? "TiB";
      return `${digits(value / 1024 ** ["B", "KiB", "MiB", "GiB", "TiB"].indexOf(unit))} ${unit}`;
    },
  };

  const clock = (seconds, longest) => {
    if (longest <= 120) return `${digits(seconds)} s`;
    const two = number => String(Math.floor(number)).padStart(2, "0");
    return longest < 3600
      ? `${Math.floor(seconds / 60)}:${two(seconds % 60)}`
      : `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
  };

  const percentile = place => `${Number(((1 - 10 ** -place) * 100).toFixed(Math.max(1, Math.ceil(place) - 1)))} %`;
  const PERCENTILE_PLACES = [Math.log10(2), 1, 2, 3, 4, 5, 6];

  // Calls `paint` for each phase and fault, with where it begins and how wide it is. Nothing is painted outside the axes.
  const eachMark = (plot, paint) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    data.marks.forEach((mark, index) => {
      const from = plot.valToPos(mark.from, "x", true);
      paint(mark, from, Math.max(plot.valToPos(mark.to, "x", true) - from, 2 * devicePixelRatio), index);
    });
    ctx.restore();
  };

  // Behind the lines.
  const drawMarks = plot => {
    const { ctx, bbox } = plot;
    eachMark(plot, (mark, from, width, index) => {
      ctx.fillStyle = mark.is_fault ? colour("fault") : index % 2 ? colour("phase") : "transparent";
      ctx.fillRect(from, bbox.top, width, bbox.height);
      if (!mark.is_fault) return;
      ctx.fillStyle = colour("fault-line");
      ctx.fillRect(from, bbox.top, devicePixelRatio, bbox.height);
    });
  };

  // Before the lines. A label that has no room is left out.
  const drawLabels = plot => {
    const { ctx, bbox } = plot;
    const pixel = devicePixelRatio;
    // Where the labels of faults end in each row. Faults may overlap, and their labels may not.
    const ends = [];
    const faultRow = (label, from) => {
      const free = ends.findIndex((end) => end <= from);
      const row = free < 0 ? ends.length : free;
      ends[row] = from + ctx.measureText(label).width + 10 * pixel;
      return 19 + 13 * row;
    };
    eachMark(plot, (mark, from, width) => {
      ctx.font = `${11 * pixel}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      const room = mark.is_fault ? bbox.left + bbox.width - from : width;
      if (ctx.measureText(mark.label).width + 10 * pixel > room) return;
      ctx.fillStyle = mark.is_fault ? colour("fault-line") : colour("soft");
      ctx.fillText(mark.label, from + 5 * pixel, bbox.top + (mark.is_fault ? faultRow(mark.label, from) : 4) * pixel);
    });
  };

  const swatch = line => {
    const { width, dash } = STROKES[line.stroke];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", "22");
    svg.setAttribute("height", "10");
    svg.setAttribute("aria-hidden", "true");
    const stroke = document.createElementNS("http://www.w3.org/2000/svg", "path");
    stroke.setAttribute("d", "M0 5h22");
    stroke.setAttribute("stroke-width", width + 0.5);
    stroke.setAttribute("stroke-dasharray", dash.join(" "));
    stroke.style.stroke = `var(--colour-${line.colour})`;
    svg.append(stroke);
    return svg;
  };

  // Buttons that show and hide lines, with the values under the cursor.
  const legend = (figure, chart, plot) => {
    const list = figure.querySelector(".legend");
    const values = chart.lines.map((line, index) => {
      const button = document.createElement("button");
      const value = document.createElement("span");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      value.className = "value";
      button.append(swatch(line), line.label, value);
      button.addEventListener("click", () => {
        const show = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(show));
        plot.setSeries(index + 1, { show });
      });
      const item = document.createElement("li");
      item.append(button);
      list.append(item);
      return value;
    });
    const format = inUnits[chart.unit];
    return at => values.forEach((value, index) => {
      const number = at == null ? null : chart.lines[index].values[at];
      value.textContent = at == null ? "" : number == null ? "–" : format(number);
    });
  };

  const axes = chart => {
    const shared = {
      stroke: () => colour("soft"),
      font: "11px system-ui, sans-serif",
      grid: { stroke: () => colour("line"), width: 1 },
      ticks: { stroke: () => colour("line"), width: 1, size: 4 },
    };
    const longest = chart.points.at(-1);
    const isTime = chart.axis === "time";
    const x = {
      ...shared,
      size: 26,
      gap: 4,
      space: isTime ? 70 : 60,
      ...(isTime
        ? { incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400] }
        : { splits: (_, __, from, to) => PERCENTILE_PLACES.filter(place => place >= from && place <= to) }),
      values: (_, places) => places.map(place => (isTime ? clock(place, longest) : percentile(place))),
    };
    const format = inUnits[chart.unit];
    const isPowerOfTen = value => Number.isInteger(Math.round(Math.log10(value) * 1e6) / 1e6);
    const filter = (_, places) => places.map(value => (!chart.logarithmic || isPowerOfTen(value) ? value : null));
    const y = {
      ...shared,
      grid: { ...shared.grid, filter },
      ticks: { ...shared.ticks, filter },
      filter,
      size: 62,
      gap: 4,
      space: 34,
      values: (_, places) => places.map(value => (value == null ? "" : format(value))),
    };
    if (chart.unit === "bytes") y.incrs = Array.from({ length: 40 }, (_, power) => 2 ** power);
    return [x, y];
  };

  const draw = chart => {
    const figure = document.getElementById(chart.id);
    const box = figure.querySelector(".plot");
    const isTime = chart.axis === "time";
    const step = chart.points.length > 1 ? chart.points[1] - chart.points[0] : 1;
    const drawn = chart.lines.map(line => line.values.findLastIndex(value => value != null));
    const end = isTime ? chart.points.at(-1) + step : chart.points[Math.max(...drawn, 1)];
    let show = () => {};
    const plot = new uPlot(
      {
        width: box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        padding: [6, 22, 0, 0],
        cursor: { sync: isTime ? { key: "time" } : undefined, points: { size: 7 }, drag: { x: isTime, y: false } },
        scales: {
          x: { time: false, range: (_, from, to) => (from > chart.points[0] || to < chart.points.at(-1) ? [from, to] : [0, end]) },
          y: chart.logarithmic
            ? { distr: 3, range: (_, from, to) => (from == null ? [1, 10] : uPlot.rangeLog(from, to, 10, true)) }
            : { range: (_, from, to) => (to > 0 ? [0, to * 1.2] : [0, 1]) },
        },
        axes: axes(chart),
        series: [
          {},
          ...chart.lines.map(line => ({
            label: line.label,
            stroke: () => colour(`colour-${line.colour}`),
            width: STROKES[line.stroke].width,
            dash: STROKES[line.stroke].dash,
            points: { show: chart.points.length < 3 },
          })),
        ],
        hooks: {
          drawClear: isTime ? [drawMarks] : [],
          draw: isTime ? [drawLabels] : [],
          setCursor: [plot => show(plot.cursor.left < 0 ? null : plot.cursor.idx)],
        },
      },
      [chart.points, ...chart.lines.map(line => line.values)],
      box,
    );
    show = legend(figure, chart, plot);
    new ResizeObserver(() => {
      if (!("print" in root.dataset) && box.clientWidth > 0 && box.clientWidth !== plot.width) {
        plot.setSize({ width: box.clientWidth, height: HEIGHT });
      }
    }).observe(box);
    return { plot, box };
  };

  const charts = data.charts.map(draw);

  // The table stands in `noscript` for who has no scripts; for all others it can be unfolded.
  const table = document.getElementById("table");
  const holder = document.createElement("div");
  holder.innerHTML = document.getElementById("table-source").textContent;
  holder.querySelector("p").remove();
  table.append(holder);
  table.hidden = false;

  // Colours are read when something is drawn.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach(({ plot }) => plot.redraw()));
  addEventListener("beforeprint", () => {
    root.dataset.print = "";
    charts.forEach(({ plot }) => plot.setSize({ width: PRINTED_WIDTH, height: HEIGHT }));
  });
  addEventListener("afterprint", () => {
    delete root.dataset.print;
    charts.forEach(({ plot, box }) => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
  });
  root.dataset.charts = String(charts.length);
})();
