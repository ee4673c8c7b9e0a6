// The board: all panels of an explorer, the values that a reader moves, messages, progress, and what can be taken away.

const PANELS = {
  slider: SliderPanel,
  note: NotePanel,
  picture: PicturePanel,
  grid: GridPanel,
  lines: LinesPanel,
  pairs: PairsPanel,
  tokens: TokensPanel,
  ranking: RankingPanel,
};

class Board {
  constructor(model, element) {
    Object.assign(this, { model, panels: [], over: null, own: false, version: 0, zoom: { factor: 1, x: 0.5, y: 0.5 } });
    this.context = document.createElement("canvas").getContext("2d");
    this.body = make("div", { class: "zsris-rows" });
    this.message = make("div", { class: "zsris-message", role: "status", "aria-live": "polite" });
    this.badge = make("div", { class: "zsris-badge", role: "note" });
    this.progress = make("progress", { "aria-label": "progress" });
    this.stage = make("span");
    this.busy = make(
      "div",
      { class: "zsris-progress" },
      this.progress,
      this.stage,
      make("button", { type: "button", class: "zsris-button", onclick: () => this.send("cancel") }, "cancel"),
    );
    this.code = make("pre", { class: "zsris-code", tabindex: "0", "aria-label": "code" });
    this.code.hidden = true;
    this.node = make("div", { class: "zsris-board" }, this.badge, this.busy, this.message, this.body, this.tools(), this.code);
    element.append(this.node);
    this.changed = (name) => () => this.received(name);
    for (const name of ["view", "cursor", "message", "progress", "badge"]) model.on(`change:${name}`, this.changed(name));
    model.on("msg:custom", (content, buffers) => this.heard(content, buffers));
    this.received("view");
  }

  tools() {
    const own = make("input", {
      type: "checkbox",
      onchange: () => {
        this.own = own.checked;
        this.refresh();
      },
    });
    const save = (kind) =>
      make("button", { type: "button", class: "zsris-button", onclick: () => this.send("save", { format: kind }) }, kind.toUpperCase());
    return make(
      "div",
      { class: "zsris-tools" },
      make("label", {}, own, " colours of each map alone"),
      make("span", { role: "group", "aria-label": "save figure" }, "save figure ", save("png"), save("svg"), save("pdf")),
      make("button", { type: "button", class: "zsris-button", onclick: () => this.send("code") }, "copy as code"),
    );
  }

  send(event, more = {}) {
    this.model.send({ event, ...more });
  }

