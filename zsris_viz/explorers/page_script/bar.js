// Above the tabs: another image by a file, by a drop or from the examples; the state in the page's address.

const LONGEST = 1024; // pixels: larger images are made smaller here, before they travel
const MOST_BYTES = 8_000_000; // of a file that the browser cannot read; the server's limit is 10 MB

const element = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
};

/** A file as bytes that are small enough to send, with what was done to it. */
async function prepared(file) {
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    if (file.size > MOST_BYTES) {
      throw new Error(`the browser cannot read it, and ${(file.size / 1e6).toFixed(1)} MB are more than the 8 MB that can be sent.`);
    }
    return { bytes: await file.arrayBuffer(), note: "" };
  }
  const { width, height } = picture;
  const scale = LONGEST / Math.max(width, height);
  if (scale >= 1 && file.size <= MOST_BYTES) return { bytes: await file.arrayBuffer(), note: "" };
  const size = [width, height].map((length) => Math.max(1, Math.round(length * Math.min(1, scale))));
  const canvas = element("canvas", { width: size[0], height: size[1] });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, ...size);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, ...size);
  picture.close();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  return { bytes: await blob.arrayBuffer(), note: `${width} x ${height} pixels, made smaller: ${size.join(" x ")}` };
}

function render({ model, el }) {
  const status = element("span", { class: "zsris-status", role: "status", "aria-live": "polite" });
  const progress = element("progress", { "aria-label": "progress" });
  const cancel = element("button", { type: "button", onclick: () => model.send({ event: "cancel" }) }, "cancel");
  const input = element("input", { type: "file", accept: "image/*" });
  const gallery = element("div", { class: "zsris-gallery", role: "group", "aria-label": "examples" });
  const details = element("details", {}, element("summary", {}, "examples"), gallery);
  const drop = element(
    "div",
    { class: "zsris-drop" },
    element("label", {}, "your image: ", input),
    element("span", {}, " or drop it here; images of more than 1024 pixels a side are made smaller"),
  );
  const bar = element("div", { class: "zsris-page-bar" }, drop, details, element("div", {}, progress, status, cancel));
  el.append(bar);

  const use = async (file) => {
    if (!file) return;
    status.textContent = `reading ${file.name} ...`;
    try {
      const { bytes, note } = await prepared(file);
      model.send({ event: "upload", name: file.name, note }, undefined, [bytes]);
    } catch (error) {
      status.textContent = `${file.name} cannot be used: ${error.message}`;
    }
  };
  input.addEventListener("change", () => use(input.files[0]));
  bar.addEventListener("dragover", (event) => {
    event.preventDefault();
    bar.classList.add("zsris-over");
  });
  bar.addEventListener("dragleave", () => bar.classList.remove("zsris-over"));
  bar.addEventListener("drop", (event) => {
    event.preventDefault();
    bar.classList.remove("zsris-over");
    use(event.dataTransfer.files[0]);
  });

  details.addEventListener("toggle", () => {
    if (details.open && !model.get("examples").length) model.send({ event: "examples" });
  });
  const draw = () => {
    const { text, done, total } = model.get("progress");
    progress.style.display = cancel.style.display = text ? "" : "none";
    if (total) [progress.max, progress.value] = [total, done];
    else progress.removeAttribute("value");
    status.textContent = text ? `${text}${total ? ` ${done} of ${total}` : " ..."}` : model.get("message");
    gallery.replaceChildren(
      ...model.get("examples").map(({ name, expression, url }) =>
        element(
          "button",
          { type: "button", title: expression, "data-example": name, onclick: () => model.send({ event: "example", name }) },
          element("img", { src: url, alt: `${name}: ${expression}` }),
          element("span", {}, expression),
        ),
      ),
    );
  };
  for (const name of ["progress", "message", "examples"]) model.on(`change:${name}`, draw);
  draw();
  model.send({ event: "ready" }); // from here on, what the kernel makes reaches the page

  if (model.get("addressed")) {
    const write = () => history.replaceState(null, "", `#${model.get("address")}`);
    const asked = location.hash.slice(1);
    if (asked && asked !== model.get("address")) model.send({ event: "address", text: asked });
    else if (model.get("address")) write();
    model.on("change:address", write);
    window.addEventListener("hashchange", () => {
      const text = location.hash.slice(1);
      if (text !== model.get("address")) model.send({ event: "address", text });
    });
  }
}
export default { render };
