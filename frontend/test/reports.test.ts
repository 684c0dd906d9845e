import { describe, expect, it } from "vitest";
import { findingKey, isConsequence, mention, reports, spans } from "../src/model/reports";
import type { Diagnosis, Finding, Run } from "../src/types.gen";

const NEVER = () => false;

function finding(rule: string, over: Partial<Finding> = {}): Finding {
  return {
    rule,
    severity: "warning",
    target: "conv1",
    target_kind: "layer",
    first_step: 0,
    last_step: 100,
    title: "Something was seen",
    message: "It means this.",
    evidence: {},
    shown: [],
    advice: [],
    chart: null,
    layer: "conv1",
    variable: null,
    because: null,
    because_of: null,
    ...over,
  };
}

function run(name: string, over: Partial<Run> = {}): Run {
  return {
    run: name,
    title: name,
    color: 0,
    record: null,
    kernels: {},
    steps: [],
    logged_steps: null,
    pictures: [],
    layer_rows: ["@inputs", "conv1", "conv2"],
    variable_rows: ["conv1/kernel"],
    problems: [],
    ...over,
  };
}

function diagnosis(findings: Readonly<Record<string, readonly Finding[]>>): Diagnosis {
  const runs = Object.entries(findings).map(([name, found]) => ({
    run: name,
    title: name,
    damage: [],
    steps: [0, 1, 2],
    looked_at: { layers: 2, variables: 1, steps: 3, rules: [], sentence: "2 layers and 1 variable over 3 steps" },
    findings: found,
    verdicts: [],
  }));
  return { version: 1, healthy: {}, runs };
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
    const effect = finding("dead_units", { because: "non_finite", because_of: 0, target: "conv2" });
    const other = finding("probe_changed", { severity: "info" });
    const [only] = reports([run("a")], diagnosis({ a: [cause, effect, other] }), NEVER);
    expect(only?.headlines.map((one) => one.finding.rule)).toEqual(["non_finite", "probe_changed"]);
    expect(only?.headlines[0]?.folded).toEqual([effect]);
    expect(isConsequence(effect)).toBe(true);
  });

  it("shows a consequence by itself once its cause is put aside", () => {
    const cause = finding("non_finite");
    const effect = finding("dead_units", { because: "non_finite", because_of: 0 });
    const aside = findingKey("a", cause);
    const [only] = reports([run("a")], diagnosis({ a: [cause, effect] }), (key) => key === aside);
    expect(only?.headlines.map((one) => one.finding.rule)).toEqual(["dead_units"]);
    expect(only?.dismissed).toBe(1);
  });

  it("says what was looked at", () => {
    const [only] = reports([run("a")], diagnosis({ a: [] }), NEVER);
    expect(only?.headlines).toEqual([]);
    expect(only?.lookedAt).toBe("2 layers and 1 variable over 3 steps");
  });

  it("leaves out runs that were not diagnosed", () => {
    expect(reports([run("a"), run("b")], diagnosis({ b: [] }), NEVER).map((one) => one.run.run)).toEqual(["b"]);
  });
});

describe("words of a finding", () => {
  it("mention a rule and where it was seen, and set names apart", () => {
    expect(mention(finding("dead_units"))).toBe("dead units (conv1)");
    expect(spans("use `he_normal` for `fc`")).toEqual(["use ", "he_normal", " for ", "fc", ""]);
  });
});
