/** uPlot's options for a chart, and what it draws beside lines: the usual range, and marks for values without a place. */

import type uPlot from "uplot";
import { wordings } from "../model/number_format";
import { MARK_TEXT } from "./marks";
import { ticks } from "./scale";
import type { ChartSpec, Drawable, Line } from "./spec";

export interface Theme {
  readonly muted: string;
  readonly grid: string;
  readonly font: string;
  /** Turns a custom property's name into its colour. */
  readonly color: (name: string) => string;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const MOST_LOG_TICKS = 6;
export const STEP_INCREMENTS = Array.from({ length: 12 }, (_, power) =>
  [1, 2, 5].map((lead) => lead * 10 ** power),
).flat();

export function options(spec: ChartSpec, drawn: Drawable, theme: Theme, size: Size, syncKey: string): uPlot.Options {
  return {
    ...size,
    padding: [8, spec.lines.some(({ right }) => right) ? 0 : 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, sync: { key: syncKey, setSeries: false }, drag: { x: true, dist: 6 } },
    scales: {
      x: { time: false, range: stepRange },
      y: { auto: false, distr: spec.log ? 3 : 1, range: [...drawn.range] },
      right: { auto: false, range: [...drawn.rightRange] },
    },
    axes: axes(spec, theme),
    series: [{}, ...spec.lines.map((line) => series(line, theme))],
    bands: (spec.areas ?? []).map(({ upper, lower, opacity }) => ({
      series: [upper + 1, lower + 1],
      fill: withOpacity(theme.color(spec.lines[upper]?.color ?? ""), opacity),
    })),
    hooks: {
      drawClear: [(plot) => drawUsual(plot, spec, theme)],
      draw: [(plot) => drawMarks(plot, spec, drawn, theme)],
    },
  };
}

function stepRange(_plot: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  return low === null || high === null ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high];
}

function series(line: Line, theme: Theme): uPlot.Series {
  const color = theme.color(line.color);
  return {
    label: line.name,
    scale: line.right ? "right" : "y",
    stroke: line.faint ? withOpacity(color, 0.3) : color,
    width: line.faint ? 1 : 1.5,
    points: { size: 5, fill: color, show: line.faint ? false : (undefined as unknown as boolean) },
    ...(line.dashed ? { dash: [4, 3] } : {}),
  };
}

/** Powers of ten alone, where uPlot would draw all nine lines of each decade. */
const LOGARITHMIC: uPlot.Axis = {
  splits: (_plot, _axis, low, high) => ticks({ log: true, low, high }, MOST_LOG_TICKS),
  filter: (_plot, splits) => splits,
};

function axes(spec: ChartSpec, theme: Theme): uPlot.Axis[] {
  const common: uPlot.Axis = {
    stroke: theme.muted,
    font: theme.font,
    grid: { stroke: theme.grid, width: 1 },
    ticks: { stroke: theme.grid, width: 1, size: 4 },
    gap: 4,
  };
  const x: uPlot.Axis = {
    ...common,
    grid: { show: false },
    incrs: STEP_INCREMENTS,
    size: 26,
    space: 64,
    values: (_, at) => at.map(wordings.count),
  };
  const vertical: uPlot.Axis = { ...common, size: axisSize, space: 28 };
  const left: uPlot.Axis = {
    ...vertical,
    ...(spec.log ? LOGARITHMIC : {}),
    scale: "y",
    values: valuesOf(spec.unit),
  };
  if (!spec.lines.some(({ right }) => right)) return [x, left];
  const right: uPlot.Axis = {
    ...vertical,
    scale: "right",
    side: 1,
    grid: { show: false },
    values: valuesOf(spec.rightUnit ?? "number"),
  };
  return [x, left, right];
}

function valuesOf(unit: ChartSpec["unit"]): uPlot.Axis.DynamicValues {
  return (_, at) => at.map(wordings[unit]);
}

function axisSize(_plot: uPlot, values: string[] | null): number {
  const longest = Math.max(2, ...(values ?? []).map((text) => text?.length ?? 0));
  return Math.ceil(longest * 6.4) + 12;
}

function drawUsual(plot: uPlot, { usual }: ChartSpec, theme: Theme): void {
  if (!usual) return;
  const { ctx, bbox } = plot;
  const at = (bound: number | null, open: number) => (bound === null ? open : plot.valToPos(bound, "y", true));
  const bottom = Math.min(bbox.top + bbox.height, Math.max(bbox.top, at(usual[0], bbox.top + bbox.height)));
  const top = Math.max(bbox.top, Math.min(bbox.top + bbox.height, at(usual[1], bbox.top)));
  ctx.save();
  ctx.fillStyle = theme.color("--usual");
  ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  ctx.restore();
}

function drawMarks(plot: uPlot, spec: ChartSpec, { marks }: Drawable, theme: Theme): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = theme.font;
  ctx.textAlign = "center";
  marks.forEach((some, index) => {
    ctx.fillStyle = theme.color(spec.lines[index]?.color ?? "");
    for (const { step, kind } of some.slice(0, 200)) {
      const x = plot.valToPos(step, "x", true);
      const atTop = kind === "+inf";
      ctx.textBaseline = atTop ? "top" : "bottom";
      if (x >= bbox.left && x <= bbox.left + bbox.width)
        ctx.fillText(MARK_TEXT[kind], x, atTop ? bbox.top : bbox.top + bbox.height);
    }
  });
  ctx.restore();
}

function withOpacity(color: string, opacity: number): string {
  return `color-mix(in srgb, ${color} ${Math.round(opacity * 100)}%, transparent)`;
}
