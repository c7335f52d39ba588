/* A request to the model server as lines that can be copied: for a shell, and for Python. */

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** A value of JSON as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && !JSON.isRawJSON?.(value)) {
    return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** The command line of a request. */
export function curl(url, body, { needsToken = false } = {}) {
  const token = needsToken ? ` -H "Authorization: Bearer $TOKEN"` : "";
  return `curl${token} -d ${quoted(JSON.stringify(body))} ${quoted(url)}`;
}

/** The lines of Python of a request. */
export function python(url, body, { needsToken = false } = {}) {
  return [
    "import requests",
    "",
    "answer = requests.post(",
    `    ${JSON.stringify(url)},`,
    `    json=${literal(body)},`,
    ...(needsToken ? [`    headers={"Authorization": f"Bearer {token}"},`] : []),
    "    timeout=30,",
    ")",
    "answer.raise_for_status()",
    `print(answer.json()["outputs"])`,
  ].join("\n");
}
