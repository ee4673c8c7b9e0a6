// Maps and colours: what Python sends as bytes becomes pixels here, so that nothing waits for the kernel.

const MOST_DECODED = 512; // maps whose values are kept as numbers, the oldest are dropped first

const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Float32 values from bytes that need not lie on a multiple of four. */
function floatsOf(view) {
  const bytes = bytesOf(view);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** The maps of a board by name: `at(name, cursor)` gives one map with its values and its limits, or null. */
class MapStore {
  constructor(sent, axes) {
    this.axes = axes;
    this.named = {};
    this.decoded = new Map();
    for (const [name, maps] of Object.entries(sent)) {
      this.named[name] = { ...maps, values: bytesOf(maps.values), low: floatsOf(maps.low), high: floatsOf(maps.high) };
    }
  }

  at(name, cursor, own = false) {
    const maps = this.named[name];
    if (!maps) return null;
    let place = 0;
    for (const [position, axis] of maps.axes.entries()) {
      const value = (cursor[axis] ?? this.axes[axis].first) - this.axes[axis].first;
      if (!(value >= 0 && value < maps.shape[position])) return null;
      place = place * maps.shape[position] + value;
    }
    const key = `${name}/${place}/${own}`;
    if (this.decoded.has(key)) return this.decoded.get(key);
    const [rows, columns] = maps.shape.slice(-2);
    const [low, high] = [maps.low[place], maps.high[place]];
    const values = new Float32Array(rows * columns);
    const first = place * values.length;
    for (let i = 0; i < values.length; i++) values[i] = low + (maps.values[first + i] / 255) * (high - low);
    const limits = own || !maps.limits ? [low, high] : maps.limits;
    const map = { values, rows, columns, limits, unit: maps.unit, diverging: maps.diverging, key };
    if (this.decoded.size >= MOST_DECODED) this.decoded.delete(this.decoded.keys().next().value);
    this.decoded.set(key, map);
    return map;
  }

  /** The difference of two maps, symmetric around zero. */
  difference(first, second) {
    const values = first.values.map((value, i) => value - second.values[i]);
    const reach = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
    return { ...first, values, limits: [-reach, reach], diverging: true, key: `${first.key} - ${second.key}` };
  }
}

/** For each of `length` pixels the two cells that it lies between, and the weight of the second (bilinear, as torch). */
function between(cells, length) {
  const table = { low: new Int32Array(length), high: new Int32Array(length), weight: new Float32Array(length) };
  for (let i = 0; i < length; i++) {
    const place = Math.max(0, ((i + 0.5) * cells) / length - 0.5);
    table.low[i] = Math.min(cells - 1, Math.floor(place));
    table.high[i] = Math.min(cells - 1, table.low[i] + 1);
    table.weight[i] = place - table.low[i];
  }
  return table;
}

/** Paint a map on a canvas, over the grey image where one is given (one byte for each pixel). */
function paint(canvas, map, colours, grey, opacity = 0.75) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const out = pixels.data;
  const [x, y] = [between(map.columns, width), between(map.rows, height)];
  const [low, high] = map.limits;
  const scale = high > low ? 255 / (high - low) : 0;
  for (let row = 0, i = 0; row < height; row++) {
    const [above, below, share] = [y.low[row] * map.columns, y.high[row] * map.columns, y.weight[row]];
    for (let column = 0; column < width; column++, i++) {
      const [left, right, weight] = [x.low[column], x.high[column], x.weight[column]];
      const upper = map.values[above + left] * (1 - weight) + map.values[above + right] * weight;
      const lower = map.values[below + left] * (1 - weight) + map.values[below + right] * weight;
      const value = upper * (1 - share) + lower * share;
      const index = 3 * (scale ? Math.min(255, Math.max(0, Math.round((value - low) * scale))) : 128);
      const back = grey ? grey[i] * (1 - opacity) : 0;
      const front = grey ? opacity : 1;
      out[4 * i] = colours[index] * front + back;
      out[4 * i + 1] = colours[index + 1] * front + back;
      out[4 * i + 2] = colours[index + 2] * front + back;
      out[4 * i + 3] = 255;
    }
  }
  context.putImageData(pixels, 0, 0);
}

/** Three decimals, or as many as it takes to show a small number. */
function shortNumber(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  if (size >= 0.01 || value === 0) return value.toFixed(3);
  return size >= 1e-5 ? value.toFixed(5) : value.toExponential(0);
}

/** An element with attributes, texts and children; texts are never read as HTML. */
function make(tag, attributes = {}, ...children) {
  const name = ["svg", "path", "g", "line", "circle", "rect", "text", "polyline", "title"].includes(tag);
  const node = name ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A colour scale with its ends and its unit. */
function colourBar(board, map) {
  const colours = board.colours(map.diverging);
  const stops = Array.from({ length: 9 }, (_, i) => 3 * Math.round((i * 255) / 8));
  const gradient = stops.map((i) => `rgb(${colours[i]},${colours[i + 1]},${colours[i + 2]})`).join(",");
  return make(
    "div",
    { class: "zsris-bar" },
    make("div", { style: `background:linear-gradient(to right,${gradient})` }),
    make(
      "div",
      {},
      make("span", { class: "zsris-low" }, shortNumber(map.limits[0])),
      make("span", {}, map.unit),
      make("span", { class: "zsris-high" }, shortNumber(map.limits[1])),
    ),
  );
}
