// Criteria built by clicking, above the text that they are saved as. The text is what is posted; the server
// judges it, says at which rule what is missing, and answers who is meant.
import { h, later } from "./dom.js";
import * as tree from "./tree.js";
import { drawGroup } from "./view.js";
import { Words } from "./words.js";

const NOT_JSON = gettext(
  "The text is not JSON at this moment, so there are no rules to show. It stays as you wrote it.",
);
const NO_GROUP = gettext("These criteria cannot be shown as rules. They stay as they are written.");
const NO_ANSWER = gettext("The site did not answer. What you wrote is still here.");
const IN_ALL = gettext("%(done)s: %(number)s of %(all)s in the criteria.");
const IN_GROUP = gettext("%(done)s: %(number)s of %(all)s in the group.");

class Builder {
  constructor(text) {
    this.text = text;
    this.isFixed = text.matches(":disabled");
    this.words = new Words(JSON.parse(document.getElementById(text.dataset.vocabulary).textContent));
    this.problems = new Map();
    this.said = h("p", { class: "hidden-label", role: "status" });
    this.body = h("div", { class: "criteria-body" });
    this.note = h("p", { class: "note", hidden: true });
    this.modes = [gettext("Rules"), gettext("As text")].map((words, index) =>
      h("button", { type: "button", "aria-pressed": String(!index), onclick: () => this.turn(Boolean(index)) }, words));
    const modes = h("div", { class: "criteria-modes", role: "group", "aria-label": gettext("Write the criteria as") }, this.modes);
    this.home = h("div", { class: "delivery criteria" },
      h("div", { class: "criteria-bar" }, modes), this.note, this.body, this.said);
    this.ask = later(400, () => this.judge());
    this.listen();
    text.before(this.home);
    this.read();
    this.turn(!this.root);
    this.judge();
  }

  listen() {
    this.text.addEventListener("input", () => {
      this.read();
      this.ask();
    });
    this.home.addEventListener("criteria-move", ({ detail: { id, group, index } }) =>
      this.act(id, () => tree.place(this.root, id, group, index), gettext("Moved")));
    this.home.addEventListener("keydown", (event) => this.key(event));
  }

  // --- The text and the tree ---------------------------------------------------------------------------
  read() {
    let raw;
    try {
      raw = JSON.parse(this.text.value.trim() || "{}");
    } catch {
      raw = undefined;
    }
    this.root = raw === undefined ? null : tree.read(raw);
    this.note.hidden = Boolean(this.root);
    this.note.textContent = raw === undefined ? NOT_JSON : NO_GROUP;
    this.problems.clear();
    this.draw();
  }

  changed() {
    this.text.value = JSON.stringify(tree.write(this.root), null, 2);
    this.text.dispatchEvent(new Event("change", { bubbles: true }));
    this.ask();
  }

  turn(toText) {
    this.modes.forEach((button, index) => button.setAttribute("aria-pressed", String(Boolean(index) === toText)));
    this.text.hidden = !toText;
    this.body.hidden = toText;
  }

  draw() {
    this.body.replaceChildren(...(this.root ? [drawGroup(this, this.root, gettext("Criteria"))] : []));
    this.complain();
  }

  // --- The server's word -------------------------------------------------------------------------------
  async judge() {
    if (this.isFixed) return;
    this.asking?.abort();
    this.asking = new AbortController();
    const answer = document.querySelector(this.text.dataset.answer);
    const { ask, token = this.text.form.elements.csrfmiddlewaretoken?.value } = this.text.dataset;
    const body = new FormData();
    body.set("criteria", this.text.value);
    body.set("workspace", this.words.told.workspace);
    answer?.setAttribute("aria-busy", "true");
    try {
      const { signal } = this.asking;
      const response = await fetch(ask, { method: "POST", body, headers: { "X-CSRFToken": token }, signal });
      if (!response.ok) throw new Error(response.status);
      this.hear(answer, await response.text());
    } catch (error) {
      if (error.name === "AbortError") return;
      const again = h("button", { type: "button", class: "button small", onclick: () => this.judge() }, gettext("Ask again"));
      answer?.replaceChildren(h("p", { class: "note warning" }, NO_ANSWER), again);
    }
    answer?.removeAttribute("aria-busy");
  }

