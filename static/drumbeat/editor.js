// The page of a template: what is not saved is not lost, what is wrong is said at its line, and the
// preview follows in a frame of its own, which is asked for by a form so that it is shut off by its headers.
(() => {
  const page = document.getElementById("editor-page");
  const form = document.getElementById("editor");
  const look = document.getElementById("look");
  const frames = document.getElementById("frames");
  const images = document.getElementById("images");
  const code = form.querySelector("[data-code]").code;
  const { format, body } = form.elements;
  let target = body;

  // --- What is not saved -----------------------------------------------------------------------------
  const state = () => {
    const fields = new FormData(form);
    for (const name of ["csrfmiddlewaretoken", "based_on"]) fields.delete(name);
    return JSON.stringify([...fields]);
  };
  let saved = state();
  let sent = saved;
  const mayEdit = !body.readOnly;
  const isDirty = () => mayEdit && state() !== saved;
  const showDirty = () => page.classList.toggle("is-dirty", isDirty());

  form.addEventListener("input", showDirty);
  form.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target === form) sent = state();
  });
  document.body.addEventListener("template-saved", () => {
    saved = sent;
    setTimeout(showDirty);
  });
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    form.addEventListener(failure, (event) => {
      if (event.target !== form) return;
      const said = document.getElementById("saved");
      said.className = "saved note failed";
      said.textContent = gettext(
        "Not saved: the site does not answer as it should. What you wrote stands here; save again.",
      );
    });
  }
  window.addEventListener("beforeunload", (event) => {
    if (isDirty()) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    if (mayEdit) form.requestSubmit();
  });

  // --- The preview -------------------------------------------------------------------------------------
  const sealed = (frame) => {
    frame.setAttribute("sandbox", "");
    frame.referrerPolicy = "no-referrer";
    frame.title = gettext("The mail");
    return frame;
  };
  // A new frame each time: in one that stays, each preview would be a step of the browser's way back.
  const preview = () => {
    const frame = sealed(document.createElement("iframe"));
    frame.name = `preview-${Date.now()}`;
    frame.className = "coming";
    frames.append(frame);
    const asked = document.createElement("form");
    Object.assign(asked, { method: "post", action: frames.dataset.action, target: frame.name, hidden: true });
    const fields = [...new FormData(form), ["preview_as", look.querySelector("#preview_as").value], ["scheme", look.dataset.scheme]];
    for (const [name, value] of fields) {
      const field = document.createElement("textarea");
      Object.assign(field, { name, value });
      asked.append(field);
    }
    document.body.append(asked);
    frame.addEventListener("load", () => {
      for (const other of frames.querySelectorAll("iframe")) {
        if (other === frame) break;
        other.remove();
      }
      frame.className = "";
    });
    asked.submit();
    asked.remove();
  };

  const showProblems = () => {
    const problems = JSON.parse(document.getElementById("problems").textContent);
    code.mark(problems.filter(({ field }) => field === "body"));
    for (const name of ["subject", "preheader"]) {
      const said = problems.filter(({ field }) => field === name);
      const is_wrong = said.some(({ severity }) => severity === "error");
      form.querySelector(`#${name}-problem`).textContent = said.map(({ message }) => message).join(" ");
      form.elements[name].setAttribute("aria-invalid", is_wrong);
    }
    return problems.every(({ severity }) => severity !== "error");
  };
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "verdict") return;
    const renders = showProblems();
    look.classList.toggle("is-old", !renders);
    frames.style.setProperty("--height", `${document.getElementById("mail-facts").dataset.height || 900}px`);
    if (renders) preview();
  });
  look.querySelector("#preview_as").addEventListener("change", () => htmx.trigger("body", "template-look"));

  // --- Choices and menus ---------------------------------------------------------------------------------
  const choose = (button) => {
    const { choose: what, value } = button.dataset;
    (what === "pane" ? page : look).dataset[what] = value;
    for (const each of page.querySelectorAll(`[data-choose=${what}]`)) each.setAttribute("aria-pressed", each === button);
    if (what === "scheme") preview();
  };
  const insert = (text) => {
    target.focus();
    // Unlike a change of its value this can be undone.
    document.execCommand("insertText", false, text);
  };
  const field = (name) => {
    const fallback = form.querySelector("#fallback").value.trim();
    const quote = fallback.includes('"') ? "'" : '"';
    const filter = fallback ? ` | default: ${quote}${fallback.replaceAll(quote, "")}${quote}` : "";
    return `{{ ${name}${filter} }}`;
  };
  const close = (menu) => menu && menu.removeAttribute("open");
  const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  const picture = ({ address, width, height }) => {
    const shown = Math.max(1, Math.min(Number(images.querySelector("#image-width").value) || width, 2000));
    const high = Math.round((shown * height) / width);
    const alt = attribute(images.querySelector("#image-alt").value.trim());
    if (format.value === "mjml") return `<mj-image src="${address}" alt="${alt}" width="${shown}px" />`;
    if (format.value === "plain") return address;
    return `<img src="${address}" alt="${alt}" width="${shown}" height="${high}" style="max-width: 100%; height: auto">`;
  };

  page.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-insertable]")) target = event.target;
  });
  page.addEventListener("click", ({ target: at }) => {
    const on = (selector) => at.closest(selector);
    if (on("[data-choose]")) choose(on("[data-choose]"));
    if (on("[data-go]")) code.goTo(Number(on("[data-go]").dataset.go));
    if (on("[data-insert]")) {
      const { insert: name } = on("[data-insert]").dataset;
      close(on("details"));
      insert(field(name));
    }
    if (on("[data-images]")) images.showModal();
    if (on("[data-close]") || at === images) images.close();
    if (on("[data-overtake]")) {
      form.elements.based_on.value = on("[data-overtake]").dataset.overtake;
      form.requestSubmit();
    }
    for (const menu of page.querySelectorAll("details.confirm[open]")) if (!menu.contains(at)) close(menu);
  });
  page.addEventListener("keydown", (event) => {
    const menu = event.target.closest("details.confirm[open]");
    if (event.key !== "Escape" || !menu) return;
    close(menu);
    menu.querySelector("summary").focus();
  });
  images.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-image]")) return;
    event.preventDefault();
    const { address, width, height } = event.target.dataset;
    images.close();
    insert(picture({ address, width: Number(width), height: Number(height) }));
  });
  page.querySelector("#field-search")?.addEventListener("input", ({ target: { value } }) => {
    for (const item of page.querySelectorAll(".field-list li")) {
      item.hidden = !item.textContent.toLowerCase().includes(value.trim().toLowerCase());
    }
  });
  format.addEventListener("change", () => code.show(format.value));
  code.show(format.value);
  if (matchMedia("(max-width: 40rem)").matches) choose(page.querySelector("[data-value=phone]"));
})();
