/* Markdown without the parsers of HTML, CSS and JavaScript, which would double the size of the whole. */

import { markdownKeymap, markdownLanguage } from "@codemirror/lang-markdown";
import { LanguageSupport } from "@codemirror/language";
import { keymap } from "@codemirror/view";

export const markdown = () => new LanguageSupport(markdownLanguage, [keymap.of(markdownKeymap)]);
