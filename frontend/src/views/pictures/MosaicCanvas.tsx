/** One mosaic: a canvas that is painted when something changes, what the pointer or the keys are on, and what that is worth. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { blank } from "../../draw/image_buffer";
import { type Hit, hitTest, layOut, type Mosaic, sliceOrigin } from "../../draw/mosaic";

interface MosaicProps {
  readonly mosaic: Mosaic;
  /** Writes the words of the picture, mosaic.width a row. */
  readonly paint: (target: Uint32Array) => void;
  /** What the picture depends on: it is painted again when one of these is another value. */
  readonly inputs: readonly unknown[];
  readonly label: string;
  /** Data attributes of the canvas: which picture this is. */
  readonly data: Readonly<Record<`data-${string}`, string | number>>;
  /** What to say of a value. */
  readonly describe: (hit: Hit) => string;
  readonly hovered: (hit: Hit | null) => void;
  readonly chosen: (hit: Hit) => void;
  /** The place of the tile that is outlined, if any. */
  readonly outlined: number | null;
  readonly children?: ComponentChildren;
}

const MOVES: Record<string, (tile: number, mosaic: Mosaic) => number> = {
  ArrowLeft: (tile) => tile - 1,
  ArrowRight: (tile) => tile + 1,
  ArrowUp: (tile, mosaic) => tile - mosaic.tileColumns,
  ArrowDown: (tile, mosaic) => tile + mosaic.tileColumns,
  Home: () => 0,
  End: (_, mosaic) => mosaic.count - 1,
};

export function MosaicCanvas({
  mosaic,
  paint,
  inputs,
  label,
  data,
  describe,
  hovered,
  chosen,
  outlined,
  children,
}: MosaicProps) {
  const canvas = usePainted(mosaic, paint, inputs);
  const hit = useSignal<Hit | null>(null);
  const show = (next: Hit | null) => {
    hit.value = next;
    hovered(next);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const current = hit.value ?? { tile: -1, slice: 0, row: mosaic.rows >> 1, column: mosaic.columns >> 1 };
    const move = MOVES[event.key];
    if (event.key === "Enter" && hit.value) chosen(hit.value);
    else if (move) show({ ...current, tile: Math.min(mosaic.count - 1, Math.max(0, move(current.tile, mosaic))) });
    else return;
    event.preventDefault();
  };
  return (
    <div
      class="mosaic"
      role="application"
      aria-label={`${label}. Arrow keys move between tiles, Enter opens one`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its role makes it interactive: keys move within it
      tabIndex={0}
      style={`width:${mosaic.width}px;height:${mosaic.height}px`}
      onPointerMove={(event) => show(hitUnder(event, mosaic))}
      onPointerLeave={() => show(null)}
      onBlur={() => show(null)}
      onClick={(event) => {
        const clicked = hitUnder(event, mosaic);
        if (clicked) chosen(clicked);
      }}
      onKeyDown={onKeyDown}
    >
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        width={mosaic.width}
        height={mosaic.height}
        data-zoom={mosaic.zoomX}
        data-columns={mosaic.tileColumns}
        {...data}
      />
      {children}
      {outlined !== null && outlined < mosaic.count && <Outline mosaic={mosaic} tile={outlined} />}
      {hit.value && <Tip mosaic={mosaic} hit={hit.value} text={describe(hit.value)} />}
    </div>
  );
}

/** A picture that nobody points at: a single tile, or a strip. */
export function StillCanvas({
  mosaic,
  paint,
  inputs,
  label,
  data,
}: Pick<MosaicProps, "mosaic" | "paint" | "inputs" | "label" | "data">) {
  const canvas = usePainted(mosaic, paint, inputs);
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={label}
      width={mosaic.width}
      height={mosaic.height}
      data-zoom={mosaic.zoomX}
      {...data}
    />
  );
}

/** The mosaic of a single tile within a square. */
export function singleTile(size: { slices: number; rows: number; columns: number }, side: number): Mosaic {
  return layOut({ ...size, count: 1 }, side, side);
}

function usePainted(mosaic: Mosaic, paint: (target: Uint32Array) => void, inputs: readonly unknown[]) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    if (mosaic.width === 0 || mosaic.height === 0) return;
    const image = blank(mosaic.width, mosaic.height);
    paint(new Uint32Array(image.data.buffer, 0, mosaic.width * mosaic.height));
    context.putImageData(image, 0, 0);
  }, [mosaic.width, mosaic.height, mosaic.zoomX, mosaic.count, ...inputs]);
  return canvas;
}

function hitUnder(event: MouseEvent, mosaic: Mosaic): Hit | null {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  return hitTest(mosaic, event.clientX - box.left, event.clientY - box.top);
}

function Outline({ mosaic, tile }: { mosaic: Mosaic; tile: number }) {
  const { x, y } = sliceOrigin(mosaic, tile, 0);
  return <div class="outline" style={box(x, y, mosaic.tileWidth, mosaic.tileHeight)} />;
}

function Tip({ mosaic, hit, text }: { mosaic: Mosaic; hit: Hit; text: string }) {
  const { x, y } = sliceOrigin(mosaic, hit.tile, hit.slice);
  const left = x + hit.column * mosaic.zoomX;
  const top = y + hit.row * mosaic.zoomY;
  const side = left > mosaic.width / 2 ? `right:${mosaic.width - left + 8}px` : `left:${left + mosaic.zoomX + 8}px`;
  return (
    <>
      <div class="pixel" style={box(left, top, mosaic.zoomX, mosaic.zoomY)} />
      <div class="tip" role="status" style={`${side};top:${top + mosaic.zoomY + 8}px`}>
        {text}
      </div>
    </>
  );
}

export function box(left: number, top: number, width: number, height: number): string {
  return `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
}
