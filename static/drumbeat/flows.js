// The flow editor: adding by a dialog, moving by drag, buttons and keys. The server draws every state.
(() => {
  const canvas = () => document.getElementById("canvas");

  const act = (values) => {
    const here = canvas();
    htmx.ajax("POST", here.dataset.act, {
      target: "#canvas",
      swap: "outerHTML",
      values: { ...values, seen: document.getElementById("seen").value },
      headers: { "X-CSRFToken": here.dataset.token },
    });
  };

  const add = (button) => {
    const dialog = document.getElementById("kinds");
    for (const name of ["owner", "way", "index"]) dialog.querySelector(`[name=${name}]`).value = button.dataset[name];
    dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("add" in button.dataset) add(button);
    else if (button.dataset.close) {
      document.getElementById(`settings-${button.dataset.close}`).replaceChildren();
      document.getElementById(`step-${button.dataset.close}`).focus();
    } else if (button.dataset.act && (!button.dataset.confirm || confirm(button.dataset.confirm))) {
      act({ act: button.dataset.act, key: button.dataset.key });
    }
  });

  document.addEventListener("keydown", (event) => {
    const step = event.target.closest?.(".step");
    const way = { ArrowUp: "up", ArrowDown: "down" }[event.key];
    if (!step || !way || !event.altKey || event.target.closest("form")) return;
    event.preventDefault();
    step.querySelector(`[data-act=${way}]`)?.click();
  });

  document.addEventListener("flow-move", (event) => act({ act: "move", ...event.detail }));

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches?.("[data-kinds]")) document.getElementById("kinds").close();
  });

  // Whoever works by keyboard goes on where they were.
  document.addEventListener("htmx:afterSettle", () => {
    const here = canvas();
    if (!here.dataset.focus) return;
    const step = document.getElementById(`step-${here.dataset.focus}`);
    here.dataset.focus = "";
    step?.focus({ preventScroll: true });
    step?.scrollIntoView({ block: "nearest", behavior: "auto" });
  });
})();
