// Shows the drawing that Python sends and tells Python what was clicked. Nothing is kept here: `markup` is the whole state.
function render({ model, el }) {
  const holder = document.createElement("div");
  holder.className = "zsris-clickable";
  el.appendChild(holder);

  let drawn = 0;
  const draw = async () => {
    const turn = ++drawn;
    const fresh = document.createElement("div");
    fresh.innerHTML = model.get("markup");
    // A picture is decoded before it replaces the old one, so that a moved slider does not flicker.
    await Promise.allSettled([...fresh.querySelectorAll("img")].map((picture) => picture.decode()));
    if (turn !== drawn) return;
    const focused = holder.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    for (const part of fresh.querySelectorAll("[data-key]")) {
      part.setAttribute("tabindex", "0");
      part.setAttribute("role", "button");
    }
    holder.replaceChildren(...fresh.childNodes);
    if (focused !== undefined) holder.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  };

  const tell = (target, event) => {
    const part = target.closest("[data-key]");
    if (!part || !holder.contains(part)) return;
    const box = part.getBoundingClientRect();
    const share = (value, low, length) => Math.min(1, Math.max(0, length ? (value - low) / length : 0.5));
    const keyboard = event.type === "keydown";
    model.send({
      key: part.dataset.key,
      x: keyboard ? 0.5 : share(event.clientX, box.left, box.width),
      y: keyboard ? 0.5 : share(event.clientY, box.top, box.height),
    });
  };
  const clicked = (event) => tell(event.target, event);
  const pressed = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    tell(event.target, event);
  };
  holder.addEventListener("click", clicked);
  holder.addEventListener("keydown", pressed);
  model.on("change:markup", draw);
  draw();
  return () => model.off("change:markup", draw);
}
export default { render };
