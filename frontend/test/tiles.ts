/** Small tiles for tests. */
import type { Tiles } from "../src/model/tiles";

export function floatTiles(
  [count, rows, columns]: readonly [number, number, number],
  values: readonly number[],
): Tiles {
  const labels = Array.from({ length: count }, (_, i) => i);
  return { count, slices: 1, rows, columns, values: Float32Array.from(values), lows: null, highs: null, labels };
}

/** One row of codes a tile. */
export function coded(codes: readonly (readonly number[])[], lows: readonly number[], highs: readonly number[]): Tiles {
  const labels = codes.map((_, i) => i);
  const values = Uint8Array.from(codes.flat());
  return {
    count: codes.length,
    slices: 1,
    rows: 1,
    columns: codes[0]!.length,
    values,
    lows: Float32Array.from(lows),
    highs: Float32Array.from(highs),
    labels,
  };
}
