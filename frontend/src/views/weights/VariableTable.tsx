/** The table of variables: only rows in sight are built; arrow keys move through all of them, Enter opens a chart. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { RatioAxisLabels } from "./axis";
import { type Sorting, type SortKey, sharedPrefix, type VariableRow } from "./rows";
import { COLUMNS, type Column, sortBy } from "./sorting";
import { VariableCells } from "./VariableCells";
import { ROW_HEIGHT, rowAfterKey, scrollTo, type Window, windowOf } from "./window";

interface VariableTableProps {
  readonly rows: readonly VariableRow[];
  readonly sorting: Sorting;
  readonly onSort: (sorting: Sorting) => void;
  readonly opened: string | null;
  readonly open: (variable: string) => void;
  /** Called with the rows that are built whenever those are others. */
  readonly onSight: (rows: Window) => void;
}

export function VariableTable({ rows, sorting, onSort, opened, open, onSight }: VariableTableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const scrolled = useSignal(0);
  const height = useHeight(scroller);
  const hidden = useHiddenSides(scroller);
  const current = useSignal(0);
  const active = Math.min(current.value, rows.length - 1);
  const { start, stop } = windowOf(rows.length, scrolled.value, height);
  useEffect(() => onSight({ start, stop }), [start, stop]);
  const onKeyDown = (event: KeyboardEvent) => {
    const target = rowAfterKey(event.key, active, rows.length);
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    current.value = target;
    reveal(scroller.current as HTMLElement, target);
  };
  const choose = (index: number) => {
    current.value = index;
    open((rows[index] as VariableRow).series.variable);
  };
  const shown = rows.slice(start, stop).map((row, offset) => ({ row, index: start + offset }));
  const skipped = useMemo(() => sharedPrefix(rows.map(({ series }) => series.variable)), [rows]);
  const tabStop = active >= start && active < stop ? active : start;
  return (
    <div class={`variables-frame ${hidden}`}>
      <div class="variables" ref={scroller} onScroll={(event) => (scrolled.value = event.currentTarget.scrollTop)}>
        <table aria-label="Variables" aria-rowcount={rows.length + 1}>
          <Head sorting={sorting} onSort={onSort} />
          <tbody onKeyDown={onKeyDown}>
            <Spacer rows={start} />
            {shown.map(({ row, index }) => (
              <tr
                key={`${row.series.run.run} ${row.series.variable}`}
                aria-rowindex={index + 2}
                class={row.series.variable === opened ? "opened" : ""}
                style={{ height: `${ROW_HEIGHT}px` }}
                onClick={() => choose(index)}
              >
                <VariableCells
                  row={row}
                  opened={row.series.variable === opened}
                  reachable={index === tabStop}
                  skipped={skipped}
                  id={rowId(index)}
                />
              </tr>
            ))}
            <Spacer rows={rows.length - stop} />
          </tbody>
        </table>
        {rows.length === 0 && <p class="state">No variable matches the filter of layers</p>}
      </div>
    </div>
  );
}

/** Scrolls a row into sight and gives it the focus once it is built. */
function reveal(scroller: HTMLElement, row: number): void {
  const header = scroller.querySelector("thead")?.offsetHeight ?? 0;
  scroller.scrollTop = scrollTo(row, scroller.scrollTop, scroller.clientHeight, header);
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById(rowId(row))?.focus()));
}

function Head({ sorting, onSort }: Pick<VariableTableProps, "sorting" | "onSort">) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        {COLUMNS.map((column) => (
          <HeadCell key={column.key} {...{ column, sorting, onSort }} />
        ))}
      </tr>
    </thead>
  );
}

interface HeadCellProps extends Pick<VariableTableProps, "sorting" | "onSort"> {
  readonly column: Column;
}

function HeadCell({ column: { key, label, explanation }, sorting, onSort }: HeadCellProps) {
  const sort = sorting.key === key ? (sorting.descending ? "descending" : "ascending") : "none";
  return (
    <th scope="col" aria-sort={key === "history" ? undefined : sort} class={`column-${key}`} title={explanation}>
      {key === "history" ? (
        label
      ) : (
        <button type="button" class="quiet" onClick={() => onSort(sortBy(key as SortKey, sorting))}>
          {label} <span aria-hidden="true">{{ none: "", ascending: "▲", descending: "▼" }[sort]}</span>
        </button>
      )}
      {key === "ratio" && <RatioAxisLabels />}
    </th>
  );
}

/** Room for the rows that are not built. */
function Spacer({ rows }: { rows: number }) {
  return rows > 0 ? <tr class="spacer" style={{ height: `${rows * ROW_HEIGHT}px` }} /> : null;
}

function rowId(index: number): string {
  return `variable-row-${index}`;
}

/** Height of the scrolling box; enough for a screen until it is known. */
function useHeight(scroller: { readonly current: HTMLElement | null }): number {
  const height = useSignal(1000);
  useEffect(() => {
    const place = scroller.current as HTMLElement;
    const observer = new ResizeObserver(() => (height.value = place.clientHeight));
    observer.observe(place);
    return () => observer.disconnect();
  }, []);
  return height.value;
}

/** On which sides columns are hidden, as class names: what is cut off should look cut off. */
function useHiddenSides(scroller: { readonly current: HTMLElement | null }): string {
  const sides = useSignal("");
  useEffect(() => {
    const place = scroller.current as HTMLElement;
    const look = () => {
      const right = place.scrollWidth - place.clientWidth - place.scrollLeft > 1;
      sides.value = `${place.scrollLeft > 1 ? "hidden-left " : ""}${right ? "hidden-right" : ""}`;
    };
    const observer = new ResizeObserver(look);
    observer.observe(place);
    place.addEventListener("scroll", look);
    return () => {
      observer.disconnect();
      place.removeEventListener("scroll", look);
    };
  }, []);
  return sides.value;
}
