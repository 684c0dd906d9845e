/** What pictures are painted on before they go onto their canvas. */

/** Larger pictures get memory of their own. */
const MOST_KEPT = 16 << 20;

/** Of the picture painted last; the next one writes over it, since fresh memory takes longer to get than to fill. */
let kept = new ArrayBuffer(0);

/** An empty picture: see-through wherever nothing is painted. It is good until the next one is asked for. */
export function blank(width: number, height: number): ImageData {
  const bytes = width * height * 4;
  if (bytes > MOST_KEPT) return new ImageData(width, height);
  if (kept.byteLength < bytes) kept = new ArrayBuffer(bytes);
  const pixels = new Uint8ClampedArray(kept, 0, bytes);
  return new ImageData(pixels.fill(0), width, height);
}
