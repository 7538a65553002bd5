// The answers browser. All text reaches the page as text nodes: models write whatever they like.
(() => {
  "use strict";

  const data = JSON.parse(document.getElementById("data").textContent).answers;
  const $ = (id) => document.getElementById(id);
  const splits = Object.keys(data.splits);
  const element = (tag, text = "", name = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];

  // Appends `text` with the words of `telling` marked.
  const marked = (parent, text, telling) => {
    for (const piece of text.split(/([\p{L}\p{N}]+)/u)) {
      const tells = telling.has(piece.toLowerCase());
      parent.append(tells ? element("mark", piece) : document.createTextNode(piece));
    }
  };

  const fill = (select, values, names = {}) => {
    const before = select.value;
    select.replaceChildren(
      ...values.map((value) => {
        const option = element("option", names[value] || value);
        option.value = value;
        return option;
      }),
    );
    if (values.includes(before)) select.value = before;
  };

  const current = () => {
    const split = data.splits[$("g-split").value];
    const set = $("g-set").value;
    return { set, questions: split.sets[set][1], models: split.seeds[$("g-seed").value] };
  };

  const matches = (place, { set, questions, models }, needle) => {
    const answers = models.map((model) => (model.answers[set] || [])[place]);
    const texts = [...questions[place], ...answers.map((answer) => (answer ? answer[0] : ""))];
    return texts.some((text) => text.toLowerCase().includes(needle));
  };

  // The figures' own mark of a variant, taken from the legend.
  const glyph = (label) => {
    const chip = document.querySelector(`.legend .chip[data-label="${CSS.escape(label)}"] svg`);
    return chip ? chip.cloneNode(true) : document.createTextNode("");
  };

  const answer = (model, set, place, telling) => {
    const found = (model.answers[set] || [])[place];
    const term = element("dt");
    term.append(glyph(model.label), element("b", model.label), element("span", model.note));
    const body = element("dd");
    if (!found) {
      body.append(element("span", "not evaluated on this row", "empty"));
      return [term, body];
    }
    const [text, rouge, probability, repetition, perplexity] = found;
    if (text.trim()) marked(body, text, telling);
    else body.append(element("span", "empty answer", "empty"));
    const numbers = [];
    if (rouge !== null) numbers.push(`ROUGE-L ${rouge.toFixed(2)}`);
    if (probability !== null) numbers.push(`probability ${probability.toFixed(3)}`);
    if (repetition !== null) numbers.push(`repetition ${repetition.toFixed(2)}`);
    if (perplexity !== null) numbers.push(`perplexity ${perplexity.toPrecision(3)}`);
    body.append(element("small", numbers.join(" · ")));
    return [term, body];
  };

  const show = (place) => {
    const { set, questions, models } = current();
    const [question, truth] = questions[place];
    const known = new Set(words(question));
    const telling = new Set(words(truth).filter((word) => !known.has(word)));
    const list = element("dl");
    const head = element("div", "", "truth");
    const body = element("dd");
    marked(body, truth, telling);
    const term = element("dt");
    term.append(element("b", "True answer"));
    head.append(term, body);
    list.append(head, ...models.flatMap((model) => answer(model, set, place, telling)));
    $("g-answers").replaceChildren(element("h3", question), list);
    $("g-answers").scrollTop = 0;
  };

  const list = () => {
    const now = current();
    const needle = $("g-search").value.trim().toLowerCase();
    const places = [...now.questions.keys()].filter((place) => !needle || matches(place, now, needle));
    const before = Number($("g-list").querySelector(":checked")?.value ?? 0);
    const selected = places.includes(before) ? before : places[0];
    const labels = places.map((place) => {
      const label = element("label");
      const radio = element("input");
      radio.type = "radio";
      radio.name = "question";
      radio.value = String(place);
      radio.checked = place === selected;
      radio.addEventListener("change", () => show(place));
      label.append(radio, element("span", now.questions[place][0]));
      return label;
    });
    $("g-list").replaceChildren($("g-list").querySelector("legend"), ...labels);
    $("g-count").textContent = `${places.length} of ${now.questions.length} questions`;
    if (places.length) show(selected);
    else $("g-answers").replaceChildren(element("p", "Nothing matches the search.", "empty"));
  };

  const changeSplit = () => {
    const split = data.splits[$("g-split").value];
    const titles = Object.entries(split.sets).map(([set, [title]]) => [set, title]);
    fill($("g-set"), Object.keys(split.sets), Object.fromEntries(titles));
    fill($("g-seed"), Object.keys(split.seeds));
    list();
  };

  if (!splits.length) {
    $("browser").replaceChildren(element("p", "No answers were recorded.", "empty"));
    return;
  }
  fill($("g-split"), splits);
  $("g-split").addEventListener("change", changeSplit);
  for (const id of ["g-set", "g-seed"]) $(id).addEventListener("change", list);
  $("g-search").addEventListener("input", list);
  const limits = $("g-limits");
  limits.textContent =
    `The page holds up to ${data.forget_rows} questions of the forget set and ${data.other_rows} of each ` +
    `other set, the first seeds, and ${data.longest} characters of a text; all of it is in the rows.json ` +
    "of each evaluation.";
  changeSplit();
})();
