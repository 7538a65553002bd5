// The page's own behaviour: sorted tables, files, filtered claims, figures that follow one variant.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent);
  const say = (text) => {
    document.getElementById("status").textContent = text;
  };

  // --- tables: a click on a header sorts by its column, a second one turns the order round ---

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

  const parts = document.getElementById("toggle-parts");
  parts?.addEventListener("click", () => {
    const shown = parts.getAttribute("aria-pressed") !== "true";
    parts.setAttribute("aria-pressed", String(shown));
    for (const table of document.querySelectorAll("table.results")) {
      table.classList.toggle("with-parts", shown);
    }
  });

  // --- files: what the page carries along is saved from it, also where it was mailed alone ---

  for (const link of document.querySelectorAll("a[data-file]")) {
    const text = data.files[link.dataset.file];
    if (text === undefined) {
      link.title = `lies beside the page: ${link.dataset.file}`;
      continue;
    }
    link.download = link.dataset.file.split("/").pop();
    link.addEventListener("click", () => {
      link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
      setTimeout(() => {
        URL.revokeObjectURL(link.href);
        link.href = link.dataset.file;
      }, 1000);
    });
  }
  for (const button of document.querySelectorAll("button.copy")) {
    const text = data.files[button.dataset.file];
    button.setAttribute("aria-label", `Copy ${button.dataset.file.split("/").pop()}`);
    button.hidden = text === undefined;
    button.addEventListener("click", () => {
      const area = document.createElement("textarea");
      area.value = text; // the clipboard of a page that was opened as a file
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.textContent = "Copied";
      say(`${button.dataset.file} copied`);
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }

  // --- claims: those of one verdict, or all; a link to a claim opens it ---

  const filters = [...document.querySelectorAll("button.filter")];
  const show = (verdict) => {
    for (const filter of filters) {
      filter.setAttribute("aria-pressed", String(filter.dataset.verdict === verdict));
    }
    for (const claim of document.querySelectorAll(".claim")) {
      claim.hidden = verdict !== "" && claim.dataset.verdict !== verdict;
    }
    const folded = document.getElementById("claims-not-run");
    if (folded) folded.open = verdict === "not run";
  };
  for (const filter of filters) {
    filter.addEventListener("click", () => {
      show(filter.getAttribute("aria-pressed") === "true" ? "" : filter.dataset.verdict);
    });
  }
  for (const link of document.querySelectorAll("a[data-verdict]")) {
    link.addEventListener("click", () => show(link.dataset.verdict));
  }
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.classList.contains("claim")) show("");
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  reveal();

  // --- figures ---

  const options = {
    renderer: "svg",
    ast: true, // expressions are interpreted: the page's policy forbids making code from text
    actions: { export: true, source: false, compiled: false, editor: false },
  };
  const views = new Map();
  let chosen = "";

  const choose = (label) => {
    chosen = label === chosen ? "" : label;
    for (const view of views.values()) view.signal("chosen", chosen).runAsync();
    for (const chip of document.querySelectorAll(".chip")) {
      chip.setAttribute("aria-pressed", String(chip.dataset.label === chosen));
    }
    for (const row of document.querySelectorAll("tr[data-label]")) {
      row.classList.toggle("chosen", row.dataset.label === chosen);
    }
    for (const clear of document.querySelectorAll(".clear")) clear.hidden = chosen === "";
  };

  // The whole range of forget quality: the same figure on a linear axis.
  const linear = (value) => {
    if (Array.isArray(value)) return value.map(linear);
    if (value === null || typeof value !== "object") return value;
    if (value.scale?.type === "symlog") {
      return { ...value, scale: { domainMax: value.scale.domainMax }, axis: undefined };
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, linear(inner)]));
  };
  let wide = false;

  const draw = async (place) => {
    const spec = data.specs[place.dataset.spec];
    const { view } = await vegaEmbed(place, wide ? linear(spec) : spec, options);
    view.addEventListener("click", (event, item) => {
      const label = item && item.datum && item.datum.label;
      if (label && document.querySelector(`.chip[data-label="${CSS.escape(label)}"]`)) choose(label);
    });
    const menu = place.querySelector("summary");
    menu?.setAttribute("aria-label", `Save the figure: ${place.dataset.title}`);
    const picture = place.querySelector("svg.marks");
    picture?.setAttribute("role", "img");
    picture?.setAttribute("aria-label", place.dataset.title);
    views.set(place, view);
    if (chosen) view.signal("chosen", chosen).runAsync();
  };

  for (const chip of document.querySelectorAll(".chip")) {
    chip.addEventListener("click", () => choose(chip.dataset.label));
  }
  for (const clear of document.querySelectorAll(".clear")) {
    clear.addEventListener("click", () => choose(chosen));
  }
  const places = [...document.querySelectorAll(".chart")];
  const axes = document.getElementById("toggle-axes");
  if (axes) axes.hidden = !places.some((place) => JSON.stringify(data.specs[place.dataset.spec]).includes('"symlog"'));
  axes?.addEventListener("click", () => {
    wide = axes.getAttribute("aria-pressed") !== "true";
    axes.setAttribute("aria-pressed", String(wide));
    for (const place of places) {
      if (JSON.stringify(data.specs[place.dataset.spec]).includes('"symlog"')) draw(place);
    }
  });

  // What is in sight first, the rest one by one, so that a long page can be read at once.
  const drawAll = async () => {
    const near = places.filter((place) => place.getBoundingClientRect().top < 2 * innerHeight);
    await Promise.all(near.map(draw));
    document.documentElement.dataset.figures = "ready";
    for (const place of places.filter((place) => !near.includes(place))) {
      await draw(place);
      await new Promise((resolve) => setTimeout(resolve));
    }
    document.documentElement.dataset.figures = "drawn";
  };
  drawAll();
})();
