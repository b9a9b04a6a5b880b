"use strict";
(() => {
  const percent = (share) =>
    share > 0 && share < 0.005 ? "<1\u00a0%" : share < 1 && share > 0.995 ? ">99\u00a0%" : Math.round(100 * share) + "\u00a0%";

  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  let photo, answer, turn = 0;

  const say = (text, fault = false) => {
    at("status").textContent = text;
    at("status").classList.toggle("fault", fault);
  };

  // ---- ask the server; a refusal comes with its sentence
  const ask = async (path, body) => {
    const reply = await fetch(path, {
      method: "POST", body, headers: { "Content-Type": "application/octet-stream" },
    });
    const content = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Error(content.error ?? "the demo has failed; see its terminal for the reason");
    return content;
  };

  const read = async (blob) => {
    const mine = ++turn;
    at("result").hidden = true;
    if (blob.size > LARGEST) {
      say(`The photo must have at most ${LARGEST / 1e6} MB; this one has ${(blob.size / 1e6).toFixed(1)}.`, true);
      return;
    }
    say("Reading the photo …");
    try {
      const found = await ask("/answer", blob);
      if (mine !== turn) return;  // another photo was given meanwhile
      [photo, answer] = [blob, found];
      await show(mine);
    } catch (error) {
      if (mine === turn) say(sentence(error.message), true);
    }
  };
  const sentence = (text) => {
    const said = text === "Failed to fetch" ? "the demo does not answer; is it still running?" : text;
    return capital(said) + (/[.?]$/.test(said) ? "" : ".");
  };

  // ---- show an answer
  const show = async (mine) => {
    const image = at("photo"), { faces, width, height } = answer;
    URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(photo);
    await image.decode().catch(() => {});
    if (mine !== turn) return;
    const stage = image.parentElement.style;
    stage.setProperty("--ratio", width / height);
    stage.setProperty("--wide", width);
    const boxes = at("boxes"), unit = Math.max(width, height) / 28;
    boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
    boxes.replaceChildren(...faces.map(({ box }, number) => {
      const group = shape("g", {});
      if (!box) return group;
      const [x0, y0, x1, y1] = box;
      group.append(shape("rect", { class: "box", x: x0, y: y0, width: x1 - x0, height: y1 - y0 }));
      if (faces.length > 1) {
        const label = shape("text", { x: x0 + unit / 4, y: y0 + unit, "font-size": unit });
        label.textContent = number + 1;
        group.append(label);
      }
      group.addEventListener("click", () => choose(number));
      return group;
    }));
    at("which").replaceChildren(...(faces.length < 2 ? [] : faces.map((face, number) => {
      const button = make("button", { type: "button", textContent: number + 1 });
      button.setAttribute("aria-label", `Face ${number + 1}: ${face.words.join(", ")}`);
      button.addEventListener("click", () => choose(number));
      return make("li", {}, button);
    })));
    choose(0);
    at("result").hidden = false;
    const some = faces[0].box ? faces.length : 0;
    say(!FINDS ? "The whole photo is taken as one face."
      : some === 0 ? "No face was found, so the whole photo is taken as one; the answer may mean little."
      : some === 1 ? "One face." : `${some} faces. Choose one in the photo or by its number.`);
  };

  const choose = (number) => {
    const face = answer.faces[number];
    [...at("boxes").children].forEach((group, row) => group.classList.toggle("on", row === number));
    at("which").querySelectorAll("button").forEach((button, row) =>
      button.setAttribute("aria-pressed", String(row === number)));
    at("face").src = face.picture;
    at("looked").textContent = "What the network saw";
    at("title").replaceChildren(...face.words.flatMap((word, row, all) => [
      make("span", { textContent: (row ? word : capital(word)) + (row + 1 < all.length ? "," : "") }), " "]));
    at("sure").textContent = face.attributes.length > 1
      ? `${percent(face.probability)} that all three are right` : "";
    at("age").textContent = face.age
      ? `About ${face.age.median} years; half of the probability lies from ${face.age.low} to ${face.age.high}.` : "";
    at("attributes").replaceChildren(...face.attributes.map((attribute) => bars(attribute, number)));
    at("classes").replaceChildren(...face.classes.map(({ name, probability }) => make("tr", {},
      make("td", { textContent: name }),
      make("td", { className: "figure", textContent: percent(probability) }))));
  };

  const bars = ({ name, answer: best, values }, number) => {
    const list = make("dl", { className: "bars" });
    values.forEach(({ word, probability }, row) => {
      const kind = row === best ? " best" : "";
      const bar = make("i");
      bar.style.width = `${100 * probability}%`;
      list.append(
        make("dt", { textContent: capital(word), className: kind }),
        make("dd", { className: "track" + kind, ariaHidden: "true" }, bar),
        make("dd", { textContent: percent(probability), className: kind }));
    });
    const head = make("div", { className: "head" }, make("h3", { textContent: name }));
    if (EXPLAINS) {
      const button = make("button", { type: "button", className: "small", textContent: "Where?" });
      button.setAttribute("aria-label", `Where the network looked for ${name}`);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => explain(button, number, name, best, values[best].word));
      head.append(button);
    }
    return make("div", { className: "attribute" }, head, list);
  };

  // ---- HiResCAM: the photo goes to the server again, which has kept nothing
  const explain = async (button, number, attribute, value, word) => {
    const face = answer.faces[number], on = button.getAttribute("aria-pressed") !== "true";
    at("attributes").querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
    at("face").src = face.picture;
    at("looked").textContent = "What the network saw";
    if (!on) return;
    button.setAttribute("aria-pressed", "true");
    at("looked").textContent = "Looking …";
    // another face or photo, whose buttons are new, or another attribute may be asked meanwhile
    const waits = () => button.isConnected && button.getAttribute("aria-pressed") === "true";
    try {
      face.heat ??= {};
      face.heat[attribute] ??= (await ask(`/heat?face=${number}&attribute=${attribute}&value=${value}`, photo)).picture;
      if (!waits()) return;
      at("face").src = face.heat[attribute];
      at("looked").textContent = `What speaks for “${word}”`;
    } catch (error) {
      if (waits()) at("looked").textContent = sentence(error.message);
    }
  };

  // ---- a photo comes by choosing, dropping, pasting, or the camera
  at("file").addEventListener("change", () => {
    if (at("file").files[0]) read(at("file").files[0]);
    at("file").value = "";  // so that the same one can be chosen again
  });
  const firstImage = (files) => [...files].find((file) => file.type.startsWith("image/")) ?? files[0];
  addEventListener("dragover", (event) => { event.preventDefault(); at("pick").classList.add("over"); });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) at("pick").classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    at("pick").classList.remove("over");
    if (event.dataTransfer.files.length) read(firstImage(event.dataTransfer.files));
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) read(firstImage(event.clipboardData.files));
  });

  const video = at("video");
  const stop = () => {
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
    at("camera").hidden = true;
    at("start").disabled = false;
  };
  at("start").addEventListener("click", async () => {
    at("start").disabled = true;
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
      at("take").disabled = true;  // until there is a picture to take
      at("camera").hidden = false;
      await video.play();
      at("take").disabled = false;
      say("");
      at("take").focus();
    } catch (error) {
      stop();
      say(`The camera does not open: ${error.message || error.name}.`, true);
    }
  });
  at("stop").addEventListener("click", () => { stop(); at("start").focus(); });
  at("take").addEventListener("click", () => {
    const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    stop();
    canvas.toBlob(read, "image/jpeg", 0.92);
  });
})();
