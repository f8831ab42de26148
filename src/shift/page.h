// Style sheet and script of the HTML report. They are the same for every sweep and load nothing from the network.
#pragma once

#include <string_view>

namespace linn::shift {

inline constexpr std::string_view page_style = R"css(
:root { color-scheme: light; --ink: #212529; --grey: #6c757d; --faint: #dee2e6; --good: #0a7d5a; --bad: #b3261e; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.source { color: var(--grey); margin-top: .2rem; overflow-wrap: anywhere; }
.verdict { font-size: 1.2rem; border-left: 4px solid var(--ink); padding-left: .8rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; border-bottom: 1px solid var(--faint); text-align: right; vertical-align: bottom; }
th:first-child, td:first-child, td.text { text-align: left; }
.scroll, figure { overflow-x: auto; margin: 0; }
img { max-width: 100%; }
.lab { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
canvas { image-rendering: pixelated; border: 1px solid var(--faint); touch-action: none; }
canvas:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
label { display: block; margin: .3rem 0; }
input[type=range] { width: 14rem; max-width: 100%; vertical-align: middle; }
button { font: inherit; padding: .2rem .8rem; margin: .2rem .2rem .2rem 0; }
button[aria-pressed=true] { background: var(--ink); color: #fff; }
#status { font-size: 1.1rem; min-height: 3.2em; }
.good { color: var(--good); font-weight: bold; }
.bad { color: var(--bad); font-weight: bold; }
)css";

inline constexpr std::string_view page_script = R"js(
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const down = byId("down"), right = byId("right"), picture = byId("picture"), map = byId("map"), statusLine = byId("status");
  const side = 2 * data.radius + 1, cell = Math.max(3, Math.floor(280 / side));
  let example = 0, timer = null;
  const bytes = data.examples.map((e) => Uint8Array.from(atob(e.pixels), (c) => c.charCodeAt(0)));
  const wrap = (v, n) => ((v % n) + n) % n;
  const classAt = (e, dy, dx) => e.predicted[(dy + data.radius) * side + dx + data.radius];

  function pixel(e, raw, y, x, c) {
    if (data.circular) { y = wrap(y, data.height); x = wrap(x, data.width); }
    y -= data.top; x -= data.left;
    if (y < 0 || x < 0 || y >= e.height || x >= e.width) return e.fill[e.channels === 3 ? c : 0];
    return raw[(y * e.width + x) * e.channels + (e.channels === 3 ? c : 0)];
  }
  function drawPicture(e, dy, dx) {
    const context = picture.getContext("2d"), image = context.createImageData(data.width, data.height);
    for (let y = 0; y < data.height; ++y)
      for (let x = 0; x < data.width; ++x)
        for (let c = 0; c < 4; ++c)
          image.data[(y * data.width + x) * 4 + c] = c === 3 ? 255 : pixel(e, bytes[example], y - dy, x - dx, c);
    context.putImageData(image, 0, 0);
  }
  function drawMap(e, dy, dx) {
    const context = map.getContext("2d"), inPlace = classAt(e, 0, 0);
    for (let y = 0; y < side; ++y)
      for (let x = 0; x < side; ++x) {
        const predicted = e.predicted[y * side + x];
        context.fillStyle = predicted === inPlace ? "#cfe8df" : "#f3b4ae";
        context.fillRect(x * cell, y * cell, cell, cell);
        if (cell < 14) continue;
        context.fillStyle = "#212529";
        context.font = Math.min(16, cell - 2) + "px sans-serif";
        context.textAlign = "center"; context.textBaseline = "middle";
        context.fillText(predicted, (x + .5) * cell, (y + .55) * cell);
      }
    context.lineWidth = 3; context.strokeStyle = "#212529";
    context.strokeRect((dx + data.radius) * cell + 1.5, (dy + data.radius) * cell + 1.5, cell - 3, cell - 3);
  }
  function show() {
    const e = data.examples[example], dy = Number(down.value), dx = Number(right.value);
    const predicted = classAt(e, dy, dx), inPlace = classAt(e, 0, 0);
    drawPicture(e, dy, dx);
    drawMap(e, dy, dx);
    byId("down-value").textContent = dy;
    byId("right-value").textContent = dx;
    const good = e.label === null ? predicted === inPlace : predicted === e.label;
    statusLine.textContent = "";
    statusLine.append("Down " + dy + ", right " + dx + ": the network says ");
    const answer = document.createElement("span");
    answer.className = good ? "good" : "bad";
    answer.textContent = predicted + (e.label === null ? (predicted === inPlace ? ", as in place" : ", not " + inPlace + " as in place") : good ? ", which is right" : ", which is wrong: it is " + e.label);
    statusLine.append(answer, ".");
    return predicted !== inPlace;
  }
  function stop() { clearInterval(timer); timer = null; byId("slide").textContent = "Slide until the class changes"; }
  function moveTo(dy, dx) {
    down.value = Math.max(-data.radius, Math.min(data.radius, dy));
    right.value = Math.max(-data.radius, Math.min(data.radius, dx));
    return show();
  }
  function slide() {
    if (timer !== null) return stop();
    const steps = [];
    for (let dy = -data.radius; dy <= data.radius; ++dy)
      for (let dx = -data.radius; dx <= data.radius; ++dx) steps.push([dy, dx]);
    steps.sort((a, b) => a[0] * a[0] + a[1] * a[1] - b[0] * b[0] - b[1] * b[1] || a[0] - b[0] || a[1] - b[1]);
    let at = 0;
    moveTo(0, 0);
    byId("slide").textContent = "Stop";
    timer = setInterval(() => {
      if (++at >= steps.length) { stop(); statusLine.append(" It stayed the same at every shift."); return; }
      if (moveTo(steps[at][0], steps[at][1])) stop();
    }, 160);
  }
  function keys(event) {
    const direction = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Home") moveTo(0, 0);
    else if (direction) moveTo(Number(down.value) + direction[0], Number(right.value) + direction[1]);
    else return;
    stop();
    event.preventDefault();
  }
  function point(event) {
    stop();
    const box = map.getBoundingClientRect();
    moveTo(Math.floor((event.clientY - box.top) / box.height * side) - data.radius, Math.floor((event.clientX - box.left) / box.width * side) - data.radius);
  }

  picture.width = data.width; picture.height = data.height;
  map.width = map.height = cell * side;
  data.examples.forEach((e, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Image " + e.index;
    button.setAttribute("aria-pressed", i === 0);
    button.addEventListener("click", () => {
      stop();
      example = i;
      byId("examples").childNodes.forEach((other) => other.setAttribute("aria-pressed", other === button));
      moveTo(0, 0);
    });
    byId("examples").append(button);
  });
  for (const input of [down, right]) input.addEventListener("input", () => { stop(); show(); });
  for (const canvas of [picture, map]) canvas.addEventListener("keydown", keys);
  map.addEventListener("pointerdown", point);
  map.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  byId("slide").addEventListener("click", slide);
  byId("lab").hidden = false;
  show();
})();
)js";

}  // namespace linn::shift
