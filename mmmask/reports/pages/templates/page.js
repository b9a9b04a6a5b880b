"use strict";
(() => {
  const PAGE = 60;  // cards at a time

  const hyphened = (text) => text.replace(/(\d)-(\d)/g, "$1\u2011$2");  // 30-59 stays whole
  const breaking = (text) => text.split(/(?<=\w[_/])/).flatMap((part) => [part, make("wbr")]);

  // ---- light and dark
  const root = document.documentElement, theme = document.getElementById("theme");
  const dark = () => root.dataset.theme === "dark" ||
    (root.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const name = () => { theme.setAttribute("aria-pressed", String(dark())); };
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("mmmask-theme", root.dataset.theme); } catch { /* private window */ }
    name();
  });
  name();

  // ---- photos: read once, when the first is wanted
  let store;
  const source = (number) => {
    store ??= JSON.parse(document.getElementById("thumbnails").textContent);
    return "data:image/webp;base64," + store[number];
  };

  // ---- tables
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const key = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset
      ? (cell.dataset.value === "" || cell.dataset.value === "nan" ? NaN : Number(cell.dataset.value))
      : cell.textContent.trim();
  };
  const sort = (table, column, descending) => {
    const body = table.tBodies[0], sign = descending ? -1 : 1;
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (typeof a === "string") return sign * compare(a, b);
      return (isNaN(a) - isNaN(b)) || sign * (a - b);  // what is missing stands last
    });
    body.append(...rows.map(([, row]) => row));
    table.querySelectorAll("th").forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };
  const prepareTable = (box) => {
    const table = box.querySelector("table");
    table.querySelectorAll("td.long").forEach((cell) => cell.replaceChildren(...breaking(cell.textContent)));
    table.querySelectorAll("th").forEach((head, column) => {
      const button = head.querySelector(".sort");
      if (!button) return;
      button.textContent = hyphened(button.textContent);
      button.addEventListener("click", () => {
        const first = head.classList.contains("figure") ? "descending" : "ascending";
        const now = head.getAttribute("aria-sort");
        sort(table, column, now ? now !== "descending" : first === "descending");
      });
    });
    const search = box.querySelector(".search");
    search?.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      const total = table.tBodies[0].rows.length;
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      }
      box.querySelector(".count").textContent =
        `${shown.toLocaleString("en")} of ${total.toLocaleString("en")} ${total === 1 ? "row" : "rows"}`;
    });
  };

  // ---- galleries
  const galleries = new Map();
  const prepareGallery = (box) => {
    const data = JSON.parse(box.querySelector("script").textContent);
    const total = data.titles.length, form = box.querySelector("form");
    const cards = box.querySelector(".cards"), bars = box.querySelectorAll(".pages");
    const selects = {};
    const lower = data.titles.map((title) => title.toLowerCase());
    let order = null, found = [], page = 0;

    for (const [facet, { values }] of Object.entries(data.facets)) {
      const select = selects[facet] = make("select");
      select.append(make("option", { value: "", textContent: "all" }));
      values.forEach((value, code) => select.append(make("option", { value: String(code) })));
      form.append(make("label", {}, facet, select));
    }
    const keys = Object.keys(data.orders);
    if (keys.length) {
      order = make("select");
      order.append(...keys.map((each) => make("option", { value: each, textContent: each })));
      form.append(make("label", {}, "order", order));
    }
    const search = make("input", { type: "search" });
    form.append(make("label", {}, "name contains", search));
    const clear = make("button", { type: "button", textContent: "Clear" });
    form.append(clear);

    const count = () => {  // how many photos each choice would leave, the others as they are
      const wanted = search.value.trim().toLowerCase();
      const parts = Object.entries(selects).map(([facet, select]) => {
        const { values, codes } = data.facets[facet];
        return { select, values, codes, sums: new Array(values.length).fill(0), all: 0,
          code: select.value === "" ? -1 : Number(select.value) };
      });
      const add = (part, row) => { part.sums[part.codes[row]]++; part.all++; };
      found = [];
      for (let row = 0; row < total; row++) {
        if (wanted && !lower[row].includes(wanted)) continue;
        const misses = parts.filter(({ code, codes }) => code >= 0 && codes[row] !== code);
        if (misses.length === 0) { found.push(row); for (const part of parts) add(part, row); }
        else if (misses.length === 1) add(misses[0], row);
      }
      for (const { select, values, sums, all } of parts) {
        select.options[0].textContent = `all (${all.toLocaleString("en")})`;
        values.forEach((value, code) => {
          const option = select.options[code + 1];
          option.textContent = `${value} (${sums[code].toLocaleString("en")})`;
          option.hidden = sums[code] === 0 && select.value !== option.value;
        });
      }
      if (order) {
        const values = data.orders[order.value];
        found.sort((a, b) => values[b] - values[a]);
      }
    };
    const card = (row) => {
      const pictures = make("div", { className: "pictures" });
      const of = (column) => column ? column.values[column.codes[row]] : "";
      for (const [caption, numbers] of Object.entries(data.pictures)) {
        const said = of(data.captions[caption]), figure = make("figure", { className: of(data.marked[caption]) });
        if (numbers[row] < 0 && !said) continue;
        const words = caption ? `${caption}: ${data.titles[row]}` : data.titles[row];
        if (numbers[row] >= 0) figure.append(make("img", { src: source(numbers[row]), alt: words, decoding: "async" }));
        if (caption) figure.append(make("figcaption", {}, ...breaking(caption), ...(said ? [make("b", {}, ...breaking(said))] : [])));
        pictures.append(figure);
      }
      if (!data.rows && pictures.childElementCount === 1) pictures.querySelector("figcaption")?.remove();
      const lines = make("dl"), lead = make("p", { className: "lead" });
      for (const [term, { values, codes }] of Object.entries(data.lines)) {
        const words = hyphened(values[codes[row]]);
        if (!words) continue;
        if (term) lines.append(make("dt", { textContent: term }), make("dd", { textContent: words }));
        else lead.textContent = words;
      }
      const title = make("p", { className: "name" }, ...breaking(data.titles[row]));
      const item = make("li", { className: data.tones[row] ?? "" }, pictures, lead, lines, title);
      item.classList.toggle("row", data.rows);
      item.classList.toggle("several", !data.rows && (pictures.childElementCount > 1 || data.strip.length > 0));
      if (data.strip.length) {
        item.classList.toggle("beside", pictures.childElementCount === 1);
        if (data.strip[row].length) item.append(strip(data.strip[row]));
      }
      return item;
    };
    const strip = (others) => make("div", { className: "strip" }, make("p", { textContent: data.strip_name }),
      make("ul", {}, ...others.map(([number, words]) => make("li", {},
        ...(number < 0 ? [] : [make("img", { src: source(number), alt: `${data.strip_name}:`, decoding: "async" })]),
        ...words.map(([word, unlike]) => make("span", { textContent: hyphened(word), className: unlike ? "unlike" : "" }))))));
    const buttons = [...bars].map((bar) => {
      const previous = make("button", { type: "button", className: "small previous", textContent: "Previous" });
      const next = make("button", { type: "button", className: "small next", textContent: "Next" });
      const place = make("span", { className: "count place" });
      bar.append(previous, place, next);
      previous.addEventListener("click", () => turn(-1, bar));
      next.addEventListener("click", () => turn(1, bar));
      return { previous, next, place, bar };
    });
    const turn = (by, bar) => {
      page += by;
      showPage();
      if (bar.classList.contains("below")) box.scrollIntoView();
    };
    const showPage = () => {
      const pages = Math.max(1, Math.ceil(found.length / PAGE));
      cards.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(card));
      box.querySelector("output").textContent =
        `${found.length.toLocaleString("en")} of ${total.toLocaleString("en")} ${data.noun}`;
      for (const { previous, next, place, bar } of buttons) {
        previous.disabled = page === 0;
        next.disabled = page >= pages - 1;
        place.textContent = `page ${page + 1} of ${pages.toLocaleString("en")}`;
        for (const part of [previous, next, place]) part.hidden = pages === 1;
        if (bar.classList.contains("below")) bar.hidden = pages === 1;
      }
    };
    const refresh = () => { page = 0; count(); showPage(); };
    const choose = (facets, words = "") => {
      for (const [facet, select] of Object.entries(selects)) {
        const code = facet in facets ? data.facets[facet].values.indexOf(facets[facet]) : -1;
        select.value = code < 0 ? "" : String(code);
      }
      search.value = words;
      refresh();
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", refresh);
    search.addEventListener("input", refresh);
    clear.addEventListener("click", () => choose({}));
    galleries.set(box.id, (facets, words) => {
      choose(facets, words);
      box.scrollIntoView();
      form.querySelector("select, input").focus({ preventScroll: true });
    });
    choose(data.chosen);
  };

  // ---- maps: a path for each colour, so that ten thousand dots are a few elements
  const prepareMap = (box) => {
    const data = JSON.parse(box.querySelector("script").textContent), total = data.titles.length;
    const form = box.querySelector("form"), keys = box.querySelector(".keys"), one = box.querySelector(".one");
    const field = box.querySelector(".field"), picture = field.querySelector("svg"), ring = shape("circle", {});
    const width = Math.min(9, Math.max(4, 160 / Math.sqrt(total)));  // pixels
    const x = data.x.map((value) => 20 + 0.96 * value), y = data.y.map((value) => 15 + 0.72 * value);
    let view = data.views[0], only = -1, current = -1, paths = [];

    const draw = () => {
      const parts = view.values.map(() => []);
      for (let row = 0; row < total; row++) parts[view.codes[row]].push(`M${x[row].toFixed(1)} ${y[row].toFixed(1)}h.01`);
      paths = parts.map((part, code) => shape("path", { d: part.join(""), "stroke-width": width, class: view.tones[code] }));
      picture.replaceChildren(...paths, ring);
      keys.replaceChildren(...view.values.map((value, code) => {
        const sample = shape("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" });
        sample.append(shape("path", { d: "M6 6h.01", "stroke-width": 8, class: view.tones[code] }));
        const button = make("button", { type: "button" }, sample, `${hyphened(value)} (${parts[code].length.toLocaleString("en")})`);
        button.addEventListener("click", () => { only = only === code ? -1 : code; mark(); });
        return make("li", {}, button);
      }));
      only = -1;
      mark();
    };
    const mark = () => {  // one colour alone, or all
      paths.forEach((path, code) => path.classList.toggle("faint", only >= 0 && only !== code));
      keys.querySelectorAll("button").forEach((button, code) => button.setAttribute("aria-pressed", String(only === code)));
    };
    const words = (name, row) => data.lines[name]?.values[data.lines[name].codes[row]] ?? "";
    const show = (row) => {
      if (row < 0 || row === current) return;
      current = row;
      ring.setAttribute("r", 9);  // without it nothing is drawn
      ring.setAttribute("cx", x[row]);
      ring.setAttribute("cy", y[row]);
      const list = make("dl");
      for (const name of Object.keys(data.lines)) {
        if (!words(name, row)) continue;
        const differs = name === "answer" && !words("label", row).includes(words(name, row));
        list.append(make("dt", { textContent: name }),
          make("dd", { textContent: hyphened(words(name, row)), className: differs ? "differs" : "" }));
      }
      const parts = [make("p", { className: "name" }, ...breaking(data.titles[row])), list];
      if (data.pictures[row] >= 0) parts.unshift(make("img", { src: source(data.pictures[row]), alt: "" }));
      if (data.listed[row]) {
        const button = make("button", { type: "button", className: "small", textContent: "Show wrong answers" });
        Object.assign(button.dataset, { gallery: "errors", facets: "{}", search: data.titles[row] });
        parts.push(button);
      }
      one.replaceChildren(...parts);
    };
    const nearest = (left, top, most, fits = () => true) => {
      let best = -1, least = most * most;
      for (let row = 0; row < total; row++) {
        const away = (x[row] - left) ** 2 + (y[row] - top) ** 2;
        if (away < least && (only < 0 || view.codes[row] === only) && fits(x[row] - left, y[row] - top, row)) [best, least] = [row, away];
      }
      return best;
    };
    const point = (event) => {
      const { left, top, width: wide } = picture.getBoundingClientRect(), scale = 1000 / wide;
      show(nearest((event.clientX - left) * scale, (event.clientY - top) * scale, 24 * scale));
    };
    field.addEventListener("pointermove", point);
    field.addEventListener("pointerdown", point);
    const SIDES = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    field.addEventListener("keydown", (event) => {
      const side = SIDES[event.key];
      if (!side) return;
      event.preventDefault();
      if (current < 0) return show(nearest(500, 375, 2000));
      show(nearest(x[current], y[current], 2000, (right, down, row) => row !== current &&
        side[0] * right + side[1] * down >= Math.abs(side[1] * right) + Math.abs(side[0] * down)));
    });

    const select = make("select"), search = make("input", { type: "search" });
    select.append(...data.views.map(({ name }) => make("option", { value: name, textContent: name })));
    form.append(make("label", {}, "colour by", select), make("label", {}, "name contains", search));
    form.addEventListener("submit", (event) => event.preventDefault());
    select.addEventListener("change", () => { view = data.views[select.selectedIndex]; draw(); });
    search.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      if (wanted) show(data.titles.findIndex((title) => title.toLowerCase().includes(wanted)));
    });
    draw();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-gallery]");
    if (button) {
      const { gallery, facets, search } = button.dataset;
      galleries.get(gallery)?.(JSON.parse(facets), search);
    }
  });
  document.querySelectorAll(".table").forEach(prepareTable);
  document.addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(() => {
    // After the first paint: words first, then photos.
    document.querySelectorAll(".gallery").forEach(prepareGallery);
    document.querySelectorAll(".map").forEach(prepareMap);
    document.querySelectorAll("img[data-thumbnail]").forEach((image) => {
      image.src = source(Number(image.dataset.thumbnail));
    });
    root.dataset.ready = "yes";
  })));
})();
