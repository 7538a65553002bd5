// Sortable tables: a click on a header sorts by its column, a second one turns the order round.
(() => {
  "use strict";

  const valueOf = (row, column) => {
    const text = row.cells[column].dataset.value;
    if (text === undefined || text === "") return null;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  };

  // A row without a value stays last whichever way the table is sorted.
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };

  const sort = (table, header) => {
    const column = header.cellIndex;
    const before = header.getAttribute("aria-sort");
    const lowFirst = !header.classList.contains("number") || header.dataset.better === "lower";
    const first = lowFirst ? "ascending" : "descending";
    const second = lowFirst ? "descending" : "ascending";
    const order = before === first ? second : first;
    for (const other of header.parentElement.cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => compare(valueOf(a, column), valueOf(b, column), sign));
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const button of table.querySelectorAll("thead button")) {
      button.addEventListener("click", () => sort(table, button.closest("th")));
    }
  }

  const toggle = document.getElementById("toggle-parts"); // TOFU's table alone has it
  toggle?.addEventListener("click", () => {
    const shown = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(shown));
    for (const table of document.querySelectorAll("table.results")) {
      table.classList.toggle("with-parts", shown);
    }
  });
})();
