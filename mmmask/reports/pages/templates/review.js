"use strict";
(() => {
  const review = JSON.parse(at("review").textContent), { issues, people, attributes } = review;
  const VERDICTS = {
    open: "open", accept: "accepted", set: "set", keep: "kept", later: "for later", made: "already corrected",
  };
  const root = document.documentElement;

  let state;              // what the server last said, of all label issues
  let current = 0;        // the label issue that shows
  let chosen;             // the photo that 1, 2 and 3 are about
  let busy = false, turn = 0;

  const say = (text, fault = false) => {
    at("said").textContent = text;
    at("said").classList.toggle("fault", fault);
  };
  const capital = (text) => text[0].toUpperCase() + text.slice(1);
  const sure = (probability) => probability < 0.995 ? probability.toFixed(2) : ">0.99";
  const plural = (number, one, many) => `${number} ${number === 1 ? one : many}`;

  // ---- what a label issue is about
  const isSwap = (issue) => issue.value === review.swap;
  const stemsOf = (issue) => people[issue.person].map(({ stem }) => stem);
  const isAbout = (issue, stem) =>
    isSwap(issue) ? review.exposed.includes(stem) : issue.photo === stem;
  const proposed = (issue) => isSwap(issue) ? "swapped" : issue.value;
  const decided = ({ verdict, values = {} }) => verdict !== "set" ? VERDICTS[verdict]
    : "set to " + Object.entries(values).map(([photo, value]) => photo === "*" ? value : `${photo} ${value}`).join(", ");

  // ---- which come next, in the order of the list
  const isShown = (number) => (!at("kind").value || issues[number].kind === at("kind").value) &&
    (!at("verdict").value || state.decisions[number].verdict === at("verdict").value);
  const after = (number, wanted, by = 1) => {
    for (let step = 1; step <= issues.length; step++) {
      const other = (number + by * step + step * issues.length) % issues.length;
      if (other !== number && wanted(other)) return other;
    }
  };
  const toDecide = (number) => isShown(number) &&
    (at("verdict").value !== "" || state.decisions[number].verdict === "open");

  // ---- the server: what it says is the truth; a decision counts when it has answered
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const send = async (path, body) => {
    for (;;) {
      try {
        const reply = await fetch(path, {
          method: "POST", headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ list: review.list, version: state.version, ...body }),
        });
        const content = await reply.json();
        if (!reply.ok) throw new Error(content.error);
        return content;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;  // it has answered, and refused
        say("The server does not answer. This tab keeps the decision and sends it when the same command runs again.", true);
        await pause(1000);
      }
    }
  };
  const take = (answer) => {
    turn++;
    state = {
      ...answer,
      decisions: { ...state?.decisions, ...answer.decisions },
      labels: { ...state?.labels, ...answer.labels },
    };
    Object.keys(answer.decisions).forEach((number) => renderRow(Number(number)));
    renderProgress();
  };
  const working = async (work) => {
    if (busy) return;  // the next label issue has not been seen yet
    busy = true;
    root.dataset.busy = "yes";
    try {
      await work();
    } catch (error) {
      say(`Not stored: ${error.message}.`, true);
    }
    busy = false;
    delete root.dataset.busy;
  };
  const others = new BroadcastChannel("mmmask-review-" + review.list);

  const decide = (verdict, values = {}) => working(async () => {
    const number = current, next = after(number, toDecide);
    let answer;
    for (;;) {
      answer = await send("/decide", { number, verdict, values });
      if (answer.stored) break;
      const before = JSON.stringify(state.decisions[number]);
      take(answer);
      if (JSON.stringify(state.decisions[number]) !== before) {
        show(number);
        say(`Changed meanwhile, in another tab or by hand: ${decided(state.decisions[number])}. Decide again to change it.`, true);
        return;
      }
    }
    take(answer);
    others.postMessage(answer.version);
    const { person } = issues[number];
    const done = `${capital(decided(state.decisions[number]))}: ${person}.`;
    if (next === undefined) {
      show(number);
      const later = Object.values(state.decisions).filter(({ verdict }) => verdict === "later").length;
      say(`${done} That was the last one in this list${later ? `; ${plural(later, "is", "are")} for later` : ""}.`);
    } else {
      show(next);
      say(`${done} Stored; u takes it back.`);
    }
  });

  const undo = () => working(async () => {
    if (!state.undo) return say("There is nothing to undo.");
    const answer = await send("/undo", {});
    take(answer);
    others.postMessage(answer.version);
    if (answer.stored) {
      show(answer.undone);
      say(`Undone: ${issues[answer.undone].person} is ${decided(state.decisions[answer.undone])} again.`);
    } else {
      show(current);
      say("Changed meanwhile, in another tab or by hand. Press u again to take the last decision back.", true);
    }
  });

  const refresh = async () => {
    const mine = turn;
    try {
      const reply = await fetch("/state", { headers: { "If-None-Match": `"${state.version}"` } });
      if (reply.status !== 200) return;
      const answer = await reply.json();
      if (busy || mine !== turn) {  // may be older or newer than what came meanwhile
        await pause(100);
        return refresh();
      }
      if (answer.list !== review.list) return location.reload();
      take(answer);
      show(current);
    } catch { /* a decision would tell */ }
  };

  // ---- render
  const renderProgress = () => {
    const count = {};
    for (const { verdict } of Object.values(state.decisions)) count[verdict] = (count[verdict] ?? 0) + 1;
    const total = issues.length, open = (count.open ?? 0) + (count.later ?? 0);
    const parts = Object.entries(VERDICTS).filter(([name]) => count[name] && name !== "open")
      .map(([name, word]) => `${count[name]} ${word}`);
    if (state.pace) {
      parts.push(`${state.pace.toFixed(state.pace < 10 ? 1 : 0)} per minute`);
      if (count.open) parts.push(`about ${plural(Math.ceil(count.open / state.pace), "minute", "minutes")} left`);
    }
    at("progress").replaceChildren(make("b", { textContent: `${total - open} of ${total} decided` }),
      parts.length ? ` · ${parts.join(" · ")}` : "");
    at("done").style.width = `${100 * (total - open) / total}%`;
    at("undo").disabled = !state.undo;
    for (const option of at("verdict").options) {
      if (option.value) option.textContent = `${VERDICTS[option.value]} (${count[option.value] ?? 0})`;
    }
  };

  const rows = issues.map((issue, number) => {
    const go = make("button", { type: "button", className: "go", textContent: issue.person });
    go.addEventListener("click", () => { show(number); say(""); scrollTo({ top: 0 }); });
    const row = make("tr", {},
      make("td", { className: "figure wide", textContent: number + 1 }), make("td", {}, go),
      make("td", { textContent: issue.kind }),
      make("td", { className: "wide", textContent: issue.photo === "*" ? "all" : issue.photo }),
      make("td", { className: "wide" }), make("td", { textContent: proposed(issue) }),
      make("td", { className: "figure wide", textContent: issue.probability === null ? "–" : sure(issue.probability) }), make("td"));
    at("rows").append(row);
    return row;
  });
  const renderRow = (number) => {
    const known = state.decisions[number], { cells } = rows[number];
    cells[4].textContent = known.was;
    cells[7].textContent = decided(known);
    cells[7].className = known.verdict;
  };
  const renderList = () => {
    rows.forEach((row, number) => {
      row.hidden = !isShown(number);
      row.toggleAttribute("aria-current", number === current);
      if (number === current) row.setAttribute("aria-current", "true");
    });
    at("none").hidden = rows.some((row) => !row.hidden);
  };

  const groupOf = (age) => /^\d+$/.test(age) ? attributes.age[review.cuts.filter((cut) => age >= cut).length] : "unknown";
  const opinion = (issue, { stem, says }) => {
    if (!says) return "";
    const label = state.labels[issue.person][stem];
    const list = make("dl", { className: "says" });
    for (const [name, values] of Object.entries(says)) {
      const best = values.indexOf(Math.max(...values)), word = attributes[name][best];
      const labelled = name === "age" ? groupOf(label.age) : label[name];
      const bar = make("i");
      bar.style.width = `${100 * values[best]}%`;
      list.append(make("div", { className: (name === issue.kind ? "asked" : "") + (![word, "unknown"].includes(labelled) ? " unlike" : "") },
        make("dt", { textContent: word, title: name }), make("dd", { textContent: `${Math.round(100 * values[best])}\u00a0%` }),
        make("dd", { className: "track", ariaHidden: "true" }, bar)));
    }
    return list;
  };
  const renderPhotos = (issue) => {
    const mine = people[issue.person].slice();
    mine.sort((a, b) => isAbout(issue, b.stem) - isAbout(issue, a.stem));
    const swapped = isSwap(issue);
    at("photos").replaceChildren(...mine.map((photo) => {
      const { stem, number } = photo, label = state.labels[issue.person][stem];
      const about = isAbout(issue, stem);
      const image = make("img", { src: address(number), alt: `${stem}, labelled ${label.mask}${about ? ", label issue" : ""}` });
      const frame = make(issue.kind === "mask" ? "button" : "div", { className: "frame" }, image);
      if (issue.kind === "mask") {
        frame.type = "button";
        frame.setAttribute("aria-pressed", String(stem === chosen));
        frame.addEventListener("click", () => choose(stem));
      }
      if (about) frame.append(make("span", { className: "tag", textContent: swapped ? "swap?" : "label?" }));
      return make("li", { className: about ? "doubted" : "" }, frame,
        make("p", { className: "name" }, make("b", { textContent: stem }),
          make("span", { textContent: label.mask })), opinion(issue, photo));
    }));
  };
  const renderAlike = (issue, number) => {  // other people, with their labels as they are now
    const found = review.alike[number], box = at("alike");
    box.hidden = !found?.photos.length;
    if (box.hidden) return;
    const mine = state.labels[issue.person][found.of], { kind } = issue;
    box.firstChild.textContent = `Other people's photos most like ${found.of}, with their labels`;
    box.lastChild.replaceChildren(...found.photos.map((photo) => {
      const label = state.labels[photo.person]?.[photo.stem] ?? photo;
      const unlike = kind === "age" ? groupOf(label.age) !== groupOf(mine.age) : label[kind] !== mine[kind];
      const words = kind === "mask" ? ["mask"] : kind === "age" ? ["age", "gender"] : ["gender", "age"];
      return make("li", { title: photo.person },
        make("img", { src: address(photo.number), alt: `${photo.person}, ${photo.stem}` }),
        ...words.map((name) => make("span", { textContent: label[name], className: unlike && name === kind ? "unlike" : "" })));
    }));
  };
  const choose = (stem) => {
    chosen = stem;
    renderPhotos(issues[current]);
    renderOthers(issues[current]);
  };
  const renderOthers = ({ kind }) => {
    const button = (key, text, act) => {
      const node = make("button", { type: "button" }, make("kbd", { textContent: key }), text);
      node.setAttribute("aria-keyshortcuts", key);
      node.addEventListener("click", act);
      return node;
    };
    at("others").replaceChildren(...(
      kind === "gender" ? attributes.gender.map((name) => button(name[0], name, () => setTo(name)))
      : kind === "mask" ? [
        make("span", { className: "what", textContent: `${chosen} is` }),
        ...attributes.mask.map((name, place) => button(String(place + 1), name, () => setTo(name))),
      ] : []));
  };
  const address = (number) => `/photo/${review.list}/${number}`;
  const preload = (number) => {
    for (let ahead = 0; ahead < 2 && number !== undefined; ahead++) {
      for (const photo of people[issues[number].person]) new Image().src = address(photo.number);
      number = after(number, toDecide);
    }
  };

  const show = (number) => {
    const moved = number !== current || chosen === undefined;
    current = number;
    const issue = issues[number], known = state.decisions[number];
    const stems = stemsOf(issue), labels = state.labels[issue.person];
    if (moved) {
      chosen = stems.find((stem) => isAbout(issue, stem)) ?? stems[0];
      at("age").value = "";
    }
    const kinds = issue.probability === null ? [issue.kind]
      : [issue.kind, `wrong with probability ${sure(issue.probability)}`];
    const label = labels[stems[0]], corrected = stems.some((stem) => labels[stem].corrected);
    at("place").textContent = [`Label issue ${number + 1} of ${issues.length}`, ...kinds, issue.person,
      `labelled ${label.gender}, ${label.age}${corrected ? " (corrected)" : ""}`].join(" · ");
    const field = issue.photo === "*" ? capital(issue.kind) : `Mask of ${issue.photo}`;
    const question = isSwap(issue)
      ? [make("span", { className: "new", textContent: "Exchange incorrect and normal?" })]
      : [`${known.was} → `, make("span", { className: "new", textContent: `${issue.value}?` })];
    at("question").replaceChildren(make("span", { className: "field", textContent: `${field}: ` }), ...question);
    at("reason").textContent = issue.reason ? capital(issue.reason) + "." : "";
    at("state").textContent = capital(decided(known));
    at("state").className = `state ${known.verdict}`;
    at("accept").lastChild.textContent = isSwap(issue) ? "exchange them" : `accept ${issue.value}`;
    at("keep").lastChild.textContent = isSwap(issue) ? "keep as they are" : `keep ${known.was}`;
    at("years").hidden = at("set").hidden = issue.kind !== "age";
    at("photo").hidden = issue.kind !== "mask";
    renderPhotos(issue);
    renderAlike(issue, number);
    renderOthers(issue);
    renderList();
    if (moved) {
      at("heard").textContent = `Label issue ${number + 1} of ${issues.length}. ${at("question").textContent} ${at("reason").textContent}`;
      preload(after(number, toDecide));
    }
  };

  // ---- decide
  const setTo = (value) => {
    const { kind, photo } = issues[current], known = state.decisions[current];
    const earlier = kind === "mask" && known.verdict === "set" ? known.values : {};
    decide("set", { ...earlier, [kind === "mask" ? chosen : photo]: value });
  };
  const setAge = () => {
    const text = at("age").value.trim();
    if (!/^\d+$/.test(text) || Number(text) > review.oldest) {
      return say(`The age must be whole years from 0 to ${review.oldest}.`, true);
    }
    at("age").blur();
    setTo(String(Number(text)));
  };
  const step = (by) => {
    const other = after(current, isShown, by);
    if (other === undefined || busy) return;
    show(other);
    say("");
  };
  const otherPhoto = () => {
    const shown = [...at("photos").querySelectorAll("b")].map((node) => node.textContent);
    choose(shown[(shown.indexOf(chosen) + 1) % shown.length]);
  };
  const ACTS = {
    accept: () => decide("accept"), keep: () => decide("keep"), later: () => decide("later"),
    set: () => setAge(), undo, back: () => step(-1), forward: () => step(1), photo: otherPhoto,
  };
  const KEYS = {
    a: "accept", k: "keep", l: "later", u: "undo", p: "photo", arrowleft: "back", arrowright: "forward",
  };
  const pressed = (event) => {
    const key = event.key.toLowerCase(), age = at("age"), { kind } = issues[current];
    const inAge = event.target === age;
    if (key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !(inAge && age.value)) {
      event.preventDefault();
      if (!event.repeat) undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (inAge && key === "enter") return setAge();
    if (inAge && key === "escape") { age.value = ""; age.blur(); return; }
    if (inAge && (/^\d$/.test(key) || key.length > 1)) return;
    if (event.target.matches("select, input:not(#age), textarea") || !at("keys").checked) return;
    let act;
    if (key in KEYS && !at(KEYS[key]).hidden) act = ACTS[KEYS[key]];
    else if (kind === "gender") {
      const name = attributes.gender.find((one) => one[0] === key);
      if (name) act = () => setTo(name);
    } else if (kind === "mask" && attributes.mask[key - 1]) act = () => setTo(attributes.mask[key - 1]);
    else if (kind === "age" && /^\d$/.test(key)) {
      age.value = "";
      age.focus();  // and the digit goes there
      return;
    }
    if (!act) return;
    event.preventDefault();
    if (event.repeat && !key.startsWith("arrow")) return;  // a key held is one decision
    act();
  };
  document.querySelector(".status form").addEventListener("submit", (event) => event.preventDefault());

  // ---- which label issues
  for (const kind of new Set(issues.map((one) => one.kind))) {
    at("kind").append(make("option", { value: kind, textContent: kind }));
  }
  for (const verdict of Object.keys(VERDICTS)) at("verdict").append(make("option", { value: verdict }));
  for (const select of [at("kind"), at("verdict")]) {
    let pointed = false;
    select.addEventListener("pointerdown", () => { pointed = true; });
    select.addEventListener("keydown", () => { pointed = false; });
    select.addEventListener("change", () => {
      if (pointed) select.blur();  // so that the next key decides
      const other = isShown(current) ? undefined : after(current, toDecide) ?? after(current, isShown);
      show(other ?? current);
    });
  }

  const ready = (async () => {
    const answer = await (await fetch("/state")).json();
    if (answer.list !== review.list) return location.reload();
    take(answer);
    const from = state.last ?? issues.length - 1;
    current = -1;
    show(after(from, toDecide) ?? (state.last ?? 0));
    for (const [id, act] of Object.entries(ACTS)) at(id).addEventListener("click", act);
    addEventListener("keydown", pressed);
    addEventListener("focus", refresh);
    addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
    root.dataset.review = "ready";
  })();
  others.addEventListener("message", async ({ data }) => {
    await ready;  // a decision of another tab may come before the state does
    if (data !== state.version) refresh();
  });
})();
