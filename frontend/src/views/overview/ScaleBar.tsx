/** The colour scale of the heat map, with numbers under it and the usual range marked over it. */

import { type Bounds, position, type Scale, ticks } from "../../charts/scale";
import { cssGradient, type Lut } from "../../draw/lut";
import { type Quantity, wordings } from "../../model/number_format";

export interface ScaleBarProps {
  readonly scale: Scale;
  readonly quantity: Quantity;
  readonly colours: Lut;
  readonly healthy?: Bounds;
}

export function ScaleBar({ scale, quantity, colours, healthy }: ScaleBarProps) {
  const word = wordings[quantity];
  const at = (value: number) => `${position(scale, value) * 100}%`;
  const label = `Colour scale from ${word(scale.low)} to ${word(scale.high)}`;
  return (
    <div class="scale-bar">
      {healthy && (
        <div
          class="scale-usual"
          style={{
            left: at(healthy[0] ?? scale.low),
            right: `calc(100% - ${at(healthy[1] ?? scale.high)})`,
          }}
        >
          <span>{usualWords(healthy, word)}</span>
        </div>
      )}
      <div class="scale-colours" role="img" aria-label={label} style={{ background: cssGradient(colours) }} />
      <div class="scale-ticks">
        {ticks(scale, 5).map((value) => (
          <span key={value} style={{ left: at(value) }}>
            {word(value)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** "usual: from 1 %", "usual: up to 60 %", "usual: 1e-4 to 1e-2". */
export function usualWords([low, high]: Bounds, word: (value: number) => string): string {
  if (low === null) return high === null ? "" : `usual: up to ${word(high)}`;
  return high === null ? `usual: from ${word(low)}` : `usual: ${word(low)} to ${word(high)}`;
}
