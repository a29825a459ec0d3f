
"use strict";
const list = document.getElementById("list");
const rows = [...list.children];
const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
const tools = document.getElementById("tools");
const [search, sort, kind, shown] = ["search", "sort", "class", "shown"].map((id) => document.getElementById(id));
const order = {
  count: (a, b) => b.dataset.count - a.dataset.count,
  rare: (a, b) => a.dataset.count - b.dataset.count,
  first: (a, b) => a.dataset.first - b.dataset.first,
  new: (a, b) => b.dataset.first - a.dataset.first,
};
function filter() {
  const asked = search.value.toLowerCase().split(" ").filter(Boolean);
  let left = 0;
  for (const row of rows) {
    const fits = asked.every((word) => words.get(row).includes(word)) && (!kind.value || row.dataset.class === kind.value);
    row.hidden = !fits;
    left += fits;
  }
  shown.textContent = left === rows.length ? "" : left + " of " + rows.length;
}
search.addEventListener("input", filter);
kind.addEventListener("change", filter);
sort.addEventListener("change", () => list.append(...rows.sort(order[sort.value])));
tools.addEventListener("submit", (event) => event.preventDefault());
tools.hidden = false;
