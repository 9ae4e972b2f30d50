"""The documents that hold bodies which bring none: HTML fragments, Markdown, plain text; and the footer."""

from __future__ import annotations

PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title></title>
{head}</head>
<body>
{body}
</body>
</html>
"""

SANS = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

LETTER_CSS = f"""
body {{ margin: 0; padding: 0; background-color: #f3f4f6; }}
.sheet {{ max-width: 600px; margin: 0 auto; padding: 32px 28px; background-color: #ffffff; color: #1f2937;
  font-family: {SANS}; font-size: 16px; line-height: 26px; word-break: break-word; }}
h1 {{ margin: 0 0 20px; font-size: 28px; line-height: 36px; color: #111827; }}
h2 {{ margin: 32px 0 12px; font-size: 21px; line-height: 28px; color: #111827; }}
h3 {{ margin: 24px 0 8px; font-size: 17px; line-height: 26px; color: #111827; }}
p {{ margin: 0 0 16px; }}
ul, ol {{ margin: 0 0 16px; padding-left: 24px; }}
li {{ margin: 0 0 6px; }}
a {{ color: #1d4ed8; }}
img {{ max-width: 100%; height: auto; border: 0; }}
hr {{ margin: 28px 0; border: 0; border-top: 1px solid #e5e7eb; }}
blockquote {{ margin: 0 0 16px; padding: 2px 0 2px 16px; border-left: 3px solid #d1d5db; color: #4b5563; }}
blockquote p {{ margin: 0; }}
code {{ padding: 1px 4px; border-radius: 4px; background-color: #f3f4f6;
  font-family: Menlo, Consolas, monospace; font-size: 14px; }}
pre {{ margin: 0 0 16px; padding: 12px 16px; border-radius: 6px; background-color: #f3f4f6;
  overflow-x: auto; }}
pre code {{ padding: 0; }}
table {{ width: 100%; margin: 0 0 16px; border-collapse: collapse; }}
th {{ padding: 8px 10px; border-bottom: 2px solid #d1d5db; text-align: left; }}
td {{ padding: 8px 10px; border-bottom: 1px solid #e5e7eb; }}
"""
# In the head, since only there a mail program can choose.
DARK_CSS = """<style>
@media (prefers-color-scheme: dark) {
  body { background-color: #0b0f17 !important; }
  .sheet { background-color: #151b26 !important; color: #d6dbe4 !important; }
  h1, h2, h3 { color: #f3f4f6 !important; }
  a { color: #8ab4ff !important; }
  hr, th, td, blockquote { border-color: #384252 !important; }
  blockquote { color: #a3acba !important; }
  code, pre { background-color: #232b39 !important; }
}
</style>
"""

PLAIN_STYLE = (
    f"max-width:640px;margin:0 auto;padding:24px;font-family:{SANS};font-size:15px;line-height:24px;"
)

# Spaces after the preheader keep inboxes from going on with the text of the mail.
PREHEADER = (
    '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all;">{} ' + "&#847; " * 40 + "</div>"
)

# Added to a body without an unsubscribe link, at compile or, where its own was left out, at render.
FOOTER_HTML = (
    '<div style="padding:24px 16px;text-align:center;font-family:Helvetica,Arial,sans-serif;'
    'font-size:12px;line-height:18px;color:#6b7280;">'
    '<a href="{{ unsubscribe_link }}" style="color:#6b7280;">Unsubscribe</a>'
    '{% if workspace.postal_address != "" %}<br>{{ workspace.postal_address | newline_to_br }}{% endif %}'
    "</div>\n"
)
FOOTER_TEXT = (
    "\n\n--\nUnsubscribe: {{ unsubscribe_link }}"
    '{% if workspace.postal_address != "" %}\n{{ workspace.postal_address }}{% endif %}\n'
)


def page(body: str, head: str = "") -> str:
    return PAGE.format(head=head, body=body)


def letter(body: str) -> str:
    """A readable sheet of paper that follows the reader's light or dark mode."""
    return page(f'<div class="sheet">\n{body}</div>', DARK_CSS)
