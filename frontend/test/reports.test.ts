import { describe, expect, it } from "vitest";
import { body, findingKey, isConsequence, layerOf, mention, reports, spans, title } from "../src/model/reports";
import type { Diagnosis, Finding, Run } from "../src/types";

const NEVER = () => false;

function finding(rule: string, over: Partial<Finding> = {}): Finding {
  return {
    rule,
    severity: "warning",
    target: "conv1",
    target_kind: "layer",
    first_step: 0,
    last_step: 100,
    message: "Something was seen. It means this.",
    evidence: {},
    advice: [],
    because: null,
    ...over,
  };
}

function run(name: string, over: Partial<Run> = {}): Run {
  return {
    run: name,
    title: name,
    color: 0,
    record: null,
    steps: [],
    logged_steps: null,
    pictures: [],
    layer_rows: ["@inputs", "conv1", "conv2"],
    variable_rows: ["conv1/kernel"],
    problems: [],
    ...over,
  } as Run;
}

function diagnosis(findings: Readonly<Record<string, readonly Finding[]>>): Diagnosis {
  const runs = Object.entries(findings).map(([name, found]) => ({
    run: name,
    steps: [0, 1, 2],
    findings: found,
    verdicts: [],
  }));
  return { version: 1, runs };
}

describe("reports", () => {
  it("puts the worst run first and keeps the order of equals", () => {
    const all = diagnosis({
      a: [],
      b: [finding("slow")],
      c: [finding("nan", { severity: "error" })],
      d: [finding("slow")],
    });
    expect(
      reports(
        ["a", "b", "c", "d"].map((name) => run(name)),
        all,
        NEVER,
      ).map((one) => one.run.run),
    ).toEqual(["c", "b", "d", "a"]);
  });

  it("folds consequences under their cause", () => {
    const cause = finding("non_finite", { severity: "error" });
    const effect = finding("dead_units", { because: "non_finite", target: "conv2" });
    const other = finding("probe_changed", { severity: "info" });
    const [only] = reports([run("a")], diagnosis({ a: [cause, effect, other] }), NEVER);
    expect(only?.headlines.map((one) => one.finding.rule)).toEqual(["non_finite", "probe_changed"]);
    expect(only?.headlines[0]?.folded).toEqual([effect]);
    expect(isConsequence(effect)).toBe(true);
  });

  it("takes the first finding for the headline where causes are not stated", () => {
    const { because: _, ...plain } = finding("first");
    const { because: __, ...second } = finding("second");
    const [only] = reports([run("a")], diagnosis({ a: [plain, second] }), NEVER);
    expect(only?.headlines.map((one) => [one.finding.rule, one.folded.length])).toEqual([["first", 1]]);
  });

  it("shows a consequence by itself once its cause is put aside", () => {
    const cause = finding("non_finite");
    const effect = finding("dead_units", { because: "non_finite" });
    const aside = findingKey("a", cause);
    const [only] = reports([run("a")], diagnosis({ a: [cause, effect] }), (key) => key === aside);
    expect(only?.headlines.map((one) => one.finding.rule)).toEqual(["dead_units"]);
    expect(only?.dismissed).toBe(1);
  });

  it("says what was looked at, without the rows of the probe", () => {
    const [only] = reports([run("a")], diagnosis({ a: [] }), NEVER);
    expect(only?.headlines).toEqual([]);
    expect(only?.lookedAt).toBe("2 layers and 1 variable over 3 steps");
  });

  it("leaves out runs that were not diagnosed", () => {
    expect(reports([run("a"), run("b")], diagnosis({ b: [] }), NEVER).map((one) => one.run.run)).toEqual(["b"]);
  });
});

describe("words of a finding", () => {
  it("have a title, or take the first sentence for one", () => {
    const untitled = finding("x");
    expect([title(untitled), body(untitled)]).toEqual(["Something was seen", "It means this."]);
    const titled = finding("x", { title: "Seen" });
    expect([title(titled), body(titled)]).toEqual(["Seen", "Something was seen. It means this."]);
  });

  it("do not cut numbers in two", () => {
    expect(title(finding("x", { message: "Only 0.4 % is left" }))).toBe("Only 0.4 % is left");
  });

  it("mention a rule and where it was seen, and set names apart", () => {
    expect(mention(finding("dead_units"))).toBe("dead units (conv1)");
    expect(spans("use `he_normal` for `fc`")).toEqual(["use ", "he_normal", " for ", "fc", ""]);
  });
});

describe("layerOf", () => {
  const layers = [{ name: "conv1", weights: ["conv1/kernel"] }];
  const known = run("a", { record: { layers } as unknown as Run["record"] });

  it("is the layer said, the target, or the owner of the variable", () => {
    expect(layerOf(known, finding("x", { layer: "conv9" }))).toBe("conv9");
    expect(layerOf(known, finding("x"))).toBe("conv1");
    expect(layerOf(known, finding("x", { target: "conv1/kernel", target_kind: "variable" }))).toBe("conv1");
    expect(layerOf(known, finding("x", { target: "a", target_kind: "run" }))).toBeUndefined();
  });
});
