"use strict";
// The table of records. Only the rows in sight are in the document, whatever their number; every value is put there as
// text, never as markup.
(() => {
  const {columns, rows} = JSON.parse(document.getElementById("data").textContent);
  const OVERSCAN = 12, PRINTED = 2000;
  const find = (id) => document.getElementById(id);
  const region = find("scroll"), table = find("table"), body = table.tBodies[0], count = find("count");
  const spelled = (number) => number.toLocaleString("en");
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const spacers = [0, 1].map(() => make("tr", {className: "spacer"}, make("td", {colSpan: columns.length})));
  spacers.forEach((spacer) => spacer.setAttribute("aria-hidden", "true"));

  let order = rows.map((_, index) => index);
  let shown = new Map(); // position in the order -> its row in the document
  let active = 0, height = 36, printing = false;
  let sorted = {column: -1, direction: 1};
  const chosen = new Map();
  let haystacks = null;
  const keys = new Map();

  const haystack = (row) => row.flat(2).filter((part) => part !== null).join("\n").toLowerCase();
  // Digits compare as numbers when they are equally long.
  const keyOf = (value) => String(value ?? "").toLowerCase().replace(/\d+/g, (digits) => digits.padStart(20, "0"));

  function choose() {
    const words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !haystacks) haystacks = rows.map(haystack);
    order = [];
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index];
      if ([...chosen].every(([column, value]) => String(row[column] ?? "") === value)
          && words.every((word) => haystacks[index].includes(word))) order.push(index);
    }
    sort();
    region.scrollTop = active = 0;
    redraw();
    count.textContent = order.length === rows.length
      ? `${spelled(rows.length)} rows` : `${spelled(order.length)} of ${spelled(rows.length)} rows`;
  }

  function sort() {
    const {column, direction} = sorted;
    if (column < 0) return;
    if (!keys.has(column)) keys.set(column, rows.map((row) => keyOf(row[column])));
    const key = keys.get(column);
    order.sort((a, b) => (key[a] < key[b] ? -direction : key[a] > key[b] ? direction : a - b));
  }

  function cell(column, value, position) {
    const text = value === null || value === undefined ? "" : String(value);
    const element = make("td", {className: column.kind});
    if (column.kind.includes("action")) element.classList.add(text.replace(" ", "_"));
    if (!column.opens) { element.textContent = text; element.title = text; return element; }
    const button = make("button", {type: "button", textContent: text, title: text, tabIndex: position === active ? 0 : -1});
    button.addEventListener("click", () => open(position));
    button.addEventListener("focus", () => { if (active !== position) activate(position, false); });
    element.append(button);
    return element;
  }

  function draw(position) {
    const row = rows[order[position]];
    const element = make("tr", {}, ...columns.map((column, index) => cell(column, row[index], position)));
    element.setAttribute("aria-rowindex", position + 2);
    return element;
  }

  function redraw() {
    shown = new Map();
    body.replaceChildren(...spacers);
    table.setAttribute("aria-rowcount", order.length + 1);
    update();
  }

  function update(top = region.scrollTop) {
    const first = printing ? 0 : Math.max(0, Math.floor(top / height) - OVERSCAN);
    const last = printing ? Math.min(order.length, PRINTED)
      : Math.min(order.length, Math.ceil((top + region.clientHeight) / height) + OVERSCAN);
    let hadFocus = false;
    spacers[0].firstChild.style.height = `${first * height}px`;
    spacers[1].firstChild.style.height = `${(order.length - last) * height}px`;
    for (const [position, element] of shown) {
      if (position >= first && position < last) continue;
      hadFocus ||= element.contains(document.activeElement);
      element.remove();
      shown.delete(position);
    }
    let before = spacers[1];
    for (let position = last - 1; position >= first; position--) {
      if (!shown.has(position)) {
        shown.set(position, draw(position));
        body.insertBefore(shown.get(position), before);
      }
      before = shown.get(position);
    }
    // Not before all rows are there: whatever lays out the table while it is shorter scrolls it back.
    if (hadFocus) region.focus({preventScroll: true});
    if (region.scrollTop !== top) region.scrollTop = top;
  }

  function activate(position, moves = true) {
    const buttonAt = (at) => shown.get(at)?.querySelector("button");
    const old = buttonAt(active);
    if (old) old.tabIndex = -1;
    active = Math.max(0, Math.min(order.length - 1, position));
    if (moves) {
      const start = active * height, end = start + height + table.tHead.offsetHeight;
      update(Math.min(start, Math.max(region.scrollTop, end - region.clientHeight)));
    }
    const button = buttonAt(active);
    if (!button) return;
    button.tabIndex = 0;
    if (moves) button.focus({preventScroll: true});
  }

  function open(position) {
    const row = rows[order[position]], fields = row[columns.length] ?? [];
    const line = (...parts) => make("tr", {}, ...parts.map((part, index) =>
      make(index ? "td" : "th", {textContent: part ?? "", scope: index ? "" : "row", className: index ? "code" : ""})));
    find("detail-title").textContent = row[columns.findIndex((column) => column.opens)];
    const facts = columns.map((column, index) => [column.title, column.opens ? "" : row[index] ?? ""]);
    const changes = fields.filter((field) => field.length === 3);
    facts.push(...fields.filter((field) => field.length === 2));
    find("detail-facts").replaceChildren(...facts.filter(([, value]) => value !== "").map((fact) => line(...fact)));
    find("detail-fields").replaceChildren(...changes.map((change) => line(...change)));
    find("detail-changes").hidden = !changes.length;
    find("detail").showModal();
  }

  function sortBy(column) {
    const again = sorted.column === column;
    sorted = again && sorted.direction < 0 ? {column: -1, direction: 1} : {column, direction: again ? -1 : 1};
    [...table.tHead.rows[0].cells].forEach((head, index) => {
      if (index === sorted.column) head.setAttribute("aria-sort", sorted.direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    choose();
  }

  function heads() {
    return columns.map((column, index) => {
      const button = make("button", {type: "button", textContent: column.title});
      button.addEventListener("click", () => sortBy(index));
      const head = make("th", {scope: "col", className: column.kind}, button);
      head.dataset.title = column.title;
      return head;
    });
  }

  function filters() {
    return columns.flatMap((column, index) => {
      if (!column.filter) return [];
      const values = [...new Set(rows.map((row) => String(row[index] ?? "")))].sort();
      const options = values.map((value) => make("option", {value, textContent: value || "(none)"}));
      const select = make("select", {id: `filter-${index}`}, make("option", {value: "\0", textContent: "all"}), ...options);
      select.addEventListener("change", () => {
        if (select.value === "\0") chosen.delete(index); else chosen.set(index, select.value);
        choose();
      });
      return [make("label", {}, column.title, select)];
    });
  }

  function print(isPrinting) {
    printing = isPrinting;
    const printed = Math.min(order.length, PRINTED);
    find("printed").textContent = printed < rows.length
      ? `Printed: ${spelled(printed)} of ${spelled(rows.length)} rows.` : `All ${spelled(rows.length)} rows.`;
    redraw();
  }

  const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity};
  body.addEventListener("keydown", (event) => {
    if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    activate(active + steps[event.key]);
  });
  region.addEventListener("scroll", () => update(), {passive: true});
  addEventListener("resize", () => update());
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  find("search").addEventListener("input", choose);
  find("close").addEventListener("click", () => find("detail").close());

  table.tHead.rows[0].replaceChildren(...heads());
  find("filters").replaceChildren(...filters());
  find("controls").hidden = false;
  choose();
  if (shown.size) {
    height = shown.get(0).getBoundingClientRect().height || height;
    redraw();
  }
})();
