// The concepts in a table, counted in the images of the chosen split and category; one of them in detail.
const { groups, images, concepts } = JSON.parse(document.getElementById("content").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const useTheme = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", useTheme);
useTheme();

const place = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(2)} %` : "");
const pairs = (list) => Array.from({ length: list.length / 2 }, (_, n) => [list[2 * n], list[2 * n + 1]]);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const nameOf = (k) => concepts[k][1] || concepts[k][0];
const total = concepts.map(([, , counts]) => sum(pairs(counts).map(([, count]) => count)));

for (const [id, position] of [["split", 0], ["category", 1]]) {
  for (const value of ["all", ...new Set(groups.map((group) => group[position]))].values()) place(id).append(new Option(value));
  place(id).addEventListener("change", count);
}

function button(k) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "concept";
  made.dataset.concept = k;
  made.textContent = nameOf(k);
  return made;
}

const table = new DataTable("#concepts", {
  data: [],
  columns: [
    { data: "k", render: (k, type) => (type === "display" ? button(k) : nameOf(k)) },
    { data: "cui" },
    { data: "images", className: "number", render: (n, type) => (type === "display" ? number.format(n) : n), orderSequence: ["desc", "asc"] },
    { data: "share", className: "number", render: (share, type) => (type === "display" ? percent(share, 1) : share), orderSequence: ["desc", "asc"] },
  ],
  order: [[2, "desc"]],
  pageLength: 25,
  lengthMenu: [25, 100, { label: "all", value: -1 }],
  deferRender: true,
  layout: { topStart: "search", topEnd: "info", bottomStart: "pageLength", bottomEnd: "paging" },
  language: { search: "Filter", info: "_TOTAL_ concepts", infoFiltered: "of _MAX_", infoEmpty: "no concepts", lengthMenu: "_MENU_ per page" },
});

function count() {
  const wanted = (group) => ["split", "category"].every((id, n) => place(id).value === "all" || place(id).value === group[n]);
  const chosen = groups.map(wanted);
  const all = sum(images.filter((_, group) => chosen[group]));
  const rows = concepts.map(([cui, , counts], k) => {
    const found = sum(pairs(counts).map(([group, n]) => (chosen[group] ? n : 0)));
    return { k, cui, images: found, share: all ? found / all : 0 };
  });
  table.clear().rows.add(rows.filter((row) => row.images)).draw();
}

function fill(id, rows) {
  const filled = rows.map((cells) => {
    const row = document.createElement("tr");
    for (const cell of cells) {
      const made = document.createElement("td");
      made.append(cell);
      made.classList.toggle("number", typeof cell === "string" && /^[\d.,]+( %)?$/.test(cell));
      row.append(made);
    }
    return row;
  });
  place(id).tBodies[0].replaceChildren(...filled);
}

function show(k) {
  const [cui, , counts, partners] = concepts[k];
  const everything = sum(images);
  place("name").textContent = nameOf(k) === cui ? cui : `${nameOf(k)}, ${cui}`;
  fill("counts", pairs(counts).map(([group, n]) => [...groups[group], number.format(n), percent(n, images[group])]));
  fill("partners", pairs(partners).map(([other, n]) => [
    button(other), number.format(n), percent(n, total[k]), ((n * everything) / (total[k] * total[other])).toFixed(2),
  ]));
  place("one").hidden = false;
  place("one").focus();
}

document.addEventListener("click", (event) => {
  const chosen = event.target.closest("button.concept");
  if (chosen) show(Number(chosen.dataset.concept));
});
count();
