/** Where tiles stand: a grid with a gap of one screen pixel, every value a square of a whole number of screen pixels. */

const MAX_ZOOM = 64;
/** A single value, as dense layers have, is a square of at most this side. */
const MAX_DOT = 32;
/** A tile is not blown up beyond this side, unless it is larger anyway. */
const MAX_TILE_SIDE = 168;
/** A row of values (one axis of space) is drawn at least this high, so that it can be pointed at. */
const MIN_STRIP_HEIGHT = 14;
const GAP = 1;

interface TileSize {
  readonly count: number;
  readonly slices: number;
  readonly rows: number;
  readonly columns: number;
}

export interface Mosaic extends TileSize {
  readonly zoomX: number;
  readonly zoomY: number;
  /** Slices of a volume stand side by side within its tile, so many in a row. */
  readonly sliceColumns: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
  readonly tileColumns: number;
  readonly tileRows: number;
  readonly width: number;
  readonly height: number;
}

/** What lies under a point: the how-manieth tile, and the place within it. */
export interface Hit {
  readonly tile: number;
  readonly slice: number;
  readonly row: number;
  readonly column: number;
}

/**
 * Lays tiles out.
 *
 * @param width of the room, in screen pixels.
 * @param height that the mosaic should not exceed if zoom is automatic and it can.
 * @param zoom screen pixels a value; 0 chooses the largest that fits.
 */
export function layOut(size: TileSize, width: number, height: number, zoom = 0): Mosaic {
  if (zoom > 0) return arrange(size, width, zoom);
  const sliceColumns = Math.ceil(Math.sqrt(size.slices));
  const longest = Math.max(size.rows, size.columns * sliceColumns);
  const side = longest === 1 ? MAX_DOT : size.count === 1 ? width : MAX_TILE_SIDE;
  const largest = Math.max(
    1,
    Math.min(MAX_ZOOM, Math.floor(side / longest), Math.floor(width / (size.columns * sliceColumns))),
  );
  for (let candidate = largest; candidate > 1; candidate--) {
    const mosaic = arrange(size, width, candidate);
    if (mosaic.height <= height) return mosaic;
  }
  return arrange(size, width, 1);
}

function arrange(size: TileSize, width: number, zoomX: number): Mosaic {
  const { count, slices, rows, columns } = size;
  const zoomY = rows === 1 && columns > 1 ? Math.max(zoomX, MIN_STRIP_HEIGHT) : zoomX;
  const sliceColumns = Math.ceil(Math.sqrt(slices));
  const sliceRows = Math.ceil(slices / sliceColumns);
  const tileWidth = sliceColumns * (columns * zoomX + GAP) - GAP;
  const tileHeight = sliceRows * (rows * zoomY + GAP) - GAP;
  const tileColumns = Math.max(1, Math.min(count, Math.floor((width + GAP) / (tileWidth + GAP))));
  const tileRows = Math.ceil(count / tileColumns);
  return {
    ...{ count, slices, rows, columns, zoomX, zoomY, sliceColumns, tileWidth, tileHeight, tileColumns, tileRows },
    width: Math.max(0, tileColumns * (tileWidth + GAP) - GAP),
    height: Math.max(0, tileRows * (tileHeight + GAP) - GAP),
  };
}

/** The screen pixel at which a tile's slice begins. */
export function sliceOrigin(mosaic: Mosaic, tile: number, slice: number): { x: number; y: number } {
  const { tileColumns, tileWidth, tileHeight, sliceColumns, columns, rows, zoomX, zoomY } = mosaic;
  const x = (tile % tileColumns) * (tileWidth + GAP) + (slice % sliceColumns) * (columns * zoomX + GAP);
  const y =
    Math.floor(tile / tileColumns) * (tileHeight + GAP) + Math.floor(slice / sliceColumns) * (rows * zoomY + GAP);
  return { x, y };
}

/** The value under a point; null over gaps and outside. */
export function hitTest(mosaic: Mosaic, x: number, y: number): Hit | null {
  const across = divide(x, mosaic.tileWidth, mosaic.tileColumns);
  const down = divide(y, mosaic.tileHeight, mosaic.tileRows);
  if (!across || !down) return null;
  const tile = down.index * mosaic.tileColumns + across.index;
  const sliceAcross = divide(across.rest, mosaic.columns * mosaic.zoomX, mosaic.sliceColumns);
  const sliceDown = divide(down.rest, mosaic.rows * mosaic.zoomY, Math.ceil(mosaic.slices / mosaic.sliceColumns));
  if (tile >= mosaic.count || !sliceAcross || !sliceDown) return null;
  const slice = sliceDown.index * mosaic.sliceColumns + sliceAcross.index;
  if (slice >= mosaic.slices) return null;
  return {
    tile,
    slice,
    row: Math.floor(sliceDown.rest / mosaic.zoomY),
    column: Math.floor(sliceAcross.rest / mosaic.zoomX),
  };
}

/** Where a value stands within its tile's [slices, rows, columns]. */
export function placeOf(size: TileSize, { slice, row, column }: Hit): number {
  return (slice * size.rows + row) * size.columns + column;
}

function divide(at: number, size: number, count: number): { index: number; rest: number } | null {
  const index = Math.floor(at / (size + GAP));
  const rest = at - index * (size + GAP);
  return index >= 0 && index < count && rest < size ? { index, rest } : null;
}
