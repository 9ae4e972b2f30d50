// How the tree looks. Everything here draws; what a control does is done by the builder it is given.
import { h, icon, openAt } from "./dom.js";
import { pick } from "./picker.js";
import * as tree from "./tree.js";
import { control } from "./values.js";

const JOINERS = [["all", gettext("all of these")], ["any", gettext("any of these")]];

const choices = (pairs, chosen) =>
  pairs.map(([value, words]) => h("option", { value, selected: value === chosen }, words));

// --- Groups ----------------------------------------------------------------------------------------------
export const drawGroup = (builder, group, label) => {
  const isRoot = group === builder.root;
  const sorting = !builder.isFixed && {
    "x-data": true,
    "x-sort:group": "criteria",
    "x-sort": `$dispatch('criteria-move', { id: $item, index: $position, group: ${group.id} })`,
  };
  const joined = group.joiner === "all" ? "and" : "or";
  return h("div",
    { class: `criteria-group${isRoot ? " root" : ""}`, role: "group", "aria-label": label, tabindex: "-1", "data-node": group.id },
    h("div", { class: "criteria-head" },
      !isRoot && handle(),
      h("span", { class: "criteria-words" }, isRoot ? gettext("People for whom") : gettext("For whom")),
      joinerBox(builder, group),
      h("span", { class: "criteria-words" }, group.joiner === "all" ? gettext("hold") : gettext("holds")),
      !isRoot && tools(builder, group)),
    h("ol", { class: "criteria-nodes", "data-joiner": joined, ...sorting },
      group.nodes.map((node, index) => h("li", { "x-sort:item": node.id }, drawNode(builder, node, index + 1)))),
    h("p", { class: "problem", "data-problem": group.id, hidden: true }),
    foot(builder, group));
};

const joinerBox = (builder, group) => {
  const choose = ({ target }) => builder.act(group.id, () => { group.joiner = target.value; }, gettext("Changed"), "joiner");
  return h("select", { "aria-label": gettext("How many of these must hold"), "data-part": "joiner", onchange: choose },
    choices(JOINERS, group.joiner));
};

const foot = (builder, group) => {
  const add = (words, symbol, make) => {
    const append = () => {
      const made = make();
      tree.add(builder.root, group.id, made);
      return made.nodes?.[0] ?? made;
    };
    const click = () => builder.act(group.id, append, gettext("Added"), "field");
    return h("button", { type: "button", class: "button small", "data-more": true, onclick: click }, icon(symbol), words);
  };
  const inner = () => tree.group(group.joiner === "all" ? "any" : "all", [tree.blank()]);
  const mayNest = tree.depth(builder.root, group.id) < tree.MAX_DEPTH;
  return h("div", { class: "criteria-foot" },
    add(gettext("Rule"), "add", tree.blank), mayNest && add(gettext("Group"), "library_add", inner));
};

// --- Rules -----------------------------------------------------------------------------------------------
const drawNode = (builder, node, number) => {
  if (node.kind === "group") return drawGroup(builder, node, interpolate(gettext("Group %s"), [number]));
  return row(builder, node, number, node.kind === "rule" ? parts(builder, node) : asWritten(node));
};

const row = (builder, node, number, inner) => {
  const id = `criteria-problem-${node.id}`;
  return h("div",
    { class: "criteria-rule", role: "group", "aria-label": interpolate(gettext("Rule %s"), [number]), "aria-describedby": id, tabindex: "-1", "data-node": node.id },
    handle(),
    h("div", { class: "criteria-parts" }, inner),
    tools(builder, node),
    h("p", { class: "problem", id, "data-problem": node.id, hidden: true }));
};

const asWritten = (node) => [
  h("code", {}, JSON.stringify(node.raw)),
  h("span", { class: "muted small" }, gettext("It cannot be shown as a rule and stays as it is written.")),
];

const parts = (builder, rule) => {
  const operators = builder.words.operatorsOf(rule);
  const isLost = !operators.length && rule.field;
  return [
    fieldButton(builder, rule),
    builder.words.isOfEvent(rule) && property(builder, rule),
    operators.length > 0 && operatorBox(builder, rule, operators),
    builder.words.operatorOf(rule) && valueBox(builder, rule, builder.words.operatorOf(rule)),
    isLost && h("code", {}, JSON.stringify(rule.value ?? null)),
  ];
};

const fieldButton = (builder, rule) => {
  const words = builder.words.fieldOf(rule)?.label ?? (rule.field || gettext("Choose what is asked about"));
  const button = h("button",
    {
      type: "button", class: `criteria-choose field${rule.field ? "" : " empty"}`, "aria-label": interpolate(gettext("Field: %s"), [words]),
      "aria-haspopup": "listbox", "aria-expanded": "false", "data-part": "field",
    },
    h("span", {}, words), icon("expand_more"));
  button.addEventListener("click", () => pick(builder.home, {
    anchor: button,
    label: gettext("What is asked about"),
    chosen: rule.field,
    load: async (search) => builder.words.offer(search),
    onpick: ({ value }) => builder.act(rule.id, () => builder.words.choose(rule, value), gettext("Chosen"), "operator"),
  }));
  return button;
};

