// A text area that shows code: its text is painted behind it, with line numbers and what is wrong at which line.
(() => {
  const LIQUID = String.raw`\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}`;
  const COMMENT = String.raw`<!--[\s\S]*?(?:-->|(?![\s\S]))|\{%-?\s*comment\b[\s\S]*?endcomment\s*-?%\}`;
  const TAG = String.raw`<\/?[a-zA-Z][\w:-]*(?:${LIQUID}|"[^"]*"|'[^']*'|[^<>"'{]|\{)*>`;
  const CSS = String.raw`(?<=<(?:mj-)?style\b[^>]*>)[^<]+`;
  const ANY = `(?<comment>${COMMENT})|(?<liquid>${LIQUID})`;
  const MARKUP = new RegExp(String.raw`${ANY}|(?<css>${CSS})|(?<tag>${TAG})|(?<entity>&#?\w+;)`, "g");
  const MARKDOWN = new RegExp(
    String.raw`${ANY}|(?<heading>^#{1,6} .*$)|(?<strong>\*\*[^*\n]+\*\*)|(?<string>\[[^\]\n]*\]\([^)\n]*\))|(?<list>^\s*(?:[-*+>]|\d+\.)\s)|(?<tag>${TAG})`,
    "gm",
  );
  const GRAMMARS = { mjml: MARKUP, html: MARKUP, markdown: MARKDOWN, plain: new RegExp(ANY, "g") };
  // What is painted inside of what.
  const INSIDE = {
    tag: new RegExp(String.raw`(?<name>^<\/?[\w:-]+|\/?>$)|(?<liquid>${LIQUID})|(?<string>"[^"]*"|'[^']*')`, "g"),
    string: new RegExp(`(?<liquid>${LIQUID})`, "g"),
    heading: new RegExp(`(?<liquid>${LIQUID})`, "g"),
    liquid: /(?<string>"[^"]*"|'[^']*')|(?<filter>\|\s*\w+)|(?<name>\{%-?\s*\w*|-?%\}|\{\{-?|-?\}\})/g,
    css: new RegExp(String.raw`(?<comment>\/\*[\s\S]*?\*\/)|(?<liquid>${LIQUID})|(?<name>[\w-]+(?=\s*:\s))|(?<string>#[\da-fA-F]{3,8}\b)`, "g"),
  };
  // Above this many characters painting at each keystroke could be felt.
  const PAINT_LIMIT = 120_000;
  const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  const escaped = (text) => text.replace(/[&<>]/g, (sign) => SIGNS[sign]);

  const painted = (source, grammar) => {
    let html = "";
    let from = 0;
    for (const found of source.matchAll(grammar)) {
      const [kind, text] = Object.entries(found.groups).find(([, each]) => each !== undefined);
      const inside = INSIDE[kind] ? painted(text, INSIDE[kind]) : escaped(text);
      html += `${escaped(source.slice(from, found.index))}<span class="is-${kind}">${inside}</span>`;
      from = found.index + text.length;
    }
    return html + escaped(source.slice(from));
  };

  class Code {
    constructor(root) {
      this.area = root.querySelector("textarea");
      this.paint = root.querySelector(".paint");
      this.gutter = root.querySelector(".gutter");
      this.said = root.querySelector(".said");
      this.problems = [];
      this.area.addEventListener("input", () => this.refresh());
      this.area.addEventListener("scroll", () => this.follow());
      this.area.addEventListener("keydown", (event) => this.indent(event));
      this.show("plain");
    }

    show(format) {
      this.grammar = GRAMMARS[format] || GRAMMARS.plain;
      this.refresh();
    }

    refresh() {
      cancelAnimationFrame(this.due);
      this.due = requestAnimationFrame(() => {
        const source = this.area.value;
        // A last line that is empty has a height only when something follows.
        this.paint.innerHTML = `${source.length > PAINT_LIMIT ? escaped(source) : painted(source, this.grammar)}\n`;
        this.number(source.split("\n"));
        this.follow();
      });
    }

    number(lines) {
      const worst = new Map();
      for (const { line, severity } of this.problems) if (worst.get(line) !== "error") worst.set(line, severity);
      const numbers = lines.map((_, at) => (worst.has(at + 1) ? `<b class="${worst.get(at + 1)}">${at + 1}</b>` : at + 1));
      this.gutter.innerHTML = `<div>${numbers.join("\n")}</div>`;
      const shown = this.problems.filter(({ line }) => line <= lines.length);
      this.said.replaceChildren(...shown.map((problem) => this.note(problem, lines[problem.line - 1])));
    }

    note({ line, message, severity }, text) {
      const note = document.createElement("span");
      note.className = severity;
      note.textContent = message;
      note.style.setProperty("--line", line - 1);
      note.style.setProperty("--end", text.replaceAll("\t", "  ").length);
      return note;
    }

    // What is wrong, each with its line, at whose end it is said until the line changes.
    mark(problems) {
      this.problems = problems.filter(({ line }) => line);
      this.refresh();
    }

    follow() {
      const { scrollLeft, scrollTop } = this.area;
      this.paint.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
      this.gutter.style.setProperty("--y", `${-scrollTop}px`);
      this.said.style.setProperty("--x", `${-scrollLeft}px`);
      this.said.style.setProperty("--y", `${-scrollTop}px`);
    }

    // A new line begins where the one before begins.
    indent(event) {
      if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey || this.area.readOnly) return;
      const before = this.area.value.slice(0, this.area.selectionStart);
      const blank = /(?:^|\n)([ \t]*)[^\n]*$/.exec(before)[1];
      if (!blank) return;
      event.preventDefault();
      document.execCommand("insertText", false, `\n${blank}`);
    }

    goTo(line) {
      const lines = this.area.value.split("\n");
      const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
      this.area.focus();
      this.area.setSelectionRange(start, start + (lines[line - 1] || "").length);
      const height = parseFloat(getComputedStyle(this.area).lineHeight);
      this.area.scrollTop = Math.max(0, (line - 4) * height);
      this.area.scrollLeft = 0;
    }
  }

  for (const root of document.querySelectorAll("[data-code]")) root.code = new Code(root);
})();
