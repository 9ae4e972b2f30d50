// What may be asked, as the server has told it (audience.segments.offered): fields in groups, their operators.
import { carried } from "./values.js";

const EVENT = "event.";

export class Words {
  constructor(told) {
    this.told = told;
    this.fields = new Map(told.groups.flatMap(({ fields }) => fields).map((field) => [field.name, field]));
    this.labels = new Map(told.labels ?? []);
  }

  // A property of the event that people began a flow by; its name is free, its type is that of the value.
  isOfEvent(rule) {
    return Boolean(this.told.event) && rule.field.startsWith(EVENT);
  }

  fieldOf(rule) {
    return this.fields.get(this.isOfEvent(rule) ? EVENT : rule.field);
  }

  operatorsOf(rule) {
    const about = this.isOfEvent(rule) ? this.told.event[this.typeOf(rule)] : this.fieldOf(rule);
    return about ? this.told.operators[about.operators] : [];
  }

  operatorOf(rule) {
    return this.operatorsOf(rule).find(({ name }) => name === rule.operator);
  }

  propertyOf(rule) {
    return rule.field.slice(EVENT.length);
  }

  // As it was chosen, or as the value is.
  typeOf(rule) {
    if (rule.type) return rule.type;
    const value = Array.isArray(rule.value) ? rule.value[0] : rule.value;
    if (typeof value === "number" || typeof value === "boolean") return typeof value;
    return typeof value === "string" && /^\d{4}-\d\d-\d\d$/.test(value) ? "date" : "text";
  }

  choose(rule, field) {
    rule.field = field;
    delete rule.type;
    this.settle(rule);
    if (field === EVENT) this.name(rule, "name");
  }

  name(rule, property) {
    rule.field = EVENT + property;
  }

  // Gives a rule an operator and a value that go with its field.
  settle(rule) {
    if (!this.operatorOf(rule)) rule.operator = this.operatorsOf(rule)[0]?.name ?? "";
    rule.value = carried(this.operatorOf(rule)?.takes ?? "nothing", rule.value);
  }

  // The fields that hold what was typed, under their headings.
  offer(search) {
    const typed = search.toLowerCase();
    return this.told.groups.map(({ label: heading, fields }) => ({
      label: heading,
      items: fields
        .filter(({ name, label }) => `${heading} ${label} ${name}`.toLowerCase().includes(typed))
        .map(({ name, label }) => ({ value: name, label })),
    }));
  }
}
