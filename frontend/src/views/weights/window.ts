/** Which rows of a long table are built: those in sight and some beyond. */

export const ROW_HEIGHT = 26;
const BEYOND = 8;

export interface Window {
  readonly start: number;
  readonly stop: number;
}

export function windowOf(total: number, scrolled: number, height: number): Window {
  const first = Math.floor(scrolled / ROW_HEIGHT) - BEYOND;
  const start = Math.min(Math.max(0, first), Math.max(0, total - 1));
  const stop = Math.min(total, Math.ceil((scrolled + height) / ROW_HEIGHT) + BEYOND);
  return { start, stop: Math.max(start, stop) };
}

/** How far to scroll so that a row is in sight below a header of the given height. */
export function scrollTo(row: number, scrolled: number, height: number, header: number): number {
  const top = row * ROW_HEIGHT;
  if (top < scrolled) return top;
  return Math.max(scrolled, top + ROW_HEIGHT + header - height);
}

const PAGE = 10;

/** The row that a key leads to; undefined where the key means nothing here. */
export function rowAfterKey(key: string, row: number, total: number): number | undefined {
  const moves: Readonly<Record<string, number>> = {
    ArrowDown: row + 1,
    ArrowUp: row - 1,
    PageDown: row + PAGE,
    PageUp: row - PAGE,
    Home: 0,
    End: total - 1,
  };
  const target = moves[key];
  return target === undefined || total === 0 ? undefined : Math.min(total - 1, Math.max(0, target));
}
