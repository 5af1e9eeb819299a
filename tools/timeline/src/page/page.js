// SPDX-License-Identifier: GPL-2.0
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const [chart, axis, space, tip, status, search, trouble, details, empty] =
  ["chart", "axis", "space", "tip", "status", "search", "trouble", "details", "empty"].map((id) => document.getElementById(id));

const ROW = 20, BAR = 17, EDGE = 4, GAP = 3, HEADING = 24, RIGHT = 14, CHARACTER = 7.23;
const LEAST = 10; // microseconds that fill the whole width
const length = Math.max(data.end - data.begin, 1);

// The part of the log that is shown, its lanes, and the chosen bar: its lane and its number in it.
let from = data.begin, span = length, lanes = [], total = 0, chosen = null;

// --- making elements ---------------------------------------------------------------------------

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function list(pairs) {
  const dl = document.createElement("dl");
  for (const [key, value] of pairs) {
    const [div, dt, dd] = ["div", "dt", "dd"].map((name) => document.createElement(name));
    dt.textContent = key;
    dd.textContent = value;
    div.append(dt, dd);
    dl.append(div);
  }
  return dl;
}

// --- where things are --------------------------------------------------------------------------

const width = () => chart.clientWidth;
// The names of the lanes leave most of a narrow screen to the bars.
const gutter = () => Math.min(220, Math.round(width() * 0.32));
const scale = () => Math.max(width() - gutter() - RIGHT, 50) / span;
const x = (time) => gutter() + (time - from) * scale();
const place = (lane, [, row, size]) => {
  const top = lane.top + row * ROW + (ROW - BAR) / 2;
  if (size === "above") return [top - 1, EDGE - 1];
  if (size === "below") return [top + BAR - EDGE, EDGE];
  return [top, BAR];
};

// The place of each bar in the lane of its device, and in that of its task.
function places() {
  const [devices, tasks] = [new Map(), new Map()];
  for (const lane of lanes)
    for (const placed of lane.bars) (lane.of === "devices" ? devices : tasks).set(placed[0], place(lane, placed));
  return [devices, tasks];
}

/** Chooses the lanes that match the search, and lays them out. */
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (lane) => words.every((word) => lane.text.includes(word)) && (!trouble.checked || lane.trouble);
  lanes = data.lanes.filter(matches);
  total = 0;
  let of = null;
  for (const lane of lanes) {
    lane.heading = lane.of !== of;
    of = lane.of;
    total += lane.heading ? HEADING : 0;
    lane.top = total;
    total += lane.rows * ROW + GAP;
  }
  space.style.height = `${total}px`;
  empty.hidden = lanes.length > 0;
  empty.textContent = data.lanes.length ? "No lane has all of that. Esc in the search shows all lanes again." : data.nothing;
  chart.style.height = `${Math.max(total + 4, 48)}px`;
  if (chosen && !lanes.includes(chosen[0])) choose(null);
  draw();
}

// --- drawing -----------------------------------------------------------------------------------

function ticks() {
  const least = span / Math.max(2, (width() - gutter()) / 110);
  let step = 1;
  for (let power = 1; step < least; power *= 10) step = [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= least) ?? step;
  const [unit, name] = step >= 1e6 ? [1e6, "s"] : step >= 1e3 ? [1e3, "ms"] : [1, "µs"];
  const first = Math.ceil((from - data.begin) / step) * step;
  const all = [];
  for (let time = first; time <= from - data.begin + span; time += step)
    all.push([x(data.begin + time), `${(time / unit).toLocaleString("en", { useGrouping: false })} ${name}`]);
  return all;
}

