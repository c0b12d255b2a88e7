// Pictures of numbers, drawn as SVG. Each says in words what it shows.

import { h, replace, s } from "./dom.js";
import { decimal, mark, markForm, number } from "./format.js";
import { timeOf } from "./ui.js";

const periods = {
  hour: { length: 3_600_000, step: 60_000, by: "minute" },
  day: { length: 86_400_000, step: 3_600_000, by: "hour" },
  week: { length: 7 * 86_400_000, step: 3_600_000, by: "hour" },
};

/** What is to be shown of the last hour, day or week: whole steps, the last of which is not over. */
export function period(name, to) {
  const { length, step, by } = periods[name];
  return { from: Math.floor((to - length) / step) * step + step, to, step, by };
}

/** The last hour of a webhook in twelve bars. */
export function sparkline({ succeeded, failed }) {
  const most = Math.max(1, ...succeeded.map((count, index) => count + failed[index]));
  const [ok, no] = [succeeded, failed].map((counts) => counts.reduce((sum, count) => sum + count, 0));
  const label = ok + no === 0 ? "Nothing in the last hour" : `Last hour: ${number(ok)} ok, ${number(no)} failed`;
  return s(
    "svg",
    { class: "spark", viewBox: "0 0 108 24", role: "img", "aria-label": label, preserveAspectRatio: "none" },
    s("title", {}, label),
    succeeded.map((count, index) => {
      const [x, good, bad] = [index * 9 + 1, (count / most) * 23, (failed[index] / most) * 23];
      return [
        count + failed[index] === 0 && s("rect", { class: "none", x, y: 22, width: 7, height: 2 }),
        count > 0 &&
        s("rect", { class: "ok", x, y: 24 - Math.max(2, good), width: 7, height: Math.max(2, good) }),
        failed[index] > 0 &&
        s("rect", { class: "no", x, y: 24 - good - Math.max(2, bad), width: 7, height: Math.max(2, bad) }),
      ];
    }),
  );
}

/**
 * Lines over time.
 *
 * - series: `[{name, kind: "a"|"b"|"c", values}]`, a value or undefined per step.
 * - from, step: milliseconds; `show(value)` writes a value.
 */
export function lines({ label, series, from, step, show = decimal }) {
  const [width, height, left, bottom] = [640, 176, 8, 20];
  const count = Math.max(2, series[0].values.length);
  const known = series.flatMap(({ values }) => values.filter((value) => value !== undefined));
  const most = niceAbove(Math.max(0, ...known));
  const x = (index) => left + ((width - left) * index) / (count - 1);
  const y = (value) => 12 + (height - bottom - 12) * (1 - value / most);
  const length = step * (count - 1);
  const summary = `${label}. ` + series.map(({ name, values }) => {
    const numbers = values.filter((value) => value !== undefined);
    return `${name}: ${
      numbers.length === 0 ? "nothing" : `now ${show(numbers.at(-1))}, at most ${show(Math.max(...numbers))}`
    }`;
  }).join("; ");
  const picture = s(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": summary,
      preserveAspectRatio: "none",
    },
    [0, 0.5, 1].map((part) =>
      s("line", { class: "grid-line", x1: left, x2: width, y1: y(most * part), y2: y(most * part) })
    ),
    series.map(({ kind, values }) =>
      runs(values).map((run) => {
        const points = run.map(([index, value]) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`);
        const [first, last] = [x(run[0][0]), x(run.at(-1)[0])];
        return run.length === 1 ? s("circle", { class: kind, cx: first, cy: y(run[0][1]), r: 2.5 }) : [
          s("polygon", {
            class: `${kind} area`,
            points: `${first},${y(0)} ${points.join(" ")} ${last},${y(0)}`,
          }),
          s("polyline", { class: kind, points: points.join(" ") }),
        ];
      })
    ),
  );
  const reading = h("span", { class: "muted" });
  const box = h(
    "figure",
    { class: "stack tight", style: undefined },
    h(
      "figcaption",
      { class: "row small" },
      h("strong", { class: "grow" }, label),
      reading,
      h("span", { class: "legend" }, series.map(({ name, kind }) => h("span", { class: kind }, name))),
    ),
    picture,
    h(
      "div",
      { class: "row small muted", "aria-hidden": "true" },
      h("span", { class: "grow" }, timeOf(from, markForm(length))),
      h("span", {}, `up to ${show(most)}`),
      h("span", { class: "grow number" }, timeOf(from + length, markForm(length))),
    ),
  );
  picture.addEventListener("pointermove", (event) => {
    const area = picture.getBoundingClientRect();
    const index = Math.max(
      0,
      Math.min(count - 1, Math.round(((event.clientX - area.left) / area.width) * (count - 1))),
    );
    replace(
      reading,
      `${mark(from + index * step, length)}: `,
      series.map(({ name, values }) => `${name} ${values[index] === undefined ? "–" : show(values[index])}`).join(
        ", ",
      ),
    );
  });
  picture.addEventListener("pointerleave", () => replace(reading));
  return box;
}

/** Values that stand next to each other, with their places. */
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === undefined) return;
    if (index > 0 && values[index - 1] !== undefined) found.at(-1).push([index, value]);
    else found.push([[index, value]]);
  });
  return found;
}

function niceAbove(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= value);
}

/** Spans of counts as the API gives them, one value per step with nothing left out. */
export function evenly(spans, from, to, step, read, nothing) {
  const values = new Array(Math.max(2, Math.ceil((to - from) / step))).fill(nothing);
  for (const span of spans) {
    const index = Math.floor((span.start - from) / step);
    if (index >= 0 && index < values.length) values[index] = read(span) ?? nothing;
  }
  return values;
}