  hear(answer, fragment) {
    const holder = h("div");
    holder.innerHTML = fragment;
    const problems = holder.querySelector("script[type='application/json']");
    this.problems.clear();
    for (const { path, message } of JSON.parse(problems?.textContent ?? "[]")) {
      const node = this.root && tree.at(this.root, path);
      if (node) this.problems.set(node.id, [...(this.problems.get(node.id) ?? []), message]);
    }
    problems?.remove();
    answer?.replaceChildren(...holder.childNodes);
    this.complain();
  }

  // At each rule what is wrong with it; nothing is drawn anew, so that nobody loses their place.
  complain() {
    for (const place of this.body.querySelectorAll("[data-problem]")) {
      const messages = this.problems.get(Number(place.dataset.problem)) ?? [];
      const node = place.closest(`[data-node="${place.dataset.problem}"]`);
      place.textContent = messages.join(" ");
      place.hidden = !messages.length;
      node.classList.toggle("wrong", messages.length > 0);
      const control = node.matches(".criteria-rule") && node.querySelector("[data-part=value], [data-part=field]");
      if (control) control.setAttribute("aria-invalid", String(messages.length > 0));
    }
  }

  async suggest(rule, search) {
    const { field, operator } = rule;
    const asked = new URLSearchParams({ workspace: this.words.told.workspace, field, operator, search });
    const response = await fetch(`${this.text.dataset.suggest}?${asked}`).catch(() => null);
    return response?.ok ? response.json() : [];
  }

  // --- What people do ----------------------------------------------------------------------------------
  // Does something to the tree, draws it, and leaves the focus where the work goes on.
  act(id, does, words, part) {
    const done = does();
    const isDone = done !== false && done !== null;
    const now = done?.id ?? id;
    this.draw();
    if (isDone) this.changed();
    this.focus(now, part);
    this.say(isDone ? this.report(words, now) : gettext("That is not possible here."));
  }

  remove(id) {
    const { parent, index } = tree.locate(this.root, id);
    const next = parent.nodes[index + 1] ?? parent.nodes[index - 1] ?? this.root;
    tree.remove(this.root, id);
    this.draw();
    this.changed();
    this.focus(next.id);
    this.say(gettext("Removed."));
  }

  key(event) {
    const node = event.target.closest("[data-node]");
    const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    // In a form the key would send it.
    if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
    if (this.isFixed || !node || !way || !event.altKey || event.target.closest("[popover]")) return;
    event.preventDefault();
    const id = Number(node.dataset.node);
    if (id !== this.root.id) this.act(id, () => tree.shift(this.root, id, way), gettext("Moved"));
  }

  say(words) {
    this.said.textContent = words;
  }

  // What was done, and where it stands now.
  report(done, id) {
    const place = tree.locate(this.root, id);
    if (!place) return `${done}.`;
    const { index, parent } = place;
    const values = { done, number: index + 1, all: parent.nodes.length };
    return interpolate(parent === this.root ? IN_ALL : IN_GROUP, values, true);
  }

  focus(id, part) {
    const node = this.body.querySelector(`[data-node="${id}"]`);
    const wanted = node && (part === "value" ? valueIn(node) : part && node.querySelector(`[data-part="${part}"]`));
    (wanted || node || this.body.querySelector("[data-more]"))?.focus();
  }
}

const valueIn = (node) =>
  node.querySelector(".criteria-value [data-part=value], .criteria-value :is(input, select)") ??
  node.querySelector("[data-part=operator]");

const build = (within) => {
  for (const text of within.querySelectorAll("textarea[data-vocabulary]:not([data-built])")) {
    text.dataset.built = "yes";
    new Builder(text);
  }
};
htmx.onLoad(build);