function bar(lane, placed) {
  const [at, , size, labels] = placed;
  const number = lane.bars.indexOf(placed);
  const { begin, end, class: looks } = data.bars[at];
  const [left, right] = [Math.max(x(begin), gutter() - 20), Math.min(x(end), width() + 20)];
  if (right < gutter() - 1 || left > width()) return [];
  const [y, height] = place(lane, placed);
  const wide = Math.max(right - left, 1);
  const is = chosen && chosen[0] === lane && chosen[1] === number;
  const elements = [svg("rect", { class: `bar ${looks}${is ? " chosen" : ""}`, x: left, y, width: wide, height, "data-lane": lanes.indexOf(lane), "data-bar": number })];
  const start = Math.max(left, gutter());
  const write = (at, room) => {
    const label = size === "full" && labels.find((label) => label.length * CHARACTER + 7 <= room);
    if (label) elements.push(svg("text", { class: "on", x: at, y: y + 11.2, "pointer-events": "none" }, label));
    return label;
  };
  // The label of a failed bar that is too narrow stands beside it, before the next bar.
  if (!write(start + 4, left + wide - start) && looks.includes("failed")) {
    const next = lane.bars.slice(number + 1).find(([, row, next]) => row === placed[1] && next === "full");
    write(left + wide + 3, (next ? x(data.bars[next[0]].begin) : width()) - left - wide);
  }
  return elements;
}

function drawLane(lane) {
  const group = svg("g", {});
  const inner = svg("g", { "clip-path": "url(#plot)" });
  if (lane.heading) {
    group.append(svg("text", { class: "heading", x: 8, y: lane.top - 7 }, lane.of));
    group.append(svg("line", { class: "edge", x1: 0, x2: width(), y1: lane.top - 2, y2: lane.top - 2 }));
  }
  if (chosen && chosen[0] === lane) group.append(svg("rect", { class: "here", x: 0, y: lane.top, width: width(), height: lane.rows * ROW }));
  const room = Math.floor((gutter() - 16) / CHARACTER);
  const name = lane.name.length > room ? `${lane.name.slice(0, room - 6)}…${lane.name.slice(-5)}` : lane.name;
  group.append(svg("text", { x: 8, y: lane.top + 14 }, name, svg("title", {}, lane.name)));
  const last = (placed) => placed[2] === "below";
  for (const placed of [...lane.bars].sort((a, b) => last(a) - last(b))) inner.append(...bar(lane, placed));
  for (const [time, text] of lane.marks) {
    const left = x(time);
    if (left < gutter() - 5 || left > width() + 5) continue;
    inner.append(svg("path", { class: "mark", d: `M${left} ${lane.top + lane.rows * ROW - 1}l-2.5 4h5z` }, svg("title", {}, text)));
  }
  group.append(inner);
  return group;
}

function drawWaits() {
  const group = svg("g", { "clip-path": "url(#plot)" });
  const [devices, tasks] = places();
  data.waits.forEach((wait, at) => {
    const waiter = tasks.get(wait.bar);
    if (!waiter) return;
    const [top, height] = waiter;
    const inferred = wait.inferred ? " inferred" : "";
    const [left, right] = [Math.max(x(wait.begin), gutter() - 20), Math.min(x(wait.end), width() + 20)];
    if (right > left) group.append(svg("rect", { class: `wait${inferred}`, x: left, y: top + height - EDGE, width: Math.max(right - left, 1), height: EDGE, "data-wait": at }));
    wait.on.forEach((probe, number) => {
      const last = number === wait.on.length - 1;
      const device = devices.get(probe);
      if (!device || (!last && wait.on.length > 12)) return;
      const y = device[0] + device[1] / 2;
      const to = y > top ? top + height : top;
      const path = svg("path", { class: `arrow${last ? "" : " lesser"}${inferred}`, d: `M${x(data.bars[probe].end)} ${y}L${x(wait.end)} ${to}`, "data-wait": at });
      if (last) path.setAttribute("marker-end", "url(#head)");
      group.append(path);
    });
  });
  return group;
}

