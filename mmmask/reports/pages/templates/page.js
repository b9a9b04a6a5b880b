"use strict";
(() => {
  const PAGE = 60;  // cards at a time

  const breaking = (text) => text.split(/(?<=[_/])/).flatMap((part) => [part, make("wbr")]);

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
    table.querySelectorAll("th").forEach((head, column) => {
      head.querySelector(".sort")?.addEventListener("click", () => {
        const first = head.classList.contains("figure") ? "descending" : "ascending";
        const now = head.getAttribute("aria-sort");
        sort(table, column, now ? now !== "descending" : first === "descending");
      });
    });
    const search = box.querySelector(".search");
    search?.addEventListener("input", () => {
      const wanted = search.value.trim().toLowerCase();
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      }
      box.querySelector(".count").textContent =
        `${shown.toLocaleString("en")} of ${table.tBodies[0].rows.length.toLocaleString("en")} rows`;
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
        if (caption) figure.append(make("figcaption", {}, ...breaking(caption), ...(said ? [make("b", { textContent: said })] : [])));
        pictures.append(figure);
      }
      if (!data.rows && pictures.childElementCount === 1) pictures.querySelector("figcaption")?.remove();
      const lines = make("dl"), lead = make("p", { className: "lead" });
      for (const [term, { values, codes }] of Object.entries(data.lines)) {
        const words = values[codes[row]].replace(/(\d)-(\d)/g, "$1\u2011$2");  // 30-59 stays whole
        if (!words) continue;
        if (term) lines.append(make("dt", { textContent: term }), make("dd", { textContent: words }));
        else lead.textContent = words;
      }
      const title = make("p", { className: "name" }, ...breaking(data.titles[row]));
      const item = make("li", { className: data.tones[row] ?? "" }, pictures, lead, lines, title);
      item.classList.toggle("row", data.rows);
      item.classList.toggle("several", !data.rows && pictures.childElementCount > 1);
      return item;
    };
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
    document.querySelectorAll("img[data-thumbnail]").forEach((image) => {
      image.src = source(Number(image.dataset.thumbnail));
    });
    root.dataset.ready = "yes";
  })));
})();
