// Draws the charts of the reports from the JSON beside them, in the colours of the page, light or dark.
(() => {
  const TONES = { quiet: "--color-base-400", primary: "--accent", good: "--good", warn: "--warn", bad: "--bad", info: "--info" };
  const whole = new Intl.NumberFormat("en");
  const drawn = [];

  const tick = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 2 });
  const rate = (value) => `${(value * 100).toFixed(value && value < 0.01 ? 2 : 1)}%`;
  const words = (value, format) => (format === "rate" ? rate(value) : whole.format(Math.abs(value)));
  const faint = (colour, percent) => `color-mix(in oklab, ${colour} ${percent}%, transparent)`;

  // A canvas knows no CSS variables and no color-mix: let the browser work them out.
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const resolved = (canvas, colour) => {
    const sample = document.createElement("span");
    sample.style.color = colour;
    canvas.parentElement.append(sample);
    const found = getComputedStyle(sample).color;
    sample.remove();
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = found;
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = probe.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
  };

  // A value without neighbours makes no line: its point is all that shows it.
  const isAlone = (values, at) => (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null;

  const dataset = (canvas, series, stacked) => {
    const variable = `var(${TONES[series.tone]})`;
    const colour = resolved(canvas, variable);
    const bars = series.kind === "bar";
    return {
      type: bars ? "bar" : "line",
      label: series.label,
      data: series.values,
      borderColor: colour,
      backgroundColor: bars ? colour : resolved(canvas, faint(variable, 14)),
      fill: series.kind === "area",
      borderWidth: bars ? 0 : 2,
      borderDash: series.dashed ? [6, 5] : [],
      borderRadius: bars && !stacked ? 3 : 0,
      maxBarThickness: 36,
      categoryPercentage: 0.7,
      pointRadius: series.values.map((_, at) => (!series.dashed && (series.values.length <= 31 || isAlone(series.values, at)) ? 2.5 : 0)),
      pointHoverRadius: series.dashed ? 0 : 4,
      pointBackgroundColor: colour,
      tension: 0.3,
      // No curve below zero, and no line over days of which nothing can be said.
      cubicInterpolationMode: "monotone",
      spanGaps: false,
    };
  };

  const options = (canvas, chart) => {
    const text = resolved(canvas, "var(--muted)");
    const line = resolved(canvas, "var(--line)");
    const several = chart.series.length > 1;
    return {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: {
          stacked: chart.stacked,
          grid: { display: false },
          border: { color: line },
          ticks: { color: text, maxRotation: 0, autoSkipPadding: 24, callback(value) {
            const label = this.getLabelForValue(value);
            return label.length > 22 ? `${label.slice(0, 20)}…` : label;
          } },
        },
        y: {
          stacked: chart.stacked,
          beginAtZero: true,
          grid: { color: line },
          border: { display: false },
          ticks: { color: text, maxTicksLimit: 6, precision: chart.format === "rate" ? undefined : 0, callback: (value) => (chart.format === "rate" ? tick.format(value) : words(value, chart.format)) },
        },
      },
      plugins: {
        legend: { display: several, position: "bottom", labels: { color: text, boxWidth: 8, boxHeight: 8, usePointStyle: true, pointStyle: "circle", padding: 16 } },
        tooltip: {
          displayColors: several,
          padding: 10,
          callbacks: { label: (item) => `${several ? `${item.dataset.label}: ` : ""}${item.raw === null ? "–" : words(item.raw, chart.format)}` },
        },
      },
    };
  };

  const draw = () => {
    drawn.splice(0).forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) {
      const chart = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
      const datasets = chart.series.map((series) => dataset(canvas, series, chart.stacked));
      drawn.push(new Chart(canvas, { data: { labels: chart.labels, datasets }, options: options(canvas, chart) }));
    }
  };

  draw();
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