/** Draws what is in view, or all lanes for paper. */
function draw(all = false) {
  const top = all ? 0 : chart.scrollTop, height = all ? total : chart.clientHeight;
  const picture = svg("svg", { viewBox: `0 ${top} ${width()} ${height}`, width: width(), height });
  picture.style.top = `${top}px`;
  picture.append(svg("defs", {}, svg("clipPath", { id: "plot" }, svg("rect", { x: gutter() - 2, y: 0, width: Math.max(width() - gutter(), 1), height: Math.max(total, 1) }))));
  const rows = data.parts.length ? 36 : 20;
  axis.style.height = `${rows}px`;
  const times = svg("svg", { width: width(), height: rows, viewBox: `0 0 ${width()} ${rows}` });
  for (const [left, label] of ticks()) {
    picture.append(svg("line", { class: "grid", x1: left, x2: left, y1: 0, y2: total }));
    times.append(svg("text", { class: "note middle", x: left, y: rows - 6 }, label));
  }
  data.parts.forEach(([begin, name], at) => {
    // A part that began before what is shown is named at the left edge.
    const end = data.parts[at + 1] ? x(data.parts[at + 1][0]) : width();
    const left = Math.max(x(begin), gutter());
    if (end < left || left > width()) return;
    if (x(begin) >= gutter()) picture.append(svg("line", { class: "part", x1: left, x2: left, y1: 0, y2: total }));
    times.append(svg("text", { class: "name", x: left + 4, y: 13 }, name.slice(0, Math.max((end - left - 6) / CHARACTER, 0)), svg("title", {}, name)));
  });
  const near = (lane) => lane.top - HEADING < top + height && lane.top + lane.rows * ROW > top;
  picture.append(...lanes.filter(near).map(drawLane), drawWaits());
  chart.querySelector("svg")?.remove();
  chart.append(picture);
  axis.replaceChildren(times);
  const ms = (time) => ((time - data.begin) / 1000).toFixed(3);
  status.textContent = `${lanes.length} of ${data.lanes.length} lanes, ${ms(from)} to ${ms(from + span)} ms`;
}

// --- moving about ------------------------------------------------------------------------------

function show(begin, wanted) {
  span = Math.min(Math.max(wanted, LEAST), length);
  from = Math.min(Math.max(begin, data.begin), data.begin + length - span);
  draw();
}

function zoom(factor, around = from + span / 2) {
  const wanted = Math.min(Math.max(span * factor, LEAST), length);
  show(around - ((around - from) * wanted) / span, wanted);
}

const pan = (part) => show(from + span * part, span);
const timeAt = (event) => from + (event.clientX - chart.getBoundingClientRect().left - gutter()) / scale();

/** Chooses the bar of this number in a lane, and brings it into view. */
function choose(lane, number = 0) {
  chosen = lane && lane.bars.length ? [lane, number] : null;
  const at = chosen ? lane.bars[number][0] : null;
  details.replaceChildren(chosen ? list(data.bars[at].details) : "");
  if (chosen) {
    const { begin, end } = data.bars[at];
    if (end < from || begin > from + span) from = Math.min(Math.max(begin - span / 10, data.begin), data.begin + length - span);
    if (lane.top < chart.scrollTop) chart.scrollTop = lane.top - HEADING;
    else if (lane.top + lane.rows * ROW > chart.scrollTop + chart.clientHeight) chart.scrollTop = lane.top + lane.rows * ROW - chart.clientHeight + GAP;
  }
  draw();
}

function step(sideways, down) {
  if (!lanes.length) return;
  if (!chosen) return choose(lanes[0]);
  const [lane, number] = chosen;
  if (sideways) return choose(lane, Math.min(Math.max(number + sideways, 0), lane.bars.length - 1));
  // To the bar in the next lane that begins nearest.
  const time = data.bars[lane.bars[number][0]].begin;
  let at = lanes.indexOf(lane) + down;
  while (lanes[at] && !lanes[at].bars.length) at += down;
  if (!lanes[at]) return;
  const distance = lanes[at].bars.map(([bar]) => Math.abs(data.bars[bar].begin - time));
  choose(lanes[at], distance.indexOf(Math.min(...distance)));
}

function zoomTo(begin, end) {
  const room = Math.max(end - begin, LEAST) * 0.1;
  show(begin - room, end - begin + 2 * room);
}

