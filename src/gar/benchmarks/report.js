// The items of a report: filtered, paged and drawn. All text is set as text, never as HTML.
"use strict";
{
  const PAGE = 10;
  const NAMES = {
    right: "right", wrong: "wrong", above: "above the mean", below: "below the mean", unparsed: "unparsed",
    failed: "failed", unjudged: "not judged", differ: "runs differ",
  };
  const content = JSON.parse(document.getElementById("content").textContent);
  const by = (id) => document.getElementById(id);
  const filters = ["subject", "run", "flag", "group", "prompts", "order", "search"];
  let found = [], page = 0;

  // Building elements

  function make(tag, settings = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(settings)) {
      if (value === undefined || value === null || value === false) continue;
      element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function chip(number) {
    const [paper, ink] = content.colors[number % content.colors.length];
    const element = make("span", { class: "chip", "aria-label": `prompt ${number}` }, String(number));
    element.style.background = paper;
    element.style.color = ink;
    return element;
  }

  // A text with <PromptK> as the number on its color.
  function withChips(text) {
    return text.split(/<Prompt(\d{1,4})>/).map((part, place) => (place % 2 ? chip(Number(part)) : part));
  }

  // One item

  function drawItem(item) {
    const number = item.prompts === 1 ? "1 prompt" : `${item.prompts} prompts`;
    const heading = make("h3", {}, make("b", {}, item.name));
    const subject = content.subjects.length > 1 ? content.subjects[item.subject] : "";
    heading.append(...[item.group, item.prompts ? number : "", subject].filter(Boolean).map((text) => make("span", {}, text)));
    return make("article", { tabindex: -1, "aria-label": `item ${item.name}` }, heading,
      ...item.views.map((view) => drawView(view, item.views.length > 1)));
  }

  function drawView(view, several) {
    const side = make("div");
    if (view.question !== null) side.append(make("p", { class: "question" }, ...withChips(view.question)));
    if (view.options.length) side.append(drawOptions(view));
    if (view.facts.length) side.append(drawFacts(view.facts));
    side.append(...view.answers.map((answer) => drawAnswer(answer, view.options)));
    const shows = view.shows.length ? view.shows.join(", ") : several ? "as published" : null;
    return make("div", { class: "view" }, shows === null ? null : make("p", { class: "shows" }, `Shown: ${shows}`),
      drawPicture(view), side);
  }

  function drawPicture(view) {
    if (view.picture === null) return make("div", { class: "nothing" }, "no picture in this page");
    const [url, width, height] = content.pictures[view.picture];
    const alt = `${view.name} with ${view.prompts} marked regions`;
    return make("img", { src: url, width, height, alt, loading: "lazy", decoding: "async" });
  }

  const letter = (place) => String.fromCharCode(65 + place);

  function drawOptions(view) {
    return make("ul", { class: "options" }, ...view.options.map((option, place) => {
      const right = letter(place) === view.answer;
      return make("li", { class: right ? "true" : null }, `${letter(place)}. `, ...withChips(option), right ? " ✓ true" : "");
    }));
  }

  function drawFacts(facts) {
    const short = facts.every(([, value]) => value.length < 200);
    const list = make("dl", {}, ...facts.flatMap(([name, value]) =>
      [make("dt", {}, name), make("dd", {}, ...withChips(value))]));
    return make("details", { open: short && facts.length < 5 }, make("summary", {}, "what is known"), list);
  }

  function drawAnswer(answer, options) {
    const flags = answer.flags.map((flag) => make("span", { class: `flag ${flag}` }, NAMES[flag]));
    const header = make("header", {}, make("span", {}, content.runs[answer.run].label), ...flags, answer.shown);
    const said = answer.error !== null
      ? make("blockquote", { class: "error" }, `no answer: ${answer.error}`)
      : make("blockquote", {}, ...(answer.text ? withChips(answer.text) : ["(nothing)"]));
    const element = make("div", { class: "answer" }, header, said);
    if (answer.shares.length) element.append(drawShares(answer.shares, options));
    element.append(...answer.notes.map((note) => make("p", { class: "faint small" }, `note: ${note}`)));
    if (answer.judge.length) element.append(drawJudge(answer.judge));
    return element;
  }

  function drawShares(shares, options) {
    const head = make("tr", {}, make("td"), ...options.map((_, place) => make("th", { scope: "col" }, letter(place))));
    const rows = shares.map(([name, values]) => {
      const most = values.indexOf(Math.max(...values));
      const cells = values.map((value, place) =>
        make("td", { class: place === most ? "most" : null }, `${(100 * value).toFixed(0)} %`));
      return make("tr", {}, make("th", { scope: "row" }, name), ...cells);
    });
    return make("table", { class: "shares", "aria-label": "probabilities of the options" }, head, ...rows);
  }

  function drawJudge(lines) {
    const list = make("ol", { class: "judged" }, ...lines.map((line) => make("li", {},
      line.asked ? make("pre", {}, line.asked) : null,
      make("pre", { class: "reply" }, line.reply === null ? `no verdict: ${line.error ?? "not asked"}` : `→ ${line.reply}`))));
    const only = lines.length === 1 && lines[0].asked.length < 300;
    return make("details", { open: only }, make("summary", {}, lines.length === 1 ? "verdict" : `${lines.length} verdicts`), list);
  }

  // Filters

  function choices(id, first, values) {
    const select = by(id);
    const options = values.map(([value, text]) => make("option", { value }, text));
    select.replaceChildren(...(first === null ? [] : [make("option", { value: "" }, first)]), ...options);
    select.closest("label").hidden = values.length < 2;
  }

  function offer() {
    const unique = (values) => [...new Set(values)];
    choices("subject", "all", content.subjects.map((name, number) => [number, name]));
    choices("run", "any", content.runs.map((run, number) => [number, run.label]));
    choices("flag", "all", content.flags.map((flag) => [flag, NAMES[flag]]));
    choices("group", "all", unique(content.items.map((item) => item.group)).sort().map((name) => [name, name || "–"]));
    const counts = unique(content.items.map((item) => item.prompts)).sort((a, b) => a - b);
    choices("prompts", "any", counts.map((count) => [count, String(count)]));
    choices("order", null, [["name", "by name"], ["low", "lowest score first"], ["high", "highest score first"]]);
  }

  const answersOf = (item, run) =>
    item.views.flatMap((view) => view.answers).filter((answer) => run === "" || answer.run === Number(run));

  function textOf(item) {
    item.text ??= item.views.flatMap((view) => [view.question ?? "", ...view.options, ...view.facts.map((fact) => fact[1]),
      ...view.answers.map((answer) => answer.text)]).concat(item.name).join("\n").toLowerCase();
    return item.text;
  }

  function scoreOf(item, run) {
    const values = answersOf(item, run).map((answer) => answer.value).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;
  }

  function matches(item, asked) {
    if (asked.subject !== "" && item.subject !== Number(asked.subject)) return false;
    if (asked.group !== "" && item.group !== asked.group) return false;
    if (asked.prompts !== "" && item.prompts !== Number(asked.prompts)) return false;
    const answers = answersOf(item, asked.run);
    if (!answers.length) return false;
    if (asked.flag === "differ" ? !item.flags.includes("differ") : asked.flag !== "" &&
        !answers.some((answer) => answer.flags.includes(asked.flag))) return false;
    return textOf(item).includes(asked.search.trim().toLowerCase());
  }

  function filter() {
    const asked = Object.fromEntries(filters.map((id) => [id, by(id).value]));
    found = content.items.filter((item) => matches(item, asked));
    if (asked.order !== "name") {
      const sign = asked.order === "low" ? 1 : -1;
      const scores = new Map(found.map((item) => [item, scoreOf(item, asked.run)]));
      found.sort((a, b) => Number(isNaN(scores.get(a))) - Number(isNaN(scores.get(b)))
        || sign * (scores.get(a) - scores.get(b)) || 0);
    }
    page = 0;
    draw();
  }

  // Pages

  const pages = () => Math.max(1, Math.ceil(found.length / PAGE));

  function draw() {
    by("list").replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(drawItem));
    const of = found.length === content.items.length ? "" : ` of ${content.items.length}`;
    by("count").textContent = `${found.length}${of} items, page ${page + 1} of ${pages()}`;
    for (const button of document.querySelectorAll("[data-step]")) {
      const next = page + Number(button.dataset.step);
      button.disabled = next < 0 || next >= pages();
    }
  }

  function turn(step) {
    const next = page + step;
    if (next < 0 || next >= pages()) return;
    page = next;
    draw();
    by("items").scrollIntoView();
  }

  function move(step) {
    const articles = [...by("list").children];
    const at = articles.indexOf(document.activeElement.closest?.("article"));
    const next = articles[at < 0 ? (step > 0 ? 0 : articles.length - 1) : at + step];
    next?.focus();
    next?.scrollIntoView({ block: "start" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const actions = { ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), j: () => move(1), k: () => move(-1),
      "/": () => by("search").focus() };
    if (!(event.key in actions) || (event.key.startsWith("Arrow") && event.target.closest?.(".scroll, figure"))) return;
    event.preventDefault();
    actions[event.key]();
  });
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => turn(Number(button.dataset.step)));
  }
  by("filters").addEventListener("input", filter);
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  offer();
  filter();
}
