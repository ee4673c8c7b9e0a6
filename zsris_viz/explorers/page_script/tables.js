// Tables: attention between tokens, and all masks by their scores.

/** Attention between tokens: columns are tokens, the mouse over one shows what it attends to. */
class TokensPanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec });
    this.title = make("figcaption");
    this.heads = spec.tokens.map((token, place) => {
      const colour = spec.roles[place] ? board.roles[spec.roles[place]].colour : "transparent";
      const fixed = spec.fixed.includes(place);
      return make(
        "th",
        { scope: "col", style: `border-bottom:3px solid ${colour}` },
        make(
          "button",
          {
            type: "button",
            "data-token": place,
            class: spec.masked.includes(place) ? "zsris-struck" : null,
            title: fixed ? `${token}: hover to see what it attends to` : `${token}: hover to see what it attends to, click to hide it`,
            onclick: () => (fixed ? board.tell("The start and the end of the text cannot be hidden.") : board.send("token", { place })),
            onfocus: () => board.preview({ [spec.hover]: place }),
            onblur: () => board.preview(null),
          },
          token,
        ),
      );
    });
    this.cells = spec.rows.map(() => spec.tokens.map((_, place) => make("td", { "data-token": place })));
    const rows = spec.rows.map((name, i) => make("tr", {}, make("th", { scope: "row" }, name), ...this.cells[i]));
    const table = make("table", { class: "zsris-tokens" }, make("tr", {}, make("th"), ...this.heads), ...rows);
    table.addEventListener("pointermove", (event) => {
      const place = event.target.closest("[data-token]")?.dataset.token;
      if (place !== undefined) board.preview({ [spec.hover]: Number(place) });
    });
    table.addEventListener("pointerleave", () => board.preview(null));
    const roles = [...new Set(spec.roles.filter(Boolean))].map((name) => board.roles[name]);
    const legend = roles.map((role) => make("span", {}, make("i", { style: `border-top:3px solid ${role.colour}` }), role.title));
    this.bar = make("div");
    this.node = make(
      "figure",
      { class: "zsris-token-panel" },
      this.title,
      make("div", { class: "zsris-scroll" }, table),
      make("div", { class: "zsris-legend" }, ...legend),
      this.bar,
    );
  }

  update() {
    const map = this.board.mapAt(this.spec.maps);
    this.title.textContent = this.board.text(this.spec.title);
    if (!map || map.key === this.key) return;
    this.key = map.key;
    const colours = this.board.colours(false);
    const high = Math.max(map.limits[1], 1e-9);
    for (const [row, cells] of this.cells.entries()) {
      for (const [place, cell] of cells.entries()) {
        const value = map.values[row * map.columns + place];
        const i = 3 * Math.min(255, Math.max(0, Math.round((255 * value) / high)));
        cell.style.background = `rgb(${colours[i]},${colours[i + 1]},${colours[i + 2]})`;
        cell.title = `${this.spec.rows[row]}, ${this.spec.tokens[place]}: ${shortNumber(value)}`;
      }
    }
    const from = this.board.now[this.spec.hover];
    for (const [place, head] of this.heads.entries()) head.classList.toggle("zsris-hovered", place === from);
    this.bar.replaceChildren(colourBar(this.board, { ...map, limits: [0, high] }));
  }
}

/** All masks in a table that can be sorted; the mouse over a line shows its mask, a click keeps it shown. */
class RankingPanel {
  constructor(board, spec) {
    Object.assign(this, { board, spec, order: spec.indices.map((_, i) => i), by: null, upwards: false });
    const heads = ["mask", ...spec.columns].map((name, column) =>
      make("th", { scope: "col", "aria-sort": "none" }, make("button", { type: "button", onclick: () => this.sort(column) }, name)),
    );
    this.heads = heads;
    this.rows = spec.indices.map((index, place) => {
      const numbers = spec.values[place].map((value) => make("td", {}, shortNumber(value)));
      const mark = make("span", { class: "zsris-mark" });
      const toggle = () => board.toggle(index);
      const row = make(
        "tr",
        {
          tabindex: "0",
          "data-mask": index,
          "aria-pressed": "false",
          role: "button",
          onclick: toggle,
          onkeydown: (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            toggle();
          },
          onpointerenter: () => board.preview({ hovered: index }),
          onpointerleave: () => board.preview(null),
          onfocus: () => board.preview({ hovered: index }),
          onblur: () => board.preview(null),
        },
        make("td", {}, mark, ` ${index}`),
        ...numbers,
      );
      return { index, row, mark };
    });
    this.body = make("tbody", {}, ...this.rows.map(({ row }) => row));
    const table = make("table", { class: "zsris-ranking" }, make("thead", {}, make("tr", {}, ...heads)), this.body);
    const show = (text, indices) =>
      make("button", { type: "button", class: "zsris-button", onclick: () => board.move({ shown: indices, selected: null }) }, text);
    const buttons = make(
      "div",
      { class: "zsris-buttons", role: "group", "aria-label": "masks in the picture" },
      show("choice alone", []),
      show("best five", spec.indices.slice(0, 5)),
      show("all", [...spec.indices]),
    );
    this.node = make("div", { class: "zsris-ranking-panel" }, buttons, make("div", { class: "zsris-table-scroll" }, table));
  }

  sort(column) {
    this.upwards = this.by === column ? !this.upwards : column === 0;
    this.by = column;
    const value = (place) => (column ? this.spec.values[place][column - 1] ?? -Infinity : this.spec.indices[place]);
    const sign = this.upwards ? 1 : -1;
    this.order.sort((one, other) => sign * (value(one) - value(other)));
    this.body.append(...this.order.map((place) => this.rows[place].row));
    this.heads.forEach((head, i) =>
      head.setAttribute("aria-sort", i !== column ? "none" : this.upwards ? "ascending" : "descending"),
    );
  }

  update() {
    const now = this.board.now;
    for (const { index, row, mark } of this.rows) {
      const shown = now.shown?.includes(index) || now.selected === index;
      const name = index === this.spec.chosen ? "choice" : "selected";
      mark.style.background = shown || index === this.spec.chosen ? this.board.roles[name].colour : "transparent";
      row.classList.toggle("zsris-hovered", now.hovered === index);
      row.classList.toggle("zsris-chosen", index === this.spec.chosen);
      row.setAttribute("aria-pressed", String(Boolean(shown)));
    }
    if (now.selected !== null && now.selected !== undefined && now.selected !== this.last) {
      this.rows.find(({ index }) => index === now.selected)?.row.scrollIntoView({ block: "nearest" });
    }
    this.last = now.selected;
  }
}
