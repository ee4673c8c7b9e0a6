// Sliders, notes and charts.

const GREY = "#888";
const textAt = (x, y, anchor, text, bold) =>
  make("text", { x, y, "text-anchor": anchor, "font-weight": bold ? "bold" : null, fill: "currentColor" }, text);

/** A control for one axis: a range input, which answers to arrow keys, Home and End. */
class SliderPanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec });
    const axis = board.axes[spec.axis];
    this.input = make("input", {
      type: "range",
      min: axis.first,
      max: axis.first + axis.names.length - 1,
      step: 1,
      "data-axis": spec.axis,
      oninput: () => board.move({ [spec.axis]: Number(this.input.value) }),
    });
    this.output = make("output");
    this.node = make("label", { class: "zsris-slider" }, make("span", {}, axis.label), this.input, this.output);
  }

  update() {
    const [value, axis] = [this.board.now[this.spec.axis], this.board.axes[this.spec.axis]];
    if (Number(this.input.value) !== value) this.input.value = value;
    this.output.textContent = axis.names[value - axis.first];
    this.input.setAttribute("aria-valuetext", this.output.textContent);
  }
}

/** A line of text. */
class NotePanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec });
    this.node = make("div", { class: "zsris-note", "aria-live": "polite" });
  }

  update() {
    const { axis, texts } = this.spec;
    const text = texts[axis ? this.board.now[axis] - this.board.axes[axis].first : 0] ?? "";
    if (this.node.textContent !== text) this.node.textContent = text;
  }
}

/** Lines over an axis, with a cursor that a click moves. */
class LinesPanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec });
    const axis = board.axes[spec.axis];
    const count = axis.names.length;
    const [width, left, right, low, high] = [620, 44, 608, 160, 26];
    const step = (right - left) / count;
    this.x = (value) => left + (value - axis.first + 0.5) * step;
    const y = (value) => low - ((low - high) * Math.min(Math.max(value, 0), spec.top)) / spec.top;
    const parts = [textAt(left + (right - left) / 2, low + 30, "middle", axis.label)];
    for (const share of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
      const height = y(share * spec.top);
      parts.push(make("line", { x1: left, x2: right, y1: height, y2: height, stroke: GREY, "stroke-width": 0.4 }));
      parts.push(textAt(left - 6, height + 4, "end", (share * spec.top).toFixed(2)));
    }
    for (let i = 0; i < count; i++) parts.push(textAt(this.x(axis.first + i), low + 14, "middle", `${axis.first + i}`));
    this.cursor = make("line", { class: "zsris-cursor", y1: high - 6, y2: low, stroke: "currentColor", "stroke-width": 1.5 });
    parts.push(this.cursor);
    let legend = left;
    for (const [name, values] of Object.entries(spec.series)) {
      const colour = board.roles[spec.roles[name]].colour;
      const points = values.map((value, i) => [this.x(axis.first + i), value]).filter(([, value]) => value !== null);
      const line = points.map(([x, value]) => `${x},${y(value)}`).join(" ");
      parts.push(make("polyline", { points: line, fill: "none", stroke: colour, "stroke-width": 2 }));
      parts.push(...points.map(([x, value]) => make("circle", { cx: x, cy: y(value), r: 3, fill: colour })));
      parts.push(make("rect", { x: legend, y: 4, width: 12, height: 4, fill: colour }), textAt(legend + 16, 10, "start", name));
      legend += 34 + 6.4 * name.length;
    }
    const told = (i) =>
      `${axis.label} ${axis.first + i}: ` +
      Object.entries(spec.series).map(([name, values]) => `${name} ${shortNumber(values[i])}`).join(", ");
    for (let i = 0; i < count; i++) {
      const move = () => board.move({ [spec.axis]: axis.first + i });
      const place = { x: left + i * step, y: high - 6, width: step, height: low - high + 24, fill: "transparent" };
      parts.push(make("rect", { ...place, "data-place": axis.first + i, onclick: move }, make("title", {}, told(i))));
    }
    const svg = make("svg", { viewBox: `0 0 ${width} 194`, "font-size": 11, role: "img", "aria-label": spec.title }, ...parts);
    this.node = make("figure", { class: "zsris-chart" }, make("figcaption", {}, spec.title), svg);
  }

  update() {
    const x = this.x(this.board.now[this.spec.axis]);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }
}

/** Two scores for each mask, joined by a line; a ring marks both choices. */
class PairsPanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec });
    const scores = [...spec.before, ...spec.after].filter((value) => value !== null);
    const margin = 0.08 * (Math.max(...scores) - Math.min(...scores)) || 0.5;
    const [least, most] = [Math.min(...scores) - margin, Math.max(...scores) + margin];
    const [left, right, line, first] = [70, 464, 18, 26];
    const x = (value) => left + ((right - left) * (value - least)) / (most - least);
    const roles = [board.roles["previous choice"], board.roles.choice];
    const parts = spec.names.flatMap((name, i) => [
      make("circle", { cx: left + 6 + 170 * i, cy: 8, r: 4, fill: roles[i].colour }),
      textAt(left + 15 + 170 * i, 12, "start", name),
    ]);
    this.rows = spec.indices.map((index, place) => {
      const middle = first + place * line + line / 2;
      const values = [spec.before[place], spec.after[place]];
      const row = make("g", {
        onpointerenter: () => board.preview({ hovered: index }),
        onpointerleave: () => board.preview(null),
      });
      row.append(
        make("rect", { x: 0, y: middle - line / 2, width: 480, height: line, fill: "transparent" }),
        make("line", { x1: left, x2: right, y1: middle, y2: middle, stroke: GREY, "stroke-width": 0.3 }),
        textAt(left - 8, middle + 4, "end", `mask ${index}`, spec.chosen.includes(index)),
      );
      if (values[0] !== null && values[1] !== null) {
        row.append(make("line", { x1: x(values[0]), x2: x(values[1]), y1: middle, y2: middle, stroke: roles[1].colour }));
        values.forEach((value, i) => {
          row.append(make("circle", { cx: x(value), cy: middle, r: 4, fill: roles[i].colour }));
          if (spec.chosen[i] === index)
            row.append(make("circle", { cx: x(value), cy: middle, r: 7, fill: "none", stroke: roles[i].colour }));
        });
      }
      row.append(make("title", {}, `mask ${index}: ${shortNumber(values[0])} → ${shortNumber(values[1])}`));
      return { index, row };
    });
    const end = first + spec.indices.length * line;
    parts.push(...this.rows.map(({ row }) => row));
    parts.push(textAt(left, end + 14, "start", shortNumber(least)), textAt(right, end + 14, "end", shortNumber(most)));
    const svg = make("svg", { viewBox: `0 0 480 ${end + 20}`, "font-size": 11, role: "img", "aria-label": spec.title }, ...parts);
    this.node = make("figure", { class: "zsris-chart" }, make("figcaption", {}, spec.title), svg);
  }

  update() {
    for (const { index, row } of this.rows) row.classList.toggle("zsris-hovered", this.board.now.hovered === index);
  }
}
