/** Small drawings inside the table: a value on a logarithmic axis, and a line over the steps. */

import { position, type Scale } from "../../charts/scale";
import { indexAt, type Series, thin } from "../../charts/series";
import { ratio } from "../../model/number_format";
import { UPDATE_RATIO } from "../../model/statistics";

const RATIO_SCALE: Scale = { log: true, low: 1e-8, high: 1 };
const LABELLED = [1e-8, 1e-6, 1e-4, 1e-2, 1];

const percent = (value: number) => `${position(RATIO_SCALE, value) * 100}%`;
const [USUAL_LOW, USUAL_HIGH] = UPDATE_RATIO.usual ?? [null, null];
const BAND = {
  left: percent(USUAL_LOW ?? RATIO_SCALE.low),
  right: `${100 - position(RATIO_SCALE, USUAL_HIGH ?? RATIO_SCALE.high) * 100}%`,
};

/** The update ratio as a dot on the axis; exact zeros and what lies beyond stand hollow at its ends. */
export function RatioAxis({ value, color }: { value: number; color: string }) {
  const beyond = value < RATIO_SCALE.low || value > RATIO_SCALE.high;
  return (
    <span class="ratio-axis">
      <span class="ratio-band" style={BAND} />
      {!Number.isNaN(value) && (
        <span class={`ratio-dot${beyond ? " beyond" : ""}`} style={{ left: percent(value), color }} />
      )}
    </span>
  );
}

export function RatioAxisLabels() {
  return (
    <span class="ratio-labels" aria-hidden="true">
      {LABELLED.map((value) => (
        <span key={value} style={{ left: percent(value) }}>
          {ratio(value)}
        </span>
      ))}
    </span>
  );
}

const WIDTH = 96;
const HEIGHT = 18;
const MOST_POINTS = 64;

/** A line over the steps on a logarithmic axis of its own, with the step cursor on it. */
export function Sparkline({ series, step, color }: { series: Series; step: number | null; color: string }) {
  const x = (index: number) => (index * WIDTH) / Math.max(1, series.steps.length - 1);
  const now = step === null ? -1 : indexAt(series.steps, step);
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      {now >= 0 && <line class="step-now" x1={x(now)} x2={x(now)} y1="0" y2={HEIGHT} />}
      <path d={sparkPath(series)} fill="none" stroke={color} stroke-width="1.3" />
    </svg>
  );
}

/** The path of a sparkline: at equal distances from record to record, broken where a value has no logarithm. */
export function sparkPath(series: Series): string {
  const indices = Float64Array.from({ length: series.steps.length }, (_, i) => i);
  const { steps: at, values } = thin({ steps: indices, values: series.values }, MOST_POINTS);
  const logs = Array.from(values, (value) => (value > 0 && Number.isFinite(value) ? Math.log10(value) : Number.NaN));
  const known = logs.filter((value) => !Number.isNaN(value));
  const low = Math.min(...known);
  const span = Math.max(Math.max(...known) - low, 0.5);
  const point = (value: number, i: number) => {
    const x = ((at[i] as number) * WIDTH) / Math.max(1, series.steps.length - 1);
    return `${x.toFixed(1)} ${(HEIGHT - 2 - ((value - low) / span) * (HEIGHT - 4)).toFixed(1)}`;
  };
  return logs
    .map((value, i) =>
      Number.isNaN(value)
        ? ""
        : Number.isNaN(logs[i - 1] ?? Number.NaN)
          ? `M${point(value, i)}h0`
          : `L${point(value, i)}`,
    )
    .join("");
}
