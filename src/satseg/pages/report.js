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
// In place of the figure of all predictions: one at a time over the image, which a slider uncovers.
for (const viewers of document.querySelectorAll(".viewers")) {
  viewers.hidden = false;
  viewers.previousElementSibling.hidden = true;
  for (const form of viewers.children) {
    form.addEventListener("input", () => {
      form.style.setProperty("--cut", form.querySelector("[type=range]").value + "%");
      const shown = Number(form.querySelector(":checked").value);
      for (const tile of form.querySelectorAll(".tile")) {
        tile.querySelectorAll(".stack img + img").forEach((one, i) => { one.hidden = i !== shown; });
        tile.querySelectorAll("span").forEach((one, i) => { one.hidden = i !== shown; });
      }
    });
    form.addEventListener("submit", event => event.preventDefault());
  }
}
// Paper cannot be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(one => { one.open = true; }));