const property = (builder, rule) => {
  const types = Object.entries(builder.words.told.event).map(([type, { label }]) => [type, label]);
  const rename = ({ target }) => {
    builder.words.name(rule, target.value.trim());
    builder.changed();
  };
  const retype = ({ target }) => builder.act(rule.id, () => {
    rule.type = target.value;
    builder.words.settle(rule);
  }, gettext("Chosen"), "type");
  const value = builder.words.propertyOf(rule);
  return [
    h("input", { type: "text", "aria-label": gettext("Property"), value, placeholder: "total", autocomplete: "off", oninput: rename }),
    h("select", { "aria-label": gettext("Its type"), "data-part": "type", onchange: retype }, choices(types, builder.words.typeOf(rule))),
  ];
};

const operatorBox = (builder, rule, operators) => {
  const choose = ({ target }) => builder.act(rule.id, () => {
    rule.operator = target.value;
    builder.words.settle(rule);
  }, gettext("Chosen"), "operator");
  const isLost = !builder.words.operatorOf(rule);
  return h("select", { "aria-label": gettext("How"), class: "criteria-operator", "data-part": "operator", onchange: choose },
    isLost && h("option", { value: rule.operator, selected: true }, rule.operator || gettext("Choose")),
    choices(operators.map(({ name, words }) => [name, words]), rule.operator));
};

const valueBox = (builder, rule, { takes, chooses }) => {
  const { words } = builder;
  const set = (value) => { rule.value = value; };
  const isSuggested = chooses || words.fieldOf(rule)?.suggests;
  const element = control({
    kind: takes,
    chooses,
    choices: words.told.choices?.[takes],
    node: rule,
    home: builder.home,
    value: rule.value,
    change: (value) => { set(value); builder.changed(); },
    set: (value, part) => builder.act(rule.id, () => set(value), gettext("Changed"), part),
    suggest: isSuggested && ((search) => builder.suggest(rule, search)),
    label: (value) => words.labels.get(value) ?? String(value),
    learn: (value, label) => words.labels.set(value, label),
  });
  return element && h("div", { class: "criteria-value", "data-kind": takes }, element);
};

// --- What can be done with a rule or group ---------------------------------------------------------------
const handle = () => {
  const symbol = "criteria-handle material-symbols-outlined";
  return h("span", { class: symbol, "x-sort:handle": true, title: gettext("Drag to move"), "aria-hidden": "true" }, "drag_indicator");
};

const tools = (builder, node) => {
  const more = h("button",
    {
      type: "button", class: "icon", title: gettext("More"), "aria-label": gettext("More"),
      "aria-haspopup": "true", "aria-expanded": "false", onclick: () => openMenu(builder, node, more),
    },
    icon("more_vert"));
  const words = node.kind === "group" ? gettext("Remove the group") : gettext("Remove the rule");
  const remove = () => builder.remove(node.id);
  const away = h("button", { type: "button", class: "icon", "aria-label": words, title: gettext("Remove"), onclick: remove }, icon("close"));
  return h("div", { class: "criteria-tools" }, more, away);
};

const actsOn = ({ root }, { id, kind, nodes }) => [
  ["arrow_upward", gettext("Move up"), "Alt ↑", id, () => tree.shift(root, id, -1), gettext("Moved")],
  ["arrow_downward", gettext("Move down"), "Alt ↓", id, () => tree.shift(root, id, 1), gettext("Moved")],
  ["content_copy", gettext("Duplicate"), "", id, () => tree.duplicate(root, id), gettext("Duplicated")],
  ["library_add", gettext("Put into a group"), "", id, () => tree.wrap(root, id), gettext("Grouped")],
  ...(kind === "group"
    ? [["select_all", gettext("Ungroup"), "", nodes[0]?.id ?? id, () => { tree.unwrap(root, id); }, gettext("Ungrouped")]]
    : []),
];

const openMenu = (builder, node, anchor) => {
  const box = h("div", { class: "criteria-menu", popover: "auto" },
    actsOn(builder, node).map(([symbol, words, keys, id, does, said]) => {
      const click = () => {
        box.hidePopover();
        builder.act(id, does, said);
      };
      return h("button", { type: "button", onclick: click }, icon(symbol), words, keys && h("kbd", {}, keys));
    }));
  box.addEventListener("toggle", ({ newState }) => {
    anchor.setAttribute("aria-expanded", String(newState === "open"));
    if (newState === "open") return;
    if (box.contains(document.activeElement)) anchor.focus();
    box.remove();
  });
  box.addEventListener("keydown", (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const items = [...box.children];
    items[(items.indexOf(document.activeElement) + way + items.length) % items.length].focus();
  });
  builder.home.append(box);
  openAt(box, anchor);
  box.firstElementChild.focus();
};