const keys = {
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show(data.begin, length),
  a: () => pan(-0.25), d: () => pan(0.25), Home: () => show(data.begin, span), End: () => show(data.end - span, span),
  ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
  Escape: () => choose(null),
  Enter: () => { if (chosen) { const { begin, end } = data.bars[chosen[0].bars[chosen[1]][0]]; zoomTo(begin, end); } },
};

// The keys work wherever the focus is, but where they have a meaning of their own.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
  if (event.key === "Enter" && event.target.closest("button")) return;
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { search.value = ""; filter(); chart.focus(); }
});
for (const [id, key] of [["in", "+"], ["out", "-"], ["fit", "0"], ["left", "a"], ["right", "d"]])
  document.getElementById(id).addEventListener("click", () => keys[key]());

function wheel(event) {
  if (event.ctrlKey || event.metaKey || event.currentTarget === axis) {
    event.preventDefault();
    zoom(Math.exp(event.deltaY / 400), timeAt(event));
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    pan(event.deltaX / width());
  }
}
chart.addEventListener("wheel", wheel, { passive: false });
axis.addEventListener("wheel", wheel, { passive: false });

// Dragging moves, a click chooses.
let drag = null;
function down(event) {
  if (event.button === 0 && event.target.closest("svg")) drag = { x: event.clientX, from, moved: false };
}
chart.addEventListener("pointerdown", down);
axis.addEventListener("pointerdown", down);
window.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const moved = event.clientX - drag.x;
  drag.moved ||= Math.abs(moved) > 3;
  if (drag.moved) { tip.hidden = true; show(drag.from - moved / scale(), span); }
});
window.addEventListener("pointerup", (event) => {
  const clicked = drag && !drag.moved && event.target.closest?.("[data-bar]");
  drag = null;
  if (clicked) choose(lanes[clicked.dataset.lane], Number(clicked.dataset.bar));
});

// --- the tip, and the list of waits ------------------------------------------------------------

chart.addEventListener("pointermove", (event) => {
  const over = event.target.closest("[data-bar], [data-wait]");
  tip.hidden = !over || Boolean(drag?.moved);
  if (tip.hidden) return;
  const { lane, bar, wait } = over.dataset;
  tip.replaceChildren(list(wait ? data.waits[wait].details : data.bars[lanes[lane].bars[bar][0]].details));
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18}px`;
});
chart.addEventListener("pointerleave", () => { tip.hidden = true; });

function listWaits() {
  const body = document.querySelector("#waits tbody");
  document.getElementById("waits").hidden = !data.waits.length;
  for (const wait of data.waits) {
    const row = body.insertRow();
    const known = Object.fromEntries(wait.details);
    const button = document.createElement("button");
    button.textContent = known.what;
    button.addEventListener("click", () => {
      search.value = "";
      trouble.checked = false;
      filter();
      const lane = lanes.find((lane) => lane.of !== "devices" && lane.bars.some(([bar]) => bar === wait.bar));
      if (lane) choose(lane, lane.bars.findIndex(([bar]) => bar === wait.bar));
      zoomTo(wait.begin, wait.end);
      chart.focus();
    });
    row.insertCell().append(button);
    for (const [key, of] of [["waits for", "for"], ["through", "through"], ["begin", "from"], ["duration", "ms"], ["evidence", ""]]) {
      const cell = row.insertCell();
      cell.textContent = (known[key] ?? "recorded").replace(/ ms$/, "");
      cell.dataset.of = of;
    }
  }
}

for (const lane of data.lanes) {
  const bars = lane.bars.map(([bar]) => data.bars[bar]);
  lane.text = [lane.name, ...bars.flatMap((bar) => bar.details.map(([, value]) => value))].join(" ").toLowerCase();
  lane.trouble = bars.some((bar) => / (failed|open)/.test(bar.class));
}
search.addEventListener("input", filter);
trouble.addEventListener("change", filter);
chart.addEventListener("scroll", () => draw());
new ResizeObserver(() => draw()).observe(chart);
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw());
listWaits();
filter();
