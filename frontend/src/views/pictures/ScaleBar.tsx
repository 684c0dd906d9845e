import { cssGradient, type Lut } from "../../draw/lut";
import type { MarkCounts } from "../../draw/marks";
import { number, share } from "../../model/number_format";
import type { Limits } from "../../model/range";

interface ScaleBarProps {
  readonly lut: Lut;
  /** Of the tile under the pointer, or of all tiles if they share them; null where each has its own. */
  readonly limits: Limits | null;
  /** What the two ends stand for while no tile is pointed at. */
  readonly ends?: readonly [string, string];
  readonly caption: string;
}

/** The colour map with the numbers at its ends. */
export function ScaleBar({ lut, limits, ends = ["lowest", "highest"], caption }: ScaleBarProps) {
  const low = limits ? number(limits.low) : ends[0];
  const high = limits ? number(limits.high) : ends[1];
  return (
    <span
      class="scale"
      role="img"
      aria-label={`Colour scale from ${low} to ${high}, ${caption}`}
      data-low={limits?.low}
      data-high={limits?.high}
    >
      <span>{low}</span>
      <span class="gradient" style={{ background: cssGradient(lut) }} />
      <span>{high}</span>
      <span class="muted">{caption}</span>
    </span>
  );
}

const MARK_NAMES = {
  nan: "NaN",
  posInf: "+Inf",
  negInf: "-Inf",
  low: "below the range",
  high: "above the range",
} as const;

/** The marks that occur, with their counts. */
export function MarkLegend({ counts }: { counts: MarkCounts }) {
  const present = (Object.keys(MARK_NAMES) as (keyof typeof MARK_NAMES)[]).filter((mark) => counts[mark] > 0);
  return (
    <>
      {present.map((mark) => (
        <span key={mark} class="mark" data-mark={mark} data-count={counts[mark]}>
          <i class={`swatch ${mark}`} /> {counts[mark].toLocaleString("en-US")} {MARK_NAMES[mark]} (
          {share(counts[mark] / counts.values)})
        </span>
      ))}
    </>
  );
}
