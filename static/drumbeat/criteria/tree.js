// Criteria as a tree that can be edited. What cannot be shown as a rule is kept as it is, as kind "text".
let last = 0;
const identified = (node) => ({ id: ++last, ...node });
const RULE = ["field", "operator", "value"];

export const MAX_DEPTH = 5;

const joinerOf = (raw) => {
  const keys = raw && typeof raw === "object" && !Array.isArray(raw) ? Object.keys(raw) : [];
  return keys.length === 1 && ["all", "any"].includes(keys[0]) && Array.isArray(raw[keys[0]]) ? keys[0] : null;
};
const isRule = (raw) =>
  raw && typeof raw === "object" && typeof raw.field === "string" && typeof raw.operator === "string" &&
  Object.keys(raw).every((key) => RULE.includes(key));

// The tree of stored criteria; null where they are no group, so that there is nothing to build on.
export const read = (raw) => {
  if (raw === null || (typeof raw === "object" && !Object.keys(raw).length)) return group("all", []);
  return joinerOf(raw) ? node(raw) : null;
};
const node = (raw) => {
  const joiner = joinerOf(raw);
  if (joiner) return group(joiner, raw[joiner].map(node));
  return isRule(raw) ? identified({ kind: "rule", ...raw }) : identified({ kind: "text", raw });
};

export const write = (each) => {
  if (each.kind === "group") return { [each.joiner]: each.nodes.map(write) };
  if (each.kind === "text") return each.raw;
  const { field, operator, value } = each;
  return value === undefined ? { field, operator } : { field, operator, value };
};

export const group = (joiner, nodes) => identified({ kind: "group", joiner, nodes });
export const blank = () => identified({ kind: "rule", field: "", operator: "" });

// The group that holds a node, and where in it; nothing for the whole tree itself.
export const locate = (within, id) => {
  for (const [index, each] of within.nodes.entries()) {
    if (each.id === id) return { parent: within, index, node: each };
    const found = each.kind === "group" && locate(each, id);
    if (found) return found;
  }
  return null;
};
export const find = (root, id) => (root.id === id ? root : locate(root, id)?.node);
export const at = (root, path) => path.reduce((each, index) => each?.nodes?.[index], root);

const height = (each) => (each.kind === "group" ? 1 + Math.max(0, ...each.nodes.map(height)) : 0);
export const depth = (root, id) => {
  const place = locate(root, id);
  return place ? 1 + depth(root, place.parent.id) : 1;
};
const fits = (root, into, each) => depth(root, into.id) + height(each) <= MAX_DEPTH;

// Takes a node out; groups that are empty then go with it.
export const remove = (root, id) => {
  const { parent, index } = locate(root, id);
  parent.nodes.splice(index, 1);
  if (!parent.nodes.length && parent !== root) remove(root, parent.id);
};
export const add = (root, groupId, each, index = Infinity) => find(root, groupId).nodes.splice(index, 0, each);
export const duplicate = (root, id) => {
  const { parent, index, node: original } = locate(root, id);
  const copy = node(write(original));
  parent.nodes.splice(index + 1, 0, copy);
  return copy;
};
export const wrap = (root, id) => {
  const { parent, index, node: inner } = locate(root, id);
  if (depth(root, parent.id) + 1 + height(inner) > MAX_DEPTH) return null;
  const made = group(parent.joiner === "all" ? "any" : "all", [inner]);
  parent.nodes[index] = made;
  return made;
};
export const unwrap = (root, id) => {
  const { parent, index, node: each } = locate(root, id);
  parent.nodes.splice(index, 1, ...each.nodes);
};

// Moves a node to a place in a group, counted without the node itself; says whether it could.
export const place = (root, id, groupId, index) => {
  const { parent, index: from, node: each } = locate(root, id);
  const into = find(root, groupId);
  if (!into || find(each.kind === "group" ? each : group("all", []), groupId) || !fits(root, into, each)) return false;
  parent.nodes.splice(from, 1);
  into.nodes.splice(index, 0, each);
  if (!parent.nodes.length && parent !== root) remove(root, parent.id);
  return true;
};

// One place up (-1) or down (1) in the order that is read, into and out of groups.
export const shift = (root, id, way) => {
  const { parent, index, node: each } = locate(root, id);
  const next = parent.nodes[index + way];
  if (next?.kind === "group" && fits(root, next, each)) {
    return place(root, id, next.id, way > 0 ? 0 : next.nodes.length);
  }
  if (next) return place(root, id, parent.id, index + way);
  const outer = locate(root, parent.id);
  return outer ? place(root, id, outer.parent.id, outer.index + (way > 0 ? 1 : 0)) : false;
};
