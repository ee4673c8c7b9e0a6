// The grid of small maps; one of them large, or two that are compared.

/** Small pictures for every value of one or two axes; one of them large, or two that are compared. */
class GridPanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec, hovered: null, key: "" });
    const [columns, rows] = [board.axes[spec.columns], spec.rows ? board.axes[spec.rows] : null];
    const lines = rows ? rows.names.length : 1;
    this.title = make("figcaption");
    this.table = make("div", {
      class: "zsris-grid",
      tabindex: "0",
      role: "grid",
      style: `grid-template-columns:${rows ? "auto " : ""}repeat(${columns.names.length}, minmax(14px, 64px))`,
    });
    this.thumbs = [];
    if (rows) this.table.append(make("span"));
    for (const name of columns.names) this.table.append(make("span", { class: "zsris-name" }, name.replace(/^.* /, "")));
    const [width, height] = board.canvasSize(56);
    for (let line = 0; line < lines; line++) {
      if (rows) this.table.append(make("span", { class: "zsris-name" }, rows.names[line]));
      for (let place = 0; place < columns.names.length; place++) {
        const values = { [spec.columns]: columns.first + place };
        if (rows) values[spec.rows] = rows.first + line;
        const canvas = make("canvas", { width, height, role: "gridcell" });
        const name = [rows ? rows.names[line] : null, columns.names[place]].filter(Boolean).join(", ");
        canvas.setAttribute("aria-label", `${name}`);
        canvas.title = `${name}: click to pin`;
        this.thumbs.push({ canvas, values, painted: "" });
        this.table.append(canvas);
      }
    }
    this.bar = make("div");
    this.large = make("div", { class: "zsris-large", "aria-live": "polite" });
    this.hint = make("div", { class: "zsris-hint" }, "Hover over a map to enlarge it, click to pin it; two pins are compared.");
    this.node = make(
      "figure",
      { class: "zsris-maps" },
      this.title,
      make("div", { class: "zsris-scroll" }, this.table),
      this.bar,
      this.hint,
      this.large,
    );
    this.table.addEventListener("pointermove", (event) => this.point(event));
    this.table.addEventListener("pointerleave", () => {
      this.hovered = null;
      board.refresh();
    });
    this.table.addEventListener("click", (event) => {
      const thumb = this.thumbs.find(({ canvas }) => canvas === event.target);
      if (thumb) this.pin(thumb.values);
    });
    this.table.addEventListener("keydown", (event) => {
      const count = columns.names.length;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -count, ArrowDown: count }[event.key];
      if (step) {
        const now = this.thumbs.findIndex(({ values }) => values === this.hovered);
        this.hovered = this.thumbs[Math.min(this.thumbs.length - 1, Math.max(0, now < 0 ? 0 : now + step))].values;
        board.refresh();
      } else if (event.key === "Enter" && this.hovered) this.pin(this.hovered);
      else return;
      event.preventDefault();
    });
  }

  point(event) {
    const thumb = this.thumbs.find(({ canvas }) => canvas === event.target);
    if (thumb && thumb.values !== this.hovered) {
      this.hovered = thumb.values;
      this.board.refresh();
    }
  }

  /** Pin a map, or release it; a third pin replaces the older one. */
  pin(values) {
    const same = (one) => Object.entries(values).every(([name, value]) => one[name] === value);
    const pins = this.board.cursor.pins ?? [];
    const kept = pins.filter((one) => !same(one));
    this.board.move({ pins: kept.length < pins.length ? kept : [...kept, values].slice(-2) });
  }

  update() {
    const { board, spec } = this;
    this.title.textContent = board.text(spec.title);
    const pins = board.cursor.pins ?? [];
    let shared = null;
    for (const thumb of this.thumbs) {
      const map = board.mapAt(spec.maps, thumb.values);
      if (!map) continue;
      const limits = board.own ? map.limits : board.maps.named[spec.maps].range;
      const key = `${board.version}/${map.key}/${limits}`;
      if (key !== thumb.painted) {
        paint(thumb.canvas, { ...map, limits }, board.colours(map.diverging), null);
        thumb.painted = key;
      }
      shared = { ...map, limits };
      const same = (one) => one && Object.entries(thumb.values).every(([name, value]) => one[name] === value);
      thumb.canvas.classList.toggle("zsris-now", same(board.now));
      thumb.canvas.classList.toggle("zsris-pinned", pins.some(same));
      thumb.canvas.classList.toggle("zsris-hovered", this.hovered === thumb.values);
    }
    const key = JSON.stringify([board.version, pins, this.hovered, board.own, this.hovered || pins.length ? board.now : 0]);
    if (key === this.key) return;
    this.key = key;
    this.bar.replaceChildren(...(shared && !board.own ? [colourBar(board, shared)] : []));
    this.large.replaceChildren(...this.enlarged(pins));
  }

  enlarged(pins) {
    const { board, spec } = this;
    const named = (values) =>
      Object.entries(values)
        .map(([name, value]) => {
          const { label, first, names } = board.axes[name];
          const text = names[value - first];
          return /^\d+$/.test(text) ? `${label} ${text}` : text;
        })
        .join(", ");
    const shown = pins.map((values, i) => [`${"AB"[i]}: ${named(values)}`, board.mapAt(spec.maps, values)]);
    if (this.hovered) shown.push([named(this.hovered), board.mapAt(spec.maps, this.hovered)]);
    else if (pins.length === 2 && shown[0][1] && shown[1][1])
      shown.push(["A minus B", board.maps.difference(shown[0][1], shown[1][1])]);
    return shown
      .filter(([, map]) => map)
      .map(([title, map]) => {
        const [width, height] = board.canvasSize(300);
        const canvas = make("canvas", { width, height, role: "img", "aria-label": `${title}, ${map.unit}` });
        const limits = board.own || map.key.includes(" - ") ? map.limits : board.maps.named[spec.maps].range;
        paint(canvas, { ...map, limits }, board.colours(map.diverging), board.greyAt(width, height));
        return make("figure", {}, make("figcaption", {}, title), canvas, colourBar(board, { ...map, limits }));
      });
  }
}
