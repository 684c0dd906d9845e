/** The heat map of one run: a row a layer, a column a kept step, findings outlined, the step cursor over it. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { cellAt, type Grid, gridValue, type MarkedCells, markedCells, paint } from "../../charts/grid";
import type { Scale } from "../../charts/scale";
import { indexAt } from "../../charts/series";
import type { Lut } from "../../draw/lut";
import { rowName, shownName } from "../../model/names";
import { count, type Wording, wordings } from "../../model/number_format";
import { isConsequence } from "../../model/reports";
import type { Statistic } from "../../schema.gen";
import { useStore } from "../../state/store";
import type { Finding, Run } from "../../types.gen";
import { SeverityIcon } from "../../ui/severity";

interface RunGridProps {
  readonly run: Run;
  readonly grid: Grid;
  readonly scale: Scale;
  readonly colours: Lut;
  readonly statistic: Statistic;
  readonly findings: readonly Finding[];
  readonly titled: boolean;
}

interface Cell {
  readonly row: number;
  readonly time: number;
}

export function RunGrid({ run, grid, scale, colours, statistic, findings, titled }: RunGridProps) {
  const store = useStore();
  const hovered = useSignal<Cell | null>(null);
  const marked = useMemo(() => markedCells(grid, findings), [grid, findings]);
  const now = store.step.value === null ? -1 : indexAt(grid.steps, store.step.value);
  const word = wordings[statistic.unit];
  const go = ({ row, time }: Cell) => {
    const { layer, source } = grid.rows[row] as Grid["rows"][number];
    const step = grid.steps[time] as number;
    if (statistic.table === "layers") store.open("maps", { layer, step });
    else store.open("weights", { variable: source, step });
  };
  return (
    <div class={`run-grid${grid.rows.length > 40 ? " dense" : ""}`}>
      {titled && (
        <h3 class="of-run">
          <span class="run-dot" style={{ background: store.colourOf(run) }} />
          {shownName(run.title)}
        </h3>
      )}
      {grid.rows.length === 0 ? (
        <p class="state">This run has not logged it</p>
      ) : (
        <div class="grid-body">
          <Labels {...{ grid, word, now, marked, go }} />
          <div class="grid-cells">
            <Cells {...{ grid, scale, colours, hovered, go }} />
            <Marks {...{ grid, marked }} />
            {now >= 0 && <div class="grid-now" style={{ left: `${((now + 0.5) / grid.steps.length) * 100}%` }} />}
            {hovered.value && <HoverValue cell={hovered.value} grid={grid} word={word} />}
          </div>
          <StepAxis steps={grid.steps} />
        </div>
      )}
    </div>
  );
}

interface LabelsProps {
  readonly grid: Grid;
  readonly word: Wording;
  readonly now: number;
  readonly marked: readonly MarkedCells[];
  readonly go: (cell: Cell) => void;
}

/** A button a row: reachable by Tab once, then by the arrow keys; it reads the value at the step cursor. */
function Labels({ grid, word, now, marked, go }: LabelsProps) {
  const current = useSignal(0);
  const list = useRef<HTMLDivElement>(null);
  const focusRow = (row: number) => {
    current.value = Math.min(grid.rows.length - 1, Math.max(0, row));
    (list.current?.children[current.value] as HTMLElement | undefined)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    event.stopPropagation();
    focusRow(current.value + by);
  };
  return (
    <div
      class="grid-labels"
      role="toolbar"
      aria-orientation="vertical"
      aria-label="Layers"
      ref={list}
      onKeyDown={onKeyDown}
    >
      {grid.rows.map(({ layer }, row) => {
        const mark = marked.find((one) => one.row === row);
        const value = now < 0 ? "" : word(gridValue(grid, row, now));
        return (
          <button
            key={layer}
            type="button"
            tabIndex={row === current.value ? 0 : -1}
            title={mark ? `${rowName(layer)}: ${mark.finding.title}` : rowName(layer)}
            onClick={() => go({ row, time: Math.max(0, now) })}
          >
            <span class="grid-name">{rowName(layer)}</span>{" "}
            {mark && <SeverityIcon severity={mark.finding.severity} size={11} named />}{" "}
            <span class="grid-value">{value}</span>
          </button>
        );
      })}
    </div>
  );
}

interface CellsProps {
  readonly grid: Grid;
  readonly scale: Scale;
  readonly colours: Lut;
  readonly hovered: { value: Cell | null };
  readonly go: (cell: Cell) => void;
}

function Cells({ grid, scale, colours, hovered, go }: CellsProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const height = grid.rows.length;
  const width = grid.steps.length;
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    context?.putImageData(new ImageData(paint(grid, scale, colours), width, height), 0, 0);
  }, [grid, scale, colours]);
  const under = (event: MouseEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return cellAt(grid, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  return (
    <canvas
      ref={canvas}
      width={width}
      height={height}
      style={{ height: `calc(var(--cell) * ${height})` }}
      onMouseMove={(event) => (hovered.value = under(event))}
      onMouseLeave={() => (hovered.value = null)}
      onClick={(event) => go(under(event))}
    />
  );
}

function Marks({ grid, marked }: { grid: Grid; marked: readonly MarkedCells[] }) {
  const columns = grid.steps.length;
  return (
    <>
      {marked.map(({ row, from, to, finding }) => (
        <div
          key={`${row} ${finding.rule}`}
          class={`grid-mark ${finding.severity}${isConsequence(finding) ? " quieter" : ""}`}
          style={{
            top: `calc(var(--cell) * ${row})`,
            left: `${(from / columns) * 100}%`,
            width: `${((to - from + 1) / columns) * 100}%`,
          }}
        />
      ))}
    </>
  );
}

function HoverValue({ cell: { row, time }, grid, word }: { cell: Cell; grid: Grid; word: Wording }) {
  const place = (time + 0.5) / grid.steps.length;
  const side = place > 0.7 ? { right: `${(1 - place) * 100}%` } : { left: `${place * 100}%` };
  return (
    <div class="grid-hover" style={{ top: `calc(var(--cell) * ${row + 1} + 4px)`, ...side }}>
      <b>{word(gridValue(grid, row, time))}</b> {rowName(grid.rows[row]?.layer ?? "")}, step{" "}
      {count(grid.steps[time] as number)}
    </div>
  );
}

function StepAxis({ steps }: { steps: Float64Array }) {
  const shown = [...new Set([0, (steps.length - 1) >> 1, steps.length - 1])];
  return (
    <div class="grid-axis" aria-hidden="true">
      {shown.map((index) => (
        <span key={index}>
          {index === 0 ? "step " : ""}
          {count(steps[index] as number)}
        </span>
      ))}
    </div>
  );
}
