// Joins what the libraries draw: runs ticked in one table are drawn in two charts, and compared in another table.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const useTheme = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", useTheme);
useTheme();

const runs = new DataTable("#runs", {
  columnDefs: [
    { targets: 0, orderable: false, render: DataTable.render.select() },
    { targets: "unordered", orderable: false },
  ],
  select: { style: "multi", selector: "td:first-child", headerCheckbox: false },
  order: [],
  pageLength: 25,
  lengthMenu: [25, 100, { label: "all", value: -1 }],
  layout: { topStart: "search", topEnd: "info", bottomStart: "pageLength", bottomEnd: "paging" },
  language: { search: "Filter", info: "_TOTAL_ runs", infoFiltered: "of _MAX_", infoEmpty: "no runs", lengthMenu: "_MENU_ per page" },
});
addEventListener("beforeprint", () => runs.page.len(-1).draw());

const parameters = new DataTable("#parameters", { paging: false, layout: { topStart: null, topEnd: null, bottomStart: null }, order: [] });

const histories = read("histories");
const measures = { f1: ["F1, validation half", "linear"], loss: ["loss, validation half", "log"] };

async function draw(chosen) {
  for (const [measure, [title, scale]] of Object.entries(measures)) {
    const place = document.getElementById(`${measure}-curves`);
    const chart = read("chart");
    chart.data.values = histories.filter((run) => chosen.includes(run.id));
    Object.assign(chart.encoding.y, { field: measure, title: title, scale: { type: scale } });
    place.replaceChildren();
    if (chart.data.values.length) await vegaEmbed(place, chart, { ast: true, actions: false, renderer: "svg" });
  }
  document.getElementById("compared").textContent = `${chosen.length} chosen`;
}

let drawn = Promise.resolve(); // one drawing after the other, however fast runs are ticked
function compare() {
  const chosen = runs.rows({ selected: true }).nodes().toArray().map((row) => row.id);
  drawn = drawn.then(() => draw(chosen));
  parameters.search.fixed("chosen", (text, data, number) => chosen.includes(parameters.row(number).node().dataset.run)).draw();
  parameters.columns().indexes().each((number) => {
    const values = parameters.column(number, { search: "applied" }).data().toArray();
    parameters.column(number).visible(number === 0 || new Set(values).size > 1);
  });
}
runs.on("select deselect", compare);
runs.rows(read("compared-at-first").map((id) => `#${id}`)).select();
