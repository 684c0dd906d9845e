/** A chart over steps with its caption, the values under the cursor, and the same numbers as a table, CSV or JSON. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { download } from "../data/download";
import { shownName } from "../model/names";
import { count, wordings } from "../model/number_format";
import { ChartTable } from "./ChartTable";
import { toCsv, toJson } from "./export";
import { markLegend } from "./marks";
import type { PlotHandle } from "./plot";
import { indexAt } from "./series";
import { type ChartSpec, describe, drawable, type Line } from "./spec";

interface ChartProps {
  readonly spec: ChartSpec;
  /** The step cursor. */
  readonly step: number | null;
  readonly onStep: (step: number) => void;
  /** Redraws with other colours when it changes. */
  readonly dark: boolean;
  readonly height?: number;
  /** Controls under the title. */
  readonly children?: ComponentChildren;
  /** A line under the chart that says what it means. */
  readonly note?: string;
}

export function Chart({ spec, step, onStep, dark, height = 160, children, note }: ChartProps) {
  const drawn = useMemo(() => drawable(spec), [spec]);
  const hovered = useSignal<number | null>(null);
  const asTable = useSignal(false);
  const empty = drawn.steps.length === 0;
  const legend = markLegend(drawn);
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{shownName(spec.title)}</span>
        <Actions spec={spec} asTable={asTable.value} toggle={() => (asTable.value = !asTable.value)} />
      </figcaption>
      {children && <div class="chart-controls">{children}</div>}
      {empty ? (
        <p class="chart-empty" style={{ height: `${height}px` }}>
          Nothing logged
        </p>
      ) : asTable.value ? (
        <ChartTable spec={spec} />
      ) : (
        <Plot {...{ spec, drawn, step, onStep, dark, height }} onHover={(at) => (hovered.value = at)} />
      )}
      <Readout spec={spec} step={hovered.value ?? step} />
      {(note || legend || spec.usual) && (
        <p class="chart-note">
          {spec.usual && <span class="usual-key">usual range</span>}
          {[note, legend].filter(Boolean).join(" · ")}
        </p>
      )}
    </figure>
  );
}

interface PlotProps extends Required<Pick<ChartProps, "spec" | "step" | "onStep" | "dark" | "height">> {
  readonly drawn: ReturnType<typeof drawable>;
  readonly onHover: (step: number | null) => void;
}

function Plot({ spec, drawn, step, onStep, dark, height, onHover }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const handle = useRef<PlotHandle | null>(null);
  const failure = useSignal("");
  const latest = useRef({ onHover, onPick: onStep, step });
  latest.current = { onHover, onPick: onStep, step };
  useEffect(() => {
    let gone = false;
    const start = ({ draw }: typeof import("./uplot")) => {
      // Preact empties refs at once but cleans up after the next paint: in between, only the ref says that the chart is gone.
      if (gone || !place.current) return;
      handle.current = draw(place.current, height, spec, drawn, {
        onHover: (at) => latest.current.onHover(at),
        onPick: (at) => latest.current.onPick(at),
      });
      handle.current.setStep(latest.current.step);
    };
    import("./uplot.js").then(start, () => (failure.value = "The charts could not be loaded; reload the page"));
    return () => {
      gone = true;
      handle.current?.destroy();
      handle.current = null;
    };
  }, [spec, drawn, dark, height]);
  useEffect(() => handle.current?.setStep(step), [step]);
  const label = describe(spec, (value, right) => word(spec, right)(value));
  return (
    <div ref={place} class="chart-plot" role="img" aria-label={label} style={{ minHeight: `${height}px` }}>
      {failure.value}
    </div>
  );
}

const MOST_READ_OUT = 12;

/** What each line reads at a step; of many lines at once nobody would read it. */
function Readout({ spec, step }: { spec: ChartSpec; step: number | null }) {
  const lines = spec.lines.filter(({ faint }) => !faint);
  return (
    <ul class="chart-readout">
      {step !== null && <li>step {count(step)}</li>}
      {(lines.length > MOST_READ_OUT ? [] : lines).map((line) => (
        <li key={line.name}>
          <span class={line.dashed ? "line-key dashed" : "line-key"} style={{ color: cssColor(line.color) }} />
          {shownName(line.name)} <b>{word(spec, line.right === true)(valueAt(line, step))}</b>
        </li>
      ))}
    </ul>
  );
}

function Actions({ spec, asTable, toggle }: { spec: ChartSpec; asTable: boolean; toggle: () => void }) {
  const title = shownName(spec.title);
  const series = spec.lines
    .filter(({ derived }) => !derived)
    .map(({ name, series: { steps, values } }) => ({ name, steps, values }));
  return (
    <span class="chart-actions">
      <button type="button" class="quiet" aria-pressed={asTable} aria-label={`${title} as a table`} onClick={toggle}>
        Table
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={`Download ${title} as CSV`}
        onClick={() => download(`${spec.title}.csv`, "text/csv", toCsv(series))}
      >
        CSV
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={`Download ${title} as JSON`}
        onClick={() => download(`${spec.title}.json`, "application/json", toJson(spec.title, series))}
      >
        JSON
      </button>
    </span>
  );
}

function word(spec: ChartSpec, right: boolean) {
  return wordings[right ? (spec.rightUnit ?? "number") : spec.unit];
}

function valueAt({ series }: Line, step: number | null): number {
  const index = step === null ? -1 : indexAt(series.steps, step);
  return index < 0 || (series.steps[index] as number) > (step as number)
    ? Number.NaN
    : (series.values[index] as number);
}

function cssColor(color: string): string {
  return color.startsWith("--") ? `var(${color})` : color;
}
