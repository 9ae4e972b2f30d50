// One of many, in groups, with a search: a box to type in above a list that arrow keys go through.
import { h, later, openAt } from "./dom.js";

const SHOWN = 200;
let numbered = 0;

const nothing = () =>
  h("div", { role: "option", "aria-disabled": "true", "aria-selected": "false", class: "muted" }, gettext("Nothing found"));

// `load` gives [{ label, items: [{ value, label, hint }] }] for what was typed, at once or later.
// `wait` is for what has to be asked of the server.
export const pick = (home, { anchor, label, load, chosen, onpick, wait = 0 }) => {
  const id = `criteria-list-${++numbered}`;
  const list = h("div", { role: "listbox", id, "aria-label": label });
  const search = h("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder: gettext("Search"),
    "aria-label": interpolate(gettext("Search: %s"), [label]), "aria-controls": id, "aria-expanded": "true", "aria-autocomplete": "list",
  });
  const box = h("div", { class: "criteria-picker", popover: "auto" }, search, list);
  let options = [];
  let active = -1;
  let shownFor = null;

  const choose = (item) => {
    box.hidePopover();
    onpick(item);
  };
  const mark = (index) => {
    options[active]?.element.classList.remove("active");
    active = Math.max(-1, Math.min(index, options.length - 1));
    const element = options[active]?.element;
    element?.classList.add("active");
    element?.scrollIntoView({ block: "nearest" });
    search.setAttribute("aria-activedescendant", element?.id ?? "");
  };
  const option = (item) => {
    const element = h(
      "div",
      { role: "option", id: `${id}-${options.length}`, "aria-selected": String(item.value === chosen), onclick: () => choose(item) },
      h("span", {}, item.label), item.hint && h("span", { class: "muted small" }, item.hint),
    );
    options.push({ element, item });
    return element;
  };
  const heading = (text, items) => {
    const labelled = `${id}-${text.replaceAll(/\W/g, "-")}`;
    return h("div", { role: "group", "aria-labelledby": labelled }, h("p", { id: labelled, class: "small muted" }, text), items.map(option));
  };
  const show = async () => {
    const asked = search.value.trim();
    const groups = await load(asked);
    if (asked !== search.value.trim()) return;
    shownFor = asked;
    options = [];
    let room = SHOWN;
    const drawn = groups.map(({ label: text, items }) => {
      const shown = items.slice(0, room);
      room -= shown.length;
      return shown.length && (text ? heading(text, shown) : shown.map(option));
    });
    list.replaceChildren(...drawn.flat().filter(Boolean));
    if (!options.length) list.append(nothing());
    mark(asked ? 0 : options.findIndex(({ item }) => item.value === chosen));
  };

  const take = async () => {
    if (shownFor !== search.value.trim()) await show();
    if (options[active]) choose(options[active].item);
  };

  search.addEventListener("input", wait ? later(wait, show) : show);
  search.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: active + 1, ArrowUp: Math.max(0, active - 1), Home: 0, End: options.length - 1 };
    if (event.key in moves && !(["Home", "End"].includes(event.key) && search.value)) mark(moves[event.key]);
    else if (event.key === "Enter") take();
    else if (event.key === "Tab") box.hidePopover();
    else return;
    if (event.key !== "Tab") event.preventDefault();
  });
  box.addEventListener("toggle", ({ newState }) => {
    if (newState === "open") return;
    box.remove();
    anchor.setAttribute("aria-expanded", "false");
    const { activeElement } = document;
    if (anchor.isConnected && (box.contains(activeElement) || activeElement === document.body)) anchor.focus();
  });
  home.append(box);
  anchor.setAttribute("aria-expanded", "true");
  show().then(() => {
    openAt(box, anchor);
    search.focus();
    mark(active);
  });
};
