// Sort a table by the column whose heading is pressed; cells without a value stay last.
for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => {
    const number = heading.classList.contains("number");
    const before = heading.getAttribute("aria-sort");
    const down = before ? before === "ascending" : number;
    const key = row => row.cells[column].dataset.key;
    const compare = (a, b) => number ? a - b : a.localeCompare(b, "en", {numeric: true});
    const rows = [...body.rows].sort((one, other) => {
      const a = key(one);
      const b = key(other);
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return down ? compare(b, a) : compare(a, b);
    });
    headings.forEach(other => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  }));
}
// Keep the models within a limit, and name the best of them by the first column of numbers.
for (const form of document.querySelectorAll(".limit")) {
  const [select, input] = form.elements;
  const output = form.querySelector("output");
  const table = form.nextElementSibling.querySelector("table");
  const headings = [...table.tHead.rows[0].cells];
  const score = headings.findIndex(heading => heading.classList.contains("number"));
  const shown = (row, column) => `${headings[column].textContent.trim()} ${row.cells[column].textContent.trim()}`;
  const update = () => {
    const limit = input.value === "" ? Infinity : input.valueAsNumber;
    const cost = row => row.cells[select.value].dataset.key;
    const within = [...table.tBodies[0].rows].filter(row => {
      const known = cost(row) !== undefined;
      const fits = known && Number(cost(row)) <= limit;
      row.classList.remove("best");
      row.classList.toggle("over", known && !fits);
      return fits && row.cells[score].dataset.key !== undefined;
    });
    const best = within.sort((a, b) => b.cells[score].dataset.key - a.cells[score].dataset.key)[0];
    if (best && limit < Infinity) best.classList.add("best");
    const name = best && best.cells[0].textContent.replace("≈", "").trim();
    output.textContent = best
      ? `${name}: ${shown(best, score)}, ${shown(best, select.value)}`
      : "No model in this table is within the limit.";
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = !select.length;
  if (select.length) update();
}
// In place of the figure of all predictions: truth and one model's prediction, or its errors, over the image.
for (const viewers of document.querySelectorAll(".viewers")) {
  viewers.hidden = false;
  viewers.previousElementSibling.hidden = true;
  for (const form of viewers.children) {
    const tiles = [...form.querySelectorAll(".tile")];
    const update = () => {
      const [model, kind] = [...form.querySelectorAll(":checked")].map(one => one.value);
      form.style.setProperty("--cut", form.querySelector("[type=range]").value + "%");
      form.querySelectorAll(".wrong, .uncounted").forEach(one => { one.hidden = kind !== "errors"; });
      for (const tile of tiles) {
        for (const one of ["picture", "errors"]) {
          tile.querySelectorAll("." + one).forEach((image, i) => { image.hidden = one !== kind || i !== Number(model); });
        }
        tile.querySelectorAll(".accuracy").forEach((text, i) => { text.hidden = i !== Number(model); });
      }
    };
    form.addEventListener("input", update);
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("keydown", event => { if (event.key === "Escape") fill(form, null); });
    for (const tile of tiles) {
      const [image] = tile.querySelectorAll("img");
      tile.querySelectorAll(".stack")[1].prepend(image.cloneNode());
      enlargeable(tile.querySelector(".pair"), tile.querySelectorAll("[data-zoom]"));
      tile.querySelector(".enlarge").addEventListener("click", () => {
        fill(form, tile.classList.contains("large") ? null : tile);
      });
    }
  }
}
// One tile in the whole window, with the choices above it; null for all of them in their places.
function fill(form, chosen) {
  form.classList.toggle("large", chosen !== null);
  document.documentElement.classList.toggle("filled", chosen !== null);
  for (const tile of form.querySelectorAll(".tile")) {
    tile.classList.toggle("large", tile === chosen);
    tile.querySelector(".enlarge").setAttribute("aria-pressed", tile === chosen);
  }
}
// Both pictures of a pair are enlarged and moved together. `x` and `y` are where their corner lies, in widths of one.
function enlargeable(pair, buttons) {
  let zoom = 1, x = 0, y = 0;
  const pointers = new Map();
  const show = () => {
    const inside = place => Math.min(0, Math.max(1 - zoom, place));
    [x, y] = [inside(x), inside(y)];
    pair.style.setProperty("--view", `translate(${x * 100}%, ${y * 100}%) scale(${zoom})`);
    pair.classList.toggle("enlarged", zoom > 1);
  };
  const enlarge = (factor, left = 0.5, top = 0.5) => {
    const wanted = Math.min(16, Math.max(1, zoom * factor));
    x = left - (left - x) * wanted / zoom;
    y = top - (top - y) * wanted / zoom;
    zoom = wanted;
    show();
  };
  const within = (event, target = event.target.closest(".stack") || pair.firstElementChild) => {
    const box = target.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const move = (across, down) => { x += across; y += down; show(); };
  const keys = {
    "+": () => enlarge(2), "-": () => enlarge(0.5), "0": () => enlarge(1 / 16),
    ArrowLeft: () => move(0.1, 0), ArrowRight: () => move(-0.1, 0), ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
  };
  buttons.forEach(button => button.addEventListener("click", () => enlarge(Number(button.dataset.zoom))));
  pair.addEventListener("dblclick", event => enlarge(2, ...within(event)));
  pair.addEventListener("keydown", event => {
    const moves = zoom > 1 || !event.key.startsWith("Arrow");
    if (keys[event.key] && moves) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  // The wheel scrolls the page, except where the page cannot be scrolled or the reader asks to zoom.
  pair.addEventListener("wheel", event => {
    if (!event.ctrlKey && !pair.closest(".large")) return;
    event.preventDefault();
    enlarge(2 ** (-event.deltaY / 300), ...within(event));
  }, {passive: false});
  pair.addEventListener("pointerdown", event => {
    pointers.set(event.pointerId, event);
    if (zoom > 1 || pointers.size > 1) pair.setPointerCapture(event.pointerId);
  });
  pair.addEventListener("pointermove", event => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const stack = pair.firstElementChild;
    const size = stack.getBoundingClientRect().width;
    const [other] = [...pointers.values()].filter(one => one.pointerId !== event.pointerId);
    if (other) {
      const apart = one => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      enlarge(apart(event) / Math.max(1, apart(before)), ...within(event, before.target.closest(".stack") || stack));
    } else if (zoom > 1) {
      move((event.clientX - before.clientX) / size, (event.clientY - before.clientY) / size);
    }
    pointers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pair.addEventListener(end, event => pointers.delete(event.pointerId));
  }
}
