import { describe, expect, it } from "vitest";
import { axisRange, describe as describeChart, drawable } from "../src/charts/spec";
import { lossSpec } from "../src/views/overview/LossChart";
import { sparkPath } from "../src/views/weights/axis";
import {
  BAND_COLUMNS,
  CHART_COLUMNS,
  distributionChart,
  movedChart,
  ratioChart,
  resumedAt,
  resumeWords,
} from "../src/views/weights/detail_specs";
import { arrow } from "../src/views/weights/VariableCells";

const columns = [...CHART_COLUMNS, ...BAND_COLUMNS];
const at = (over: Readonly<Record<string, number>>) => columns.map((name) => over[name] ?? Number.NaN);
const traced = {
  name: "asked",
  color: "#123456",
  variable: "w",
  table: {
    rows: ["w"],
    columns,
    steps: Float64Array.from([0, 1, 2]),
    values: Float32Array.from([
      ...at({ size: 1e6, displacement: 0, initial_norm: 2 }),
      ...at({ size: 1e6, displacement: 1, initial_norm: 2, update_norm: 1, gap: 1, update_ratio: 0.5 }),
      ...at({ size: 1e6, displacement: 2, initial_norm: 2, update_norm: 1, gap: 1, update_ratio: 0, p50: 0.1 }),
    ]),
  },
};

describe("charts of a variable", () => {
  it("show displacement beside a random walk of the same updates", () => {
    const { lines, areas } = movedChart([traced]);
    const byName = Object.fromEntries(lines.map(({ name, series }) => [name, Array.from(series.values)]));
    expect(byName.asked).toEqual([0, 0.5, 1]);
    expect(byName["asked, random walk"]).toEqual([0, 0.5, expect.closeTo(Math.SQRT2 / 2, 6)]);
    expect(areas?.map(({ upper, lower }) => [lines[upper]?.name, lines[lower]?.name])).toEqual([
      ["asked, random walk high", "asked, random walk low"],
    ]);
  });

  it("say from where a resumed run is measured", () => {
    const values = Float32Array.from([0, 0, 7].flatMap((first_step) => at({ size: 1, first_step })));
    const resumed = { ...traced, table: { ...traced.table, values } };
    expect(resumedAt([traced])).toEqual([]);
    expect(resumedAt([resumed, traced, resumed])).toEqual([7]);
    expect(resumeWords([])).toBe("");
    expect(resumeWords([7, 1200])).toBe("; measured anew from step 7 and 1,200, where it was resumed");
    expect(resumeWords([1, 2, 3, 4])).toBe("; measured anew from each of 4 resumes, where it was resumed");
  });

  it("mark an exact zero, which a logarithmic axis cannot hold", () => {
    const drawn = drawable(ratioChart([traced]));
    expect(drawn.values).toEqual([[null, 0.5, null]]);
    expect(drawn.marks).toEqual([[{ step: 2, kind: "zero" }]]);
    expect(drawn.range[0]).toBeLessThan(0.065);
    expect(drawn.range[1]).toBeGreaterThan(0.5);
  });

  it("show the percentiles of TensorBoard's distributions as bands about the median", () => {
    const { lines, areas } = distributionChart("Values", traced);
    expect(lines.map(({ name }) => name)).toEqual(["min", "p07", "p16", "p31", "median", "p69", "p84", "p93", "max"]);
    expect(areas?.map(({ upper, lower }) => upper + lower)).toEqual([8, 8, 8, 8]);
  });
});

describe("the loss", () => {
  const loss = { steps: [0, 1, 2], values: [1, Number.NaN, 3] };
  const none = { steps: [], values: [] };

  it("is marked where it is not a number, and handed out as it is when smoothed", () => {
    const spec = lossSpec([{ name: "a", color: "red", loss, beside: none }], null, 0.9, false);
    expect(drawable(spec).marks[0]).toEqual([{ step: 1, kind: "nan" }]);
    expect(spec.lines.map(({ faint, derived }) => [faint === true, derived === true])).toEqual([
      [true, false],
      [false, true],
    ]);
  });

  it("has another scalar beside it on an axis of its own", () => {
    const spec = lossSpec(
      [{ name: "a", color: "red", loss, beside: { steps: [1, 5], values: [90, 95] } }],
      "accuracy",
      0,
      true,
    );
    const drawn = drawable(spec);
    expect(drawn.steps).toEqual([0, 1, 2, 5]);
    expect(drawn.values[1]).toEqual([undefined, 90, undefined, 95]);
    expect(drawn.range[1]).toBeLessThan(10);
    expect(drawn.rightRange[1]).toBeGreaterThan(95);
  });
});

describe("axes", () => {
  it.each([
    [[1, 2] as const, false, undefined],
    [[5, 5] as const, false, undefined],
    [[0, 0] as const, false, undefined],
    [[1e-3, 1e-3] as const, true, undefined],
    [null, true, [1e-4, 1e-2] as const],
    [null, false, undefined],
  ])("of %j hold what is drawn and have a length", (drawn, log, usual) => {
    const [low, high] = axisRange(drawn, log, usual);
    expect(high).toBeGreaterThan(low);
    if (log) expect(low).toBeGreaterThan(0);
    if (drawn) expect(low <= drawn[0] && high >= drawn[1]).toBe(true);
  });

  it("show the nearest end of the usual range", () => {
    const [low, high] = axisRange([1e-6, 1e-5], true, [1e-4, 1e-2]);
    expect(low).toBeLessThan(1e-6);
    expect(high).toBeGreaterThan(1e-4);
  });
});

it("has the usual range of updates of a step shaded", () => {
  expect(ratioChart([traced])).toMatchObject({ usual: [0.001, 0.065], unit: "ratio", log: true });
});

it("is described in words for those who do not see it", () => {
  expect(describeChart(ratioChart([traced]), String)).toBe("Update ratio, chart over steps; asked: 0 at step 2");
});

it("draws sparklines with gaps, and a lone value as a point", () => {
  const path = sparkPath({ steps: [0, 1, 2, 3], values: [Number.NaN, 1, 0, 10] });
  expect(path.match(/M/g)).toHaveLength(2);
  expect(path).toMatch(/^M32\.0 .*h0M96\.0 .*h0$/);
  expect(sparkPath({ steps: [0], values: [Number.NaN] })).toBe("");
});

it("draws directions", () => {
  expect([0.9, 0, -0.9, Number.NaN].map(arrow)).toEqual(["→", "↝", "⇄", ""]);
});
