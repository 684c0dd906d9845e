/** Probe inputs of three channels are colours. */
import { rgb } from "./lut";
import { type Mosaic, sliceOrigin } from "./mosaic";
import type { Limits } from "./range";
import { pixelsOf, type Tiles, valueAt } from "./tiles";

/** Draws three tiles as red, green and blue between common limits; what is not finite is black. */
export function drawColours(target: Uint32Array, mosaic: Mosaic, tiles: Tiles, { low, high }: Limits): void {
  const level = (value: number) =>
    Number.isFinite(value) ? Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))) : 0;
  const { x, y } = sliceOrigin(mosaic, 0, 0);
  for (let place = 0; place < pixelsOf(tiles); place++) {
    const colour = rgb(
      level(valueAt(tiles, 0, place)),
      level(valueAt(tiles, 1, place)),
      level(valueAt(tiles, 2, place)),
    );
    const left = x + (place % tiles.columns) * mosaic.zoomX;
    const top = y + Math.floor(place / tiles.columns) * mosaic.zoomY;
    for (let line = top; line < top + mosaic.zoomY; line++)
      target.fill(colour, line * mosaic.width + left, line * mosaic.width + left + mosaic.zoomX);
  }
}
