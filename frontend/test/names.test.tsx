// @vitest-environment happy-dom
import { render } from "preact";
import { expect, it } from "vitest";
import { Api } from "../src/data/api";
import { ready } from "../src/data/resource";
import { rowName, shownName } from "../src/model/names";
import { Store, StoreProvider } from "../src/state/store";
import type { Run } from "../src/types.gen";
import { Sidebar } from "../src/ui/Sidebar";
import { SeriesCard } from "../src/views/pictures/SeriesCard";
import { rowAt, variableSeries } from "../src/views/weights/rows";
import { VariableTable } from "../src/views/weights/VariableTable";

const LONG = "n".repeat(5000);
const CUT = `${"n".repeat(4096)}…`;

it("cuts names off that are longer than 4,096 characters", () => {
  expect(shownName("conv1")).toBe("conv1");
  expect(shownName("n".repeat(4096))).toBe("n".repeat(4096));
  expect(shownName("n".repeat(4097))).toBe(CUT);
  expect(shownName("😀".repeat(4096))).toBe("😀".repeat(4096));
  expect(shownName("😀".repeat(4097))).toBe(`${"😀".repeat(4096)}…`);
  expect(rowName(LONG)).toBe(CUT);
});

const run: Run = {
  run: LONG,
  title: LONG,
  color: 0,
  record: null,
  kernels: {},
  steps: [0],
  logged_steps: null,
  pictures: [{ kind: "maps", name: LONG, layer: LONG, steps: [0], version: null }],
  layer_rows: [LONG],
  variable_rows: [LONG],
  problems: [],
};

it("shows cut names in the lists, on cards and in the table of variables, and keeps the whole ones as data", () => {
  const asked: string[] = [];
  const get = (address: string) => {
    asked.push(address);
    return new Promise<never>(() => undefined);
  };
  const store = new Store(new Api({ live: true, get }));
  store.index.value = ready({ version: 1, plugin_version: "", runs: [run] });
  const rows = variableSeries(run, [LONG], () => NOTHING, undefined).map((series) => rowAt(series, null, null));
  const root = document.body.appendChild(document.createElement("div"));
  render(
    <StoreProvider value={store}>
      <Sidebar />
      <SeriesCard kind="maps" name={LONG} layer={LONG} what="Feature maps" known={[]} facts={none} panel={none} />
      <VariableTable
        rows={rows}
        sorting={{ key: "variable", descending: false }}
        onSort={none}
        opened={null}
        open={none}
        onSight={none}
      />
    </StoreProvider>,
    root,
  );
  const shown = (place: string) => root.querySelector(place)?.textContent;
  expect([shown(".runs .name"), shown(".layers .name"), shown(".card h3"), shown(".variable-open")]).toEqual(
    Array(4).fill(CUT),
  );
  const spoken = [...root.querySelectorAll("[aria-label], [title]")].flatMap((element) =>
    ["aria-label", "title"].map((name) => element.getAttribute(name) ?? ""),
  );
  expect(spoken.filter((text) => text.includes(LONG))).toEqual([]);
  expect(root.querySelector(".card")?.getAttribute("data-card")).toBe(LONG);
  expect(asked.some((address) => address.includes(LONG))).toBe(true);
});

const NOTHING = { rows: [], columns: [], steps: new Float64Array(), values: new Float32Array() };
const none = () => null;
