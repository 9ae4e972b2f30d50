// The control of each kind of value. What does not fit its kind is shown as it is, until it is replaced.
import { h, icon, later } from "./dom.js";
import { pick } from "./picker.js";

const isNumber = (value) => typeof value === "number";
const isText = (value) => typeof value === "string";
const listOf = (fits) => (value) => Array.isArray(value) && value.every(fits);
const pairOf = (fits) => (value) => Array.isArray(value) && value.length === 2 && value.every((end) => end == null || fits(end));
const isDay = (value) => isText(value) && /^\d{4}-\d\d-\d\d$/.test(value);

const FITS = {
  text: isText,
  number: isNumber,
  days: isNumber,
  date: isDay,
  "yes or no": (value) => typeof value === "boolean",
  "list of text": listOf(isText),
  "list of number": listOf(isNumber),
  "two of number": pairOf(isNumber),
  "two of date": pairOf(isDay),
};
const isKey = (value) => isNumber(value) || isText(value);
const fits = (kind, value) => (FITS[kind] ?? isKey)(value);

// What is left of a value when something else is asked; a list and its only item are the same to people.
export const carried = (kind, value) => {
  if (kind === "nothing") return undefined;
  if (value != null && fits(kind, value)) return value;
  if (kind === "yes or no") return true;
  if (Array.isArray(value) && value.length && fits(kind, value[0])) return value[0];
  if (kind.startsWith("list of ")) return value != null && fits(kind, [value]) ? [value] : [];
  if (kind.startsWith("two of ")) return value != null && fits(kind, [value, null]) ? [value, null] : [null, null];
  return null;
};

const numberFrom = (input) => (input.value === "" || Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);

const input = (label, type, value, onvalue, more = {}) => {
  const oninput = ({ target }) => onvalue(type === "number" ? numberFrom(target) : target.value || null);
  return h("input", { type, "aria-label": label, value: value ?? "", autocomplete: "off", oninput, ...more });
};

const select = (label, value, choices, onvalue, ask) => {
  const known = choices.some(([key]) => key === value);
  const onchange = () => onvalue(box.value === "" ? null : choices[Number(box.value)][0]);
  const box = h("select", { "aria-label": label, onchange },
    ask && h("option", { value: "" }, ask),
    !known && value != null && h("option", { value: "", selected: true }, interpolate(gettext("%s, which is not there"), [value])),
    choices.map(([key, words], number) => h("option", { value: number, selected: key === value }, words)));
  return box;
};

// A text box that suggests what many people have.
const suggesting = (context, box) => {
  if (!context.suggest) return box;
  const options = h("datalist", { id: `criteria-values-${context.node.id}` });
  const fill = async () => {
    const found = await context.suggest(box.value);
    options.replaceChildren(...found.map(([value]) => h("option", { value })));
  };
  box.setAttribute("list", options.id);
  box.addEventListener("focus", fill);
  box.addEventListener("input", later(200, fill));
  return h("span", { class: "criteria-suggesting" }, box, options);
};

const tokens = (context, read) => {
  const { value, set } = context;
  const placeholder = value.length ? "" : gettext("Value, Enter");
  const box = h("input", { type: "text", "aria-label": gettext("Add a value"), autocomplete: "off", placeholder });
  const commit = () => {
    const typed = box.value.split(/[,\n\t]/).map((text) => read(text.trim()));
    const added = typed.filter((each) => each != null && !value.includes(each));
    if (!added.length) return;
    box.value = "";
    set([...new Set([...value, ...added])], "value");
  };
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || (event.key === "," && box.value.trim())) {
      event.preventDefault();
      commit();
    } else if (event.key === "Backspace" && !box.value && value.length) set(value.slice(0, -1), "value");
  });
  box.addEventListener("change", commit);
  box.addEventListener("paste", (event) => {
    const pasted = event.clipboardData.getData("text");
    if (!pasted.includes("\n")) return;
    event.preventDefault();
    box.value = pasted;
    commit();
  });
  const chip = (each) => {
    const away = () => set(value.filter((other) => other !== each), "value");
    const button = h("button", { type: "button", "aria-label": interpolate(gettext("Take %s away"), [each]), onclick: away }, icon("close"));
    return h("span", { class: "criteria-chip" }, String(each), button);
  };
  return h("span", { class: "criteria-tokens" }, value.map(chip), suggesting(context, box));
};

const pair = ({ value, change }, type) => {
  const ends = [...value];
  const end = (label, index) => {
    const set = (given) => {
      ends[index] = given;
      change([...ends]);
    };
    return input(label, type, ends[index], set, type === "number" ? { step: "any" } : {});
  };
  return h("span", { class: "criteria-pair" }, end(gettext("From"), 0), h("span", { class: "muted" }, gettext("and")), end(gettext("To"), 1));
};

const chosen = (context) => {
  const label = context.value == null ? gettext("Choose") : context.label(context.value);
  const button = h("button",
    { type: "button", class: "criteria-choose", "aria-haspopup": "listbox", "aria-expanded": "false", "data-part": "value" },
    h("span", {}, label), icon("expand_more"));
  const load = async (search) => {
    const found = await context.suggest(search);
    return [{ label: "", items: found.map(([value, words]) => ({ value, label: words })) }];
  };
  const onpick = ({ value, label: words }) => {
    context.learn(value, words);
    context.set(value, "value");
  };
  button.addEventListener("click", () =>
    pick(context.home, { anchor: button, label: context.kind, chosen: context.value, load, onpick, wait: 150 }));
  return button;
};

const PART = { "data-part": "value" };
const CONTROLS = {
  nothing: () => null,
  text: (context) => suggesting(context, input(gettext("Value"), "text", context.value, context.change, { ...PART, maxlength: 500 })),
  number: ({ value, change }) => input(gettext("Value"), "number", value, change, { step: "any", ...PART }),
  days: ({ value, change }) => {
    const box = input(gettext("Days"), "number", value, change, { min: 1, step: 1, ...PART });
    return h("span", { class: "criteria-pair" }, box, h("span", { class: "muted" }, gettext("days")));
  },
  date: ({ value, change }) => input(gettext("Date"), "date", value, change, PART),
  "yes or no": ({ value, change }) => select(gettext("Value"), value, [[true, gettext("yes")], [false, gettext("no")]], change),
  "list of text": (context) => tokens(context, (text) => text || null),
  "list of number": (context) => tokens(context, (text) => (text && Number.isFinite(Number(text)) ? Number(text) : null)),
  "two of number": (context) => pair(context, "number"),
  "two of date": (context) => pair(context, "date"),
};

// The control of a rule's value. `context.change` takes a new value, `context.set` draws the rule anew as well.
export const control = (context) => {
  const { kind, choices, chooses } = context;
  if (kind === "nothing") return null;
  if (context.value != null && !fits(kind, context.value)) {
    const replace = () => context.set(carried(kind, null), "value");
    const button = h("button", { type: "button", class: "button small", onclick: replace }, gettext("Replace"));
    return h("span", { class: "criteria-odd" }, h("code", {}, JSON.stringify(context.value)), button);
  }
  const full = { ...context, value: context.value ?? carried(kind, null) };
  if (choices) return select(kind === "step" ? gettext("Step") : gettext("Value"), context.value, choices, context.change, gettext("Choose"));
  if (chooses) return chosen(full);
  return (CONTROLS[kind] ?? CONTROLS.text)(full);
};
