/** One channel's map, the part of the input that the value under the pointer looks at, and the sum that makes it. */
import { useMemo } from "preact/hooks";
import type { Maps } from "../../data/picture";
import type { Hit } from "../../draw/mosaic";
import { layOut } from "../../draw/mosaic";
import { shownName } from "../../model/names";
import { findLayer } from "../../model/network";
import { type Box, clipped, receptiveField } from "../../model/receptive";
import { similarChannels } from "../../model/similar_channels";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { PictureState, usePictureData } from "../pictures/Card";
import { box, MosaicCanvas, singleTile } from "../pictures/MosaicCanvas";
import { InputCanvas, useInputs } from "../pictures/ProbeImage";
import type { PictureData } from "../pictures/picture_data";
import { ScaleBar } from "../pictures/ScaleBar";
import { mapsView, type PictureView } from "../pictures/view";
import { PixelProducts } from "./PixelProducts";
import type { Subject } from "./subject";

const SIDE = 172;

export function ChannelMap({ run, subject }: { run: Run; subject: Subject }) {
  const data = usePictureData(run, "maps", subject.layer);
  return <PictureState data={data}>{(loaded) => <LoadedMap run={run} subject={subject} data={loaded} />}</PictureState>;
}

function LoadedMap({ run, subject, data }: { run: Run; subject: Subject; data: PictureData }) {
  const store = useStore();
  const { value: state } = store.state;
  const maps = data.picture as Maps;
  const { image, range, low, high, clip, colours } = state;
  const view = useMemo(
    () => mapsView(data, { ...state, order: "channel", only: "" }),
    [data, image, range, low, high, clip, colours],
  );
  store.noteSize("maps", subject.layer, maps.shape[1]!);
  const tile = maps.channels.indexOf(subject.channel);
  if (!view || tile < 0) return <p class="muted">This channel's map is not stored; its statistics are</p>;
  const hit = pointedAt(store, subject) ?? {
    tile: 0,
    slice: 0,
    row: view.tiles.rows >> 1,
    column: view.tiles.columns >> 1,
  };
  return (
    <>
      <h3>Feature map and what it looks at</h3>
      <div class="beside">
        <SingleMap run={run} subject={subject} view={view} tile={tile} step={data.step} />
        <LookedAt run={run} layer={subject.layer} maps={maps} hit={hit} step={data.step} />
      </div>
      <ScaleBar lut={view.style.lut} limits={view.limits[tile]!} caption="" />
      <SimilarChannels view={view} tile={tile} />
      {subject.variable && !data.baseline && (
        <PixelProducts
          run={run}
          subject={{ ...subject, variable: subject.variable }}
          maps={maps}
          view={view}
          tile={tile}
          hit={hit}
          step={data.step}
        />
      )}
    </>
  );
}

/** The place that the pointer is on in this channel, or else the pinned one. */
function pointedAt(store: ReturnType<typeof useStore>, { layer, channel }: Subject): Hit | null {
  const hovered = store.hovered.value;
  if (hovered?.kind === "maps" && hovered.name === layer && hovered.channel === channel) return hovered.place;
  const pinned = store.state.value.pixel?.map(Number);
  return pinned?.length === 3 && pinned.every(Number.isInteger)
    ? { tile: 0, slice: pinned[0]!, row: pinned[1]!, column: pinned[2]! }
    : null;
}

interface SingleMapProps {
  readonly run: Run;
  readonly subject: Subject;
  readonly view: PictureView;
  readonly tile: number;
  readonly step: number;
}