  /** A file to save, or code to copy, comes back from Python. */
  heard(content, buffers) {
    if (content.kind === "file") {
      const link = make("a", { download: content.name });
      link.href = URL.createObjectURL(new Blob([buffers[0]], { type: content.type }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } else if (content.kind === "code") {
      this.code.textContent = content.text;
      this.code.hidden = false;
      const done = () => this.tell("The code below was copied.");
      const failed = () => this.tell("Select the code below to copy it.");
      if (navigator.clipboard) navigator.clipboard.writeText(content.text).then(done, failed);
      else failed();
    }
  }

  received(name) {
    if (name === "view") this.build();
    if (name === "cursor") this.cursor = { ...this.model.get("cursor") };
    if (name === "cursor" || name === "view") this.refresh();
    const [message, progress, badge] = ["message", "progress", "badge"].map((key) => this.model.get(key));
    this.message.textContent = message.text ?? "";
    this.message.dataset.kind = message.kind ?? "";
    this.busy.style.display = progress.text ? "" : "none";
    this.stage.textContent = progress.total ? `${progress.text} ${progress.done} of ${progress.total}` : (progress.text ?? "");
    if (progress.total) [this.progress.max, this.progress.value] = [progress.total, progress.done];
    else this.progress.removeAttribute("value");
    this.badge.textContent = badge;
    this.badge.style.display = badge ? "" : "none";
  }

  tell(text) {
    this.message.textContent = text;
    this.message.dataset.kind = "";
  }

  build() {
    const view = this.model.get("view");
    if (!view.image) return;
    this.version += 1;
    this.node.dataset.version = this.version;
    this.cursor = { ...this.model.get("cursor") };
    this.over = null;
    this.roles = view.roles;
    this.axes = view.axes;
    this.regions = view.regions;
    this.maps = new MapStore(view.maps, view.axes);
    this.scales = [bytesOf(view.scales.sequential), bytesOf(view.scales.diverging)];
    const focused = this.body.contains(document.activeElement) ? this.markOf(document.activeElement) : null;
    if (this.image?.url !== view.image.url) {
      this.image = view.image;
      this.grey = null;
      this.zoom = { factor: 1, x: 0.5, y: 0.5 };
      const picture = new Image();
      picture.onload = () => {
        this.picture = picture;
        this.greys = {};
        this.grey = this.greyAt(...this.canvasSize());
        this.refresh();
      };
      picture.src = view.image.url;
    }
    this.panels = [];
    const rows = view.rows.map((row) => {
      const panels = row.map((spec) => new PANELS[spec.kind](this, spec));
      this.panels.push(...panels);
      return make("div", { class: "zsris-row" }, ...panels.map((panel) => panel.node));
    });
    this.body.replaceChildren(...rows);
    // JupyterLab would take arrow keys for its own shortcuts, unless what has the focus forbids it.
    for (const node of this.body.querySelectorAll("input, button, [tabindex]")) {
      node.setAttribute("data-lm-suppress-shortcuts", "true");
    }
    if (focused) this.body.querySelector(focused)?.focus({ preventScroll: true });
  }

  /** A selector of what has the keyboard's focus, so that it keeps it when the panels are made anew. */
  markOf(node) {
    for (const name of ["axis", "token", "mask"]) {
      if (node.dataset?.[name] !== undefined) return `[data-${name}="${CSS.escape(node.dataset[name])}"]`;
    }
    return node.classList?.contains("zsris-grid") ? ".zsris-grid" : null;
  }

  /** Width and height of a canvas with the image's shape. */
  canvasSize(side = SIDE) {
    const scale = side / Math.max(this.image.width, this.image.height);
    return [this.image.width, this.image.height].map((length) => Math.max(1, Math.round(length * scale)));
  }

  /** The image in grey, one byte for each pixel. */
  greyAt(width, height) {
    if (!this.picture) return null;
    const held = this.greys[`${width}x${height}`];
    if (held) return held;
    const canvas = make("canvas", { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.picture, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const grey = new Uint8Array(width * height);
    for (let i = 0; i < grey.length; i++) grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
    this.greys[`${width}x${height}`] = grey;
    return grey;
  }

  colours(diverging) {
    return this.scales[diverging ? 1 : 0];
  }

  get now() {
    return this.over ? { ...this.cursor, ...this.over } : this.cursor;
  }

  mapAt(name, values = {}) {
    const map = this.maps.at(name, { ...this.now, ...values }, this.own);
    return map && { ...map, key: `${this.version}/${map.key}` };
  }

  text(template) {
    return template.replace(/\{(\w+)\}/g, (whole, name) => {
      const axis = this.axes[name];
      return axis ? axis.names[this.now[name] - axis.first] : whole;
    });
  }

  /** What the mouse is over, for as long as it is there; Python is not told. */
  preview(values) {
    if (JSON.stringify(values) === JSON.stringify(this.over)) return;
    this.over = values;
    this.refresh();
  }

  /** Values that stay; Python is told at most ten times a second. */
  move(values) {
    this.cursor = { ...this.cursor, ...values };
    this.over = null;
    this.refresh();
    if (this.waiting) return;
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.model.set("cursor", this.cursor);
      this.model.save_changes();
    }, 100);
  }

  toggle(index) {
    const shown = this.cursor.shown ?? [];
    this.move({ shown: shown.includes(index) ? shown.filter((other) => other !== index) : [...shown, index] });
  }

  refresh() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = null;
      const start = performance.now();
      for (const panel of this.panels) panel.update();
      this.node.dataset.frame = (performance.now() - start).toFixed(2);
      this.node.dataset.frames = Number(this.node.dataset.frames ?? 0) + 1;
    });
  }

  // Zoom is shared by all pictures of the board, so that the same place stays in sight.
  zoomBy(factor) {
    this.zoom.factor = Math.min(16, Math.max(1, this.zoom.factor * factor));
    this.keepInside();
  }

  keepInside() {
    const reach = 0.5 / this.zoom.factor;
    for (const side of ["x", "y"]) this.zoom[side] = Math.min(1 - reach, Math.max(reach, this.zoom[side]));
    this.refresh();
  }

  transform() {
    const { factor, x, y } = this.zoom;
    return factor === 1 ? "" : `scale(${factor}) translate(${100 * (0.5 - x)}%, ${100 * (0.5 - y)}%)`;
  }

  startDrag(event, frame) {
    this.dragged = false;
    if (this.zoom.factor === 1) return;
    this.drag = { x: event.clientX, y: event.clientY };
    const box = frame.getBoundingClientRect();
    const move = (next) => {
      const [x, y] = [next.clientX - this.drag.x, next.clientY - this.drag.y];
      if (Math.abs(x) + Math.abs(y) > 3) this.dragged = true;
      this.drag = { x: next.clientX, y: next.clientY };
      this.zoom.x -= x / box.width / this.zoom.factor;
      this.zoom.y -= y / box.height / this.zoom.factor;
      this.keepInside();
    };
    const stop = () => {
      this.drag = null;
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", stop);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", stop);
  }
}

function render({ model, el }) {
  const board = new Board(model, el);
  return () => board.node.remove();
}
export default { render };
