// Pictures: the image with a map or with outlines on it, and zoom.

const SIDE = 420; // pixels of the longest side of a painted map; the page enlarges it

/** The image with a map and masks on it. */
class PicturePanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec, painted: "" });
    const { width, height } = board.image;
    this.title = make("figcaption");
    this.canvas = make("canvas", { "aria-hidden": "true" });
    [this.canvas.width, this.canvas.height] = board.canvasSize();
    this.photo = make("img", { src: board.image.url, alt: "", draggable: "false" });
    this.overlay = make("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
    this.labels = make("div", { class: "zsris-labels" });
    this.stage = make("div", { class: "zsris-stage" }, this.photo, this.canvas, this.overlay, this.labels);
    const active = spec.hover || spec.choose;
    this.frame = make(
      "div",
      {
        class: "zsris-frame",
        style: `aspect-ratio:${width}/${height}`,
        tabindex: active ? "0" : null,
        role: active ? "application" : "img",
      },
      this.stage,
    );
    this.below = make("div");
    this.value = make("span", { class: "zsris-value" });
    const zoom = (text, label, factor) =>
      make("button", { type: "button", "aria-label": label, title: label, onclick: () => board.zoomBy(factor) }, text);
    this.node = make(
      "figure",
      { class: "zsris-picture" },
      make(
        "div",
        { class: "zsris-caption" },
        this.title,
        make("span", { class: "zsris-zoom" }, zoom("−", "zoom out", 0.5), zoom("+", "zoom in", 2)),
      ),
      this.frame,
      this.below,
    );
    // White casings lie below all lines, so that no line hides another one's casing.
    this.casings = this.overlay.appendChild(make("g"));
    this.regions = spec.regions.map((region) => this.drawRegion(region));
    this.patch = make("rect", { fill: "none", stroke: board.roles.choice.colour, "stroke-width": "2", class: "zsris-patch" });
    this.overlay.append(this.patch);
    this.listen();
  }

  drawRegion(region) {
    const shape = this.board.regions[region.group][region.index];
    const role = this.board.roles[region.role];
    const fill = this.spec.maps || !role.fill ? "none" : role.colour;
    const casing = make("path", { d: shape.path, fill: "none", stroke: "white", "stroke-width": 1.4 * role.width + 2 });
    const group = make(
      "g",
      {},
      make("path", {
        d: shape.path,
        fill,
        "fill-opacity": role.fill,
        "fill-rule": "evenodd",
        stroke: role.colour,
        "stroke-width": 1.4 * role.width,
        "stroke-dasharray": role.dashed ? "6 4" : null,
      }),
    );
    const label = region.label
      ? make(
          "span",
          {
            style: `left:${(100 * shape.x) / this.board.image.width}%;top:${(100 * shape.y) / this.board.image.height}%;border-color:${role.colour}`,
          },
          region.label,
        )
      : null;
    this.casings.append(casing);
    this.overlay.append(group);
    if (label) this.labels.append(label);
    return { region, shape, group, casing, label, path: new Path2D(shape.path) };
  }

  /** Image coordinates of a pointer's event, and its share of the image from 0 to 1. */
  place(event) {
    const box = this.stage.getBoundingClientRect();
    const share = (value, low, length) => Math.min(0.9999, Math.max(0, length ? (value - low) / length : 0.5));
    return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
  }

  patchAt(x, y) {
    const map = this.board.mapAt(this.spec.maps);
    return map ? Math.floor(y * map.rows) * map.columns + Math.floor(x * map.columns) : -1;
  }

  /** Masks under a place, the smallest first. */
  masksAt(x, y) {
    const [left, top] = [x * this.board.image.width, y * this.board.image.height];
    const found = this.regions.filter(
      ({ region, path }) => region.optional && this.board.context.isPointInPath(path, left, top, "evenodd"),
    );
    return found.sort((one, other) => one.shape.area - other.shape.area).map(({ region }) => region.index);
  }

  listen() {
    const { board, spec, frame } = this;
    frame.addEventListener("pointermove", (event) => {
      if (board.drag) return;
      const [x, y] = this.place(event);
      if (spec.hover) board.preview({ [spec.hover]: this.patchAt(x, y) });
      if (spec.choose) board.preview({ hovered: this.masksAt(x, y)[0] ?? null });
      this.pointed = [x, y];
      this.showValue();
    });
    frame.addEventListener("pointerleave", () => {
      this.pointed = null;
      board.preview(null);
    });
    frame.addEventListener("click", (event) => {
      if (board.dragged) return;
      const [x, y] = this.place(event);
      if (spec.hover) board.move({ [spec.hover]: this.patchAt(x, y) });
      if (spec.choose) this.step(x, y);
    });
    frame.addEventListener("keydown", (event) => this.pressed(event));
    frame.addEventListener("pointerdown", (event) => board.startDrag(event, frame));
  }

  /** Choose the next larger mask under the same place at every further click; after the largest none. */
  step(x, y) {
    const masks = this.masksAt(x, y);
    if (!masks.length) {
      this.board.tell("There is no mask at this place.");
      return;
    }
    const place = masks.indexOf(this.board.cursor[this.spec.choose]);
    const next = masks[place + 1] ?? (this.spec.choose === "truth" ? masks[0] : null);
    this.board.move({ [this.spec.choose]: next });
  }

  pressed(event) {
    const { board, spec } = this;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "+" || event.key === "-") board.zoomBy(event.key === "+" ? 2 : 0.5);
    else if (steps && spec.hover) {
      const map = board.mapAt(spec.maps);
      if (!map) return;
      const now = Math.max(0, board.cursor[spec.hover]);
      const column = Math.min(map.columns - 1, Math.max(0, (now % map.columns) + steps[0]));
      const row = Math.min(map.rows - 1, Math.max(0, Math.floor(now / map.columns) + steps[1]));
      board.move({ [spec.hover]: row * map.columns + column });
    } else if (event.key === "Escape" && spec.hover) board.move({ [spec.hover]: -1 });
    else if (steps && spec.choose) {
      const all = this.regions.filter(({ region }) => region.optional).map(({ region }) => region.index);
      if (!all.length) return;
      const place = all.indexOf(board.cursor[spec.choose]) + steps[0] + steps[1];
      board.move({ [spec.choose]: all[(place + all.length) % all.length] });
    } else return;
    event.preventDefault();
  }

  update() {
    const { board, spec } = this;
    const now = board.now;
    const map = spec.maps ? board.mapAt(spec.maps) : null;
    const title = board.text(spec.title);
    if (this.title.textContent !== title) this.title.textContent = title;
    this.photo.hidden = Boolean(map);
    this.canvas.hidden = !map;
    if (map && map.key !== this.painted && board.grey) {
      paint(this.canvas, map, board.colours(map.diverging), board.grey);
      this.painted = map.key;
    }
    const seen = new Set();
    for (const { region, group, casing, label } of this.regions) {
      const fits = Object.entries(region.when).every(([name, value]) => now[name] === value);
      const hovered = region.optional && now.hovered === region.index;
      const chosen = now.selected === region.index || now.shown?.includes(region.index);
      const shown = fits && (!region.optional || hovered || chosen);
      group.style.display = casing.style.display = shown ? "" : "none";
      group.classList.toggle("zsris-hovered", hovered || (region.optional && now.selected === region.index));
      if (label) label.style.display = shown ? "" : "none";
      if (shown) seen.add(region.role);
    }
    this.showPatch(map, now);
    const legend = [...seen].map((name) => {
      const role = board.roles[name];
      const line = `border-top:2.5px ${role.dashed ? "dashed" : "solid"} ${role.colour}`;
      return make("span", {}, make("i", { style: line }), role.title);
    });
    const key = `${map?.key}|${map?.limits}|${[...seen]}`;
    if (key !== this.keyBelow) {
      this.keyBelow = key;
      this.below.replaceChildren(
        ...(map ? [colourBar(board, map), this.value] : []),
        make("div", { class: "zsris-legend" }, ...legend),
      );
      this.frame.setAttribute("aria-label", `${title}. ${[...seen].map((name) => board.roles[name].title).join(", ")}`);
    }
    this.showValue();
    this.stage.style.transform = board.transform();
  }

  showPatch(map, now) {
    const number = this.spec.hover ? now[this.spec.hover] : -1;
    this.patch.style.display = map && number >= 0 ? "" : "none";
    if (!map || !(number >= 0)) return;
    const [wide, tall] = [this.board.image.width / map.columns, this.board.image.height / map.rows];
    for (const [name, value] of Object.entries({
      x: (number % map.columns) * wide,
      y: Math.floor(number / map.columns) * tall,
      width: wide,
      height: tall,
    }))
      this.patch.setAttribute(name, value);
  }

  showValue() {
    const map = this.pointed && this.spec.maps ? this.board.mapAt(this.spec.maps) : null;
    if (!map) {
      this.value.textContent = "\u00a0";
      return;
    }
    const [row, column] = [Math.floor(this.pointed[1] * map.rows), Math.floor(this.pointed[0] * map.columns)];
    this.value.textContent = `row ${row}, column ${column}: ${shortNumber(map.values[row * map.columns + column])}`;
  }
}
