/* The bar above Airflow's list of Dags: whose Dags are shown, and the way to all of them and back.
   Airflow's interface loads it with React, its router and its look as globals; this file imports nothing. */

const { createElement } = globalThis.React;
const { useLocation, useSearchParams } = globalThis.ReactRouterDOM;
const { Button, HStack, Text } = globalThis.ChakraUI;

const user = new URL(import.meta.url).searchParams.get("user");

export default function PersonalView() {
  const { pathname } = useLocation();
  const [params, setParams] = useSearchParams();
  if (pathname.replace(/\/$/, "") !== "/dags") return null;
  const owners = params.getAll("owners");
  const show = (names) => {
    const next = new URLSearchParams(params);
    for (const key of ["owners", "offset", "cursor"]) next.delete(key); // another list begins at its first page
    for (const name of names) next.append("owners", name);
    setParams(next);
  };
  const others = owners.filter((name) => name !== user);
  const words = owners.length ? `Only Dags with the owner ${owners.join(" or ")} are shown.` : "Dags of all owners are shown.";
  const button = (label, names) =>
    createElement(Button, { key: label, onClick: () => show(names), size: "xs", variant: "outline" }, label);
  return createElement(
    HStack,
    { "data-testid": "couture-personal-view", flexShrink: 0, flexWrap: "wrap", gap: 3, minHeight: 8, pb: 1, role: "status" },
    createElement(Text, { color: "fg.muted", fontSize: "sm" }, createElement("b", null, `${user}'s workbench`), " · ", words),
    owners.length ? button("Show all Dags", []) : null,
    owners.length && !others.length ? null : button(`Show only ${user}'s`, [user]),
  );
}

globalThis.CoutureWorkflowPersonalView = PersonalView; // the name in Airflow's list of plugins
