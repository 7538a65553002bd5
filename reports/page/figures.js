// Draws the figures, and follows one variant through figures and tables.
(() => {
  "use strict";

  const specs = JSON.parse(document.getElementById("figure-specs").textContent);
  const options = {
    renderer: "svg",
    ast: true, // expressions are interpreted: the page's policy forbids making code from text
    actions: { export: true, source: false, compiled: false, editor: false },
  };
  const views = [];
  let chosen = "";

  const choose = (label) => {
    chosen = label === chosen ? "" : label;
    for (const view of views) view.signal("chosen", chosen).runAsync();
    for (const chip of document.querySelectorAll(".chip")) {
      chip.setAttribute("aria-pressed", String(chip.dataset.label === chosen));
    }
    for (const row of document.querySelectorAll("tr[data-label]")) {
      row.classList.toggle("chosen", row.dataset.label === chosen);
    }
    document.querySelector(".clear").hidden = chosen === "";
  };

  const draw = async (place) => {
    const { view } = await vegaEmbed(place, specs[place.dataset.spec], options);
    view.addEventListener("click", (event, item) => {
      const label = item && item.datum && item.datum.label;
      if (label && document.querySelector(`.chip[data-label="${CSS.escape(label)}"]`)) choose(label);
    });
    views.push(view);
    if (chosen) view.signal("chosen", chosen).runAsync();
  };

  for (const chip of document.querySelectorAll(".chip")) {
    chip.addEventListener("click", () => choose(chip.dataset.label));
  }
  document.querySelector(".clear").addEventListener("click", () => choose(chosen));
  const places = [...document.querySelectorAll(".chart")];
  Promise.all(places.map(draw)).then(() => {
    document.documentElement.dataset.figures = "drawn";
  });
})();
