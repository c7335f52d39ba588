/* The colours of XML, for the editor of configuration files: tags, attributes, values, comments. */

import { StreamLanguage } from "../vendor/codemirror.js";

/* Read up to an end that may be on a later line. */
function until(end, token, next = null) {
  return (stream, state) => {
    if (stream.skipTo(end)) {
      stream.match(end);
      state.read = next;
    } else stream.skipToEnd();
    return token;
  };
}

const comment = until("-->", "comment");
const instruction = until("?>", "meta");
const verbatim = until("]]>", "string");

function attributes(stream, state) {
  if (stream.eatSpace()) return null;
  if (stream.match(/^\/?>/)) {
    state.read = null;
    return "tagName";
  }
  if (stream.match(/^"[^"]*"?|^'[^']*'?/)) return "string";
  if (stream.match(/^[^\s=>"'/]+/)) return "propertyName";
  stream.next();
  return null;
}

function content(stream, state) {
  for (const [opening, read, token] of [["<!--", comment, "comment"], ["<?", instruction, "meta"], ["<![CDATA[", verbatim, "string"]]) {
    if (!stream.match(opening)) continue;
    state.read = read;
    return token;
  }
  if (stream.match(/^<\/?[^\s<>/]+/)) {
    state.read = attributes;
    return "tagName";
  }
  if (stream.match(/^&[#\w]+;/)) return "atom";
  if (stream.match(/^\$\{[^}\s]*\}/)) return "labelName";
  if (!stream.match(/^[^<&$]+/)) stream.next();
  return null;
}

const parser = {
  name: "xml",
  startState: () => ({ read: null }),
  copyState: (state) => ({ ...state }),
  token: (stream, state) => (state.read ?? content)(stream, state),
  languageData: { commentTokens: { block: { open: "<!--", close: "-->" } } },
};

export const xml = () => StreamLanguage.define(parser);
