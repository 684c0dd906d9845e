/** Which maps of a layer look alike. */
import { type Tiles, tileValues } from "./tiles";

const NEAREST = 3;

interface SimilarChannel {
  readonly index: number;
  readonly correlation: number;
}

/** The tiles with the largest correlation to one, over finite pixels; constant tiles correlate with nothing. */
export function similarChannels(tiles: Tiles, tile: number): readonly SimilarChannel[] {
  const own = standardised(tileValues(tiles, tile));
  if (!own) return [];
  const found = Array.from({ length: tiles.count }, (_, index) => {
    const other = index === tile ? null : standardised(tileValues(tiles, index));
    return { index, correlation: other ? other.reduce((sum, value, i) => sum + value * own[i]!, 0) : Number.NaN };
  });
  return found
    .filter(({ correlation }) => Number.isFinite(correlation))
    .sort((a, b) => b.correlation - a.correlation)
    .slice(0, NEAREST);
}

/** Shifted to mean 0 and scaled to norm 1; null for what is constant or not finite. */
function standardised(values: Float64Array): Float64Array | null {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const norm = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0));
  return norm > 0 && Number.isFinite(norm) ? values.map((value) => (value - mean) / norm) : null;
}
