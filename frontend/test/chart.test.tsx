// @vitest-environment happy-dom
import { options, render } from "preact";
import { expect, it } from "vitest";
import { Chart } from "../src/charts/Chart";
import type { ChartSpec } from "../src/charts/spec";

const SPEC: ChartSpec = {
  title: "Loss",
  unit: "number",
  lines: [{ name: "loss", color: "#000", series: { steps: [0, 1], values: Float32Array.of(2, 1) } }],
};

it("draws nothing where a chart was that went while its library was on its way", async () => {
  const frames: (() => void)[] = [];
  (options as { requestAnimationFrame?: (flush: () => void) => void }).requestAnimationFrame = (flush) =>
    void frames.push(flush);
  const root = document.body.appendChild(document.createElement("div"));
  render(<Chart spec={SPEC} step={0} onStep={() => undefined} dark={false} />, root);
  expect(root.querySelector(".chart-plot")).not.toBeNull();
  for (const flush of frames.splice(0)) flush();

  // Unmounted, and the effects of what is gone not yet cleaned up: the next paint never comes.
  render(null, root);
  await import("../src/charts/uplot");
  await new Promise((resolve) => setTimeout(resolve));

  expect(document.querySelector(".uplot")).toBeNull();
});
