/** The mosaic of one run's picture, with its scale bar, marks, and what the pointer is on. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { download } from "../../data/download";
import type { Picture } from "../../data/picture";
import { countMarks } from "../../draw/marks";
import { type Hit, layOut, type Mosaic } from "../../draw/mosaic";
import { shownName } from "../../model/names";
import { count, counted } from "../../model/number_format";
import { tilesToNpy } from "../../model/tiles";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { MosaicCanvas } from "./MosaicCanvas";
import { MarkLegend, ScaleBar } from "./ScaleBar";
import type { PictureView } from "./view";

/** Beyond this height a mosaic is cut off until somebody asks for all of it. */
const MAX_HEIGHT = 640;
/** Maps are blown up until they have about this height: they are scenes. Filters are small, but for pictures of in by out. */
const GOOD_HEIGHT = { maps: 360, inputs: 360, filters: 160 };
const MATRIX_HEIGHT = 256;
const LABEL_SIDE = 36;

interface PanelProps {
  readonly run: Run;
  readonly picture: Picture;
  readonly view: PictureView;
  readonly step: number;
  readonly width: number;
  /** "Feature maps of conv1". */
  readonly label: string;
  readonly children?: ComponentChildren;
}

export function Panel({ run, picture, view, step, width, label, children }: PanelProps) {
  const store = useStore();
  const whole = useSignal(false);
  const pointed = useSignal<number | null>(null);
  const { limits, style } = view;
  const { order, mosaic, hidden } = fit(view, width, goodHeight(picture, view), store.state.value.zoom, whole.value);
  const counts = useMemo(() => countMarks(view.tiles, view.limits), [view]);
  const channelAt = (hit: Hit) => view.channelOf(order[hit.tile]!, hit);
  const hovered = (hit: Hit | null) => {
    pointed.value = hit && order[hit.tile]!;
    store.hovered.value = hit && { kind: picture.kind, name: picture.name, channel: channelAt(hit), place: hit };
  };
  const open = (hit: Hit) =>
    store.update({ ...selection(picture, channelAt(hit)), pixel: [hit.slice, hit.row, hit.column].map(String) });
  const data = {
    "data-kind": picture.kind,
    "data-name": picture.name,
    "data-run": run.run,
    "data-step": step,
    "data-order": order.join(" "),
  };
  const fileStem = `${run.title}_${picture.kind}_${picture.name}_step${step}`;
  const shownLimits = pointed.value === null ? (view.shared ? limits[0] : null) : limits[pointed.value];
  return (
    <figure class="panel" aria-label={`${label}, ${shownName(run.title)}`}>
      <MosaicCanvas
        mosaic={mosaic}
        paint={(target) => view.paint(target, mosaic, order)}
        inputs={[view, width, whole.value]}
        label={`${label}, ${shownName(run.title)}, step ${step}: ${counted(order.length, "tile")}`}
        data={data}
        describe={(hit) => view.read(order[hit.tile]!, hit)}
        hovered={hovered}
        chosen={open}
        outlined={outlinedTile(store, picture, view, order)}
      >
        <TileLabels mosaic={mosaic} view={view} order={order} />
      </MosaicCanvas>
      {hidden > 0 && (
        <button type="button" class="more" onClick={() => (whole.value = true)}>
          Show {count(hidden)} more
        </button>
      )}
      <figcaption>
        <ScaleBar lut={style.lut} limits={shownLimits ?? null} caption={view.caption} />
        <MarkLegend counts={counts} />
        {children}
        <span class="downloads">
          <button type="button" class="quiet" onClick={(event) => savePng(event.currentTarget, fileStem)}>
            PNG
          </button>
          <button
            type="button"
            class="quiet"
            onClick={() => download(`${fileStem}.npy`, "application/octet-stream", tilesToNpy(view.tiles))}
          >
            NPY
          </button>
        </span>
      </figcaption>
    </figure>
  );
}

/** Saves the mosaic of the same figure as it is drawn. */
function savePng(button: Element, stem: string): void {
  button
    .closest("figure")
    ?.querySelector("canvas")
    ?.toBlob((blob) => blob && download(`${stem}.png`, "image/png", blob));
}

function goodHeight({ kind }: Picture, { order }: PictureView): number {
  return kind === "filters" && order.length === 1 ? MATRIX_HEIGHT : GOOD_HEIGHT[kind];
}

/** The mosaic and its tiles as far as they are shown. */
function fit(
  view: PictureView,
  width: number,
  height: number,
  zoom: number,
  whole: boolean,
): { order: readonly number[]; mosaic: Mosaic; hidden: number } {
  const full = layOut({ ...view.tiles, count: view.order.length }, width, height, zoom);
  const rows = Math.max(1, Math.floor(MAX_HEIGHT / full.tileHeight));
  if (whole || full.tileRows <= rows) return { order: view.order, mosaic: full, hidden: 0 };
  const order = view.order.slice(0, rows * full.tileColumns);
  return {
    order,
    mosaic: layOut({ ...view.tiles, count: order.length }, width, 1, full.zoomX),
    hidden: view.order.length - order.length,
  };
}

function selection(picture: Picture, channel: number) {
  return picture.kind === "filters"
    ? { variable: picture.name, layer: picture.layer, channel }
    : { layer: picture.name, variable: null, channel };
}

/** The tile of the channel that is pointed at anywhere, or else of the one whose page is open. */
function outlinedTile(
  store: ReturnType<typeof useStore>,
  picture: Picture,
  { tiles }: PictureView,
  order: readonly number[],
): number | null {
  const { layer, variable, channel } = store.state.value;
  const hovered = store.hovered.value;
  const isMine = (kind: string, name: string | null) => kind === picture.kind && name === picture.name;
  const open = isMine("maps", layer) || isMine("filters", variable) ? channel : null;
  const wanted = hovered && isMine(hovered.kind, hovered.name) ? hovered.channel : open;
  const tile = wanted === null ? -1 : order.findIndex((index) => tiles.labels[index] === wanted);
  return tile < 0 ? null : tile;
}

/** Channel numbers and badges, where tiles have room for them. */
function TileLabels({ mosaic, view, order }: { mosaic: Mosaic; view: PictureView; order: readonly number[] }) {
  if (mosaic.tileWidth < LABEL_SIDE || mosaic.tileHeight < LABEL_SIDE || mosaic.count < 2) return null;
  return (
    <div
      class="labels"
      aria-hidden="true"
      style={{
        gridTemplateColumns: `repeat(${mosaic.tileColumns}, ${mosaic.tileWidth}px)`,
        gridAutoRows: `${mosaic.tileHeight}px`,
      }}
    >
      {order.map((tile) => {
        const label = view.tiles.labels[tile]!;
        const word = view.badge(tile);
        return (
          <span key={label}>
            <b>{label}</b>
            {word && <em>{word}</em>}
          </span>
        );
      })}
    </div>
  );
}