function SingleMap({ run, subject, view, tile, step }: SingleMapProps) {
  const store = useStore();
  const mosaic =
    view.tiles.rows * view.tiles.columns === 1
      ? layOut({ ...view.tiles, count: 1 }, 16, 16, 16)
      : singleTile(view.tiles, SIDE);
  const { layer, channel } = subject;
  return (
    <MosaicCanvas
      mosaic={mosaic}
      paint={(target) => view.paint(target, mosaic, [tile])}
      inputs={[view, tile]}
      label={`Feature map of ${shownName(layer)}, channel ${channel}, ${shownName(run.title)}`}
      data={{
        "data-kind": "maps",
        "data-name": layer,
        "data-run": run.run,
        "data-step": step,
        "data-channel": channel,
      }}
      describe={(hit) => view.read(tile, hit)}
      hovered={(hit) => {
        store.hovered.value = hit && { kind: "maps", name: layer, channel, place: hit };
      }}
      chosen={(hit) => store.update({ pixel: [hit.slice, hit.row, hit.column].map(String) })}
      outlined={null}
    />
  );
}

/** The probe input with the receptive field of the value under the pointer. */
function LookedAt({ run, layer, maps, hit, step }: { run: Run; layer: string; maps: Maps; hit: Hit; step: number }) {
  const store = useStore();
  const inputs = useInputs(run, maps, step);
  const image = maps.images[Math.min(store.state.value.image, maps.images.length - 1)]!;
  const place = inputs?.images.indexOf(image) ?? -1;
  if (!inputs || place < 0) return null;
  const field = fieldOf(run, layer, maps, inputs, hit);
  return (
    <figure class="looked-at">
      <InputCanvas inputs={inputs} image={place} side={SIDE} label={`Input ${image}`} />
      {field && <FieldBox field={field} inputs={inputs} />}
      <figcaption class="muted">{field ? fieldName(field) : "its geometry is not logged"}</figcaption>
    </figure>
  );
}

function fieldOf(run: Run, layer: string, maps: Maps, inputs: Maps, hit: Hit): Box | null {
  if (!findLayer([run], layer)) return null;
  const axes = maps.shape.length - 2;
  const sizes = maps.shape.slice(2);
  const start = [hit.slice, hit.row, hit.column].slice(3 - axes).map((at) => at * maps.reduced);
  const box: Box = start.map((at, axis) => [at, Math.min(sizes[axis]! - 1, at + maps.reduced - 1)]);
  const layers = new Map(run.record?.layers.map((candidate) => [candidate.name, candidate]));
  const field = receptiveField({ layers, input: inputs.shape.slice(2), logged: new Map([[layer, sizes]]) }, layer, box);
  return field && clipped(field, inputs.shape.slice(2));
}

function FieldBox({ field, inputs }: { field: Box; inputs: Maps }) {
  const [, , ...space] = inputs.pixels.shape;
  const mosaic = singleTile(
    { slices: 1, rows: space.length > 1 ? space.at(-2)! : 1, columns: space.at(-1) ?? 1 },
    SIDE,
  );
  const [x, y] = [field.at(-1) ?? [0, 0], field.length > 1 ? field.at(-2)! : [0, 0]];
  const at = (value: number) => Math.floor(value / inputs.reduced);
  const [left, top] = [at(x[0]!) * mosaic.zoomX, at(y[0]!) * mosaic.zoomY];
  const [right, bottom] = [(at(x[1]!) + 1) * mosaic.zoomX, (at(y[1]!) + 1) * mosaic.zoomY];
  return <div class="outline" data-field={JSON.stringify(field)} style={box(left, top, right - left, bottom - top)} />;
}

function fieldName(field: Box): string {
  const names = ["z", "y", "x"].slice(3 - field.length);
  return field.map(([first, last], axis) => `${names[axis]} ${first}…${last}`).join(", ");
}

/** The channels whose maps are most like this one, by correlation over the pixels. */
function SimilarChannels({ view, tile }: { view: PictureView; tile: number }) {
  const store = useStore();
  const nearest = useMemo(() => similarChannels(view.tiles, tile), [view, tile]);
  if (nearest.length === 0) return null;
  return (
    <p class="relatives">
      <span class="muted">Most alike</span>
      {nearest.map(({ index, correlation }) => (
        <button
          key={index}
          type="button"
          class="quiet"
          onClick={() => store.update({ channel: view.tiles.labels[index]! })}
        >
          ch {view.tiles.labels[index]} <span class="muted">{correlation.toFixed(2)}</span>
        </button>
      ))}
    </p>
  );
}
