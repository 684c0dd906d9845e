import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readHash, withTexts } from "../src/data/host";
import { COLOUR_MAPS } from "../src/draw/lut";
import { naturalCompare, RegexFilter } from "../src/model/natural";
import { RANGES } from "../src/model/range";
import { decodeState, encodeState, VIEWS, type ViewState } from "../src/state/state";
import { indexAtOrBefore, shownStep, union } from "../src/state/steps";

const INITIAL = decodeState({});

const states: fc.Arbitrary<ViewState> = fc.record({
  ...Object.fromEntries(Object.entries(INITIAL).map(([key, value]) => [key, fc.constant(value)])),
  view: fc.constantFrom(...VIEWS),
  range: fc.constantFrom(...RANGES),
  colours: fc.constantFrom(...COLOUR_MAPS),
  runs: fc.option(fc.array(fc.string({ minLength: 1, unit: "grapheme" }))),
  compare: fc.option(fc.array(fc.string({ minLength: 1, unit: "grapheme" }))),
  layer: fc.option(fc.string({ minLength: 1 })),
  layerFilter: fc.string(),
  step: fc.option(fc.maxSafeNat()),
  channel: fc.option(fc.nat()),
  low: fc.double({ noNaN: true, noDefaultInfinity: true }),
}) as unknown as fc.Arbitrary<ViewState>;

describe("state", () => {
  it("comes back from the URL as it went in, beside whatever else stands there", () => {
    fc.assert(
      fc.property(states, (state) => {
        const hash = withTexts("#featuremaps&theirs=1&p.featuremaps.step=99", encodeState(state));
        expect(hash).toMatch(/^#featuremaps&theirs=1/);
        expect(decodeState(readHash(hash))).toEqual({ ...state, low: state.low + 0 });
      }),
    );
  });

  it("takes initial values for whatever is malformed", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(INITIAL)), fc.string()), (texts) => {
        const state = decodeState(texts);
        expect(VIEWS).toContain(state.view);
        expect(RANGES).toContain(state.range);
        expect([state.step === null || Number.isFinite(state.step), Number.isFinite(state.clip)]).toEqual([true, true]);
        expect(decodeState(encodeState(state))).toEqual(state);
      }),
    );
    expect(decodeState({ step: "12x", range: "toString", runs: "%E0%A4%A" })).toMatchObject({
      step: null,
      range: "channel",
    });
  });

  it("writes nothing while nothing is chosen", () => {
    expect(encodeState(INITIAL)).toEqual({});
    expect(withTexts("", {})).toBe("#featuremaps");
  });
});

describe("steps", () => {
  it("are found as a slow search finds them", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -50, max: 50 })),
        fc.integer({ min: -60, max: 60 }),
        (list, step) => {
          const steps = [...list].sort((a, b) => a - b);
          expect(indexAtOrBefore(steps, step)).toBe(steps.filter((other) => other <= step).length - 1);
          expect(shownStep(steps, step)).toBe(steps.filter((other) => other <= step).at(-1) ?? steps[0] ?? null);
          expect(union([steps, [step], []])).toEqual([...new Set([...steps, step])].sort((a, b) => a - b));
        },
      ),
    );
    expect(shownStep([1, 5], null)).toBe(5);
  });
});

describe("names", () => {
  it("are ordered as people count", () => {
    expect(["conv10", "conv2", "Conv1", "conv1"].sort(naturalCompare)).toEqual(["Conv1", "conv1", "conv2", "conv10"]);
  });

  it("are filtered by the last valid expression while there is a bad one", () => {
    const filter = new RegexFilter().set("conv[12]$");
    expect(["conv1", "fc"].map((name) => filter.accepts(name))).toEqual([true, false]);
    filter.set("conv[12");
    expect([filter.valid, filter.accepts("conv1"), filter.accepts("fc")]).toEqual([false, true, false]);
    expect(filter.set("").accepts("anything")).toBe(true);
  });
});
