// Elements in one expression: attributes, listeners by their "on" names, children.
export const h = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
};

export const icon = (name) => h("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, name);

// Calls once, so many milliseconds after the last time it was asked to.
export const later = (wait, act) => {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait, ...given);
  };
};

// Opens a popover below what it belongs to, or above where there is more room.
export const openAt = (popover, anchor) => {
  popover.showPopover();
  const { left, top, bottom } = anchor.getBoundingClientRect();
  const [width, height] = [popover.offsetWidth, popover.offsetHeight];
  const above = bottom + height > innerHeight - 8 && top > innerHeight - bottom;
  popover.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - width - 8))}px`;
  popover.style.top = `${Math.max(8, above ? top - height - 4 : bottom + 4)}px`;
};
