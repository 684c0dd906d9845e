/** The filter that makes a channel: its inputs side by side, or as colour. */

import type { Filters } from "../../data/picture";
import { sizeOf } from "../../data/record";
import { drawRgb, drawTiles } from "../../draw/draw";
import { lut } from "../../draw/lut";
import { layOut, placeOf } from "../../draw/mosaic";
import { choices } from "../../model/kernel";
import { shownName } from "../../model/names";
import { extentOf, type Limits, symmetric, widened } from "../../model/range";
import { type Tiles, tileShape, valueAt } from "../../model/tiles";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { exactNumber, placeName } from "../../ui/words";
import { PictureState, usePictureData } from "../pictures/Card";
import { MosaicCanvas } from "../pictures/MosaicCanvas";
import type { PictureData } from "../pictures/picture_data";
import { ScaleBar } from "../pictures/ScaleBar";

const WIDTH = 352;
const HEIGHT = 160;
const MOST_INPUTS = 512;

export function ChannelFilter({ run, variable, filter }: { run: Run; variable: string; filter: number }) {
  const data = usePictureData(run, "filters", variable, true, { difference: "none" });
  return (
    <PictureState data={data}>{(loaded) => <LoadedFilter run={run} data={loaded} filter={filter} />}</PictureState>
  );
}

function LoadedFilter({ run, data, filter }: { run: Run; data: PictureData; filter: number }) {
  const filters = data.picture as Filters;
  useStore().noteSize("filters", filters.name, filters.shape[0]!);
  const tiles = inputsOf(filters, filter);
  if (!tiles) return <p class="muted">The weights of filter {filter} are not stored one by one</p>;
  const limits = widened(symmetric(extentOf(tiles.values)));
  const all = { ...tiles, count: Math.min(tiles.count, MOST_INPUTS) };
  const rgb = choices(filters)[0] === "rgb";
  const mosaic = layOut(rgb ? { ...tiles, count: 1 } : all, WIDTH, HEIGHT);
  const order = Array.from({ length: mosaic.count }, (_, i) => i);
  const every: readonly Limits[] = Array(tiles.count).fill(limits);
  const paint = (target: Uint32Array) => {
    if (rgb)
      drawRgb(
        target,
        mosaic,
        [0, 1, 2].map((input) => oneOf(tiles, input)) as [Tiles, Tiles, Tiles],
        [0],
        [limits.high],
      );
    else drawTiles(target, mosaic, tiles, order, every, { lut: lut("diverging"), asSummary: false });
  };
  const axes = filters.shape.length - 2;
  return (
    <>
      <h3>Filter{rgb || tiles.count === 1 ? "" : " by input"}</h3>
      <MosaicCanvas
        mosaic={mosaic}
        paint={paint}
        inputs={[filters, filter]}
        label={`Filter ${filter} of ${shownName(filters.name)}, ${shownName(run.title)}`}
        data={{
          "data-kind": "filters",
          "data-name": filters.name,
          "data-run": run.run,
          "data-step": data.step,
          "data-channel": filter,
        }}
        describe={(hit) => {
          const values = (rgb ? [0, 1, 2] : [hit.tile]).map((input) =>
            exactNumber(valueAt(tiles, input, placeOf(tiles, hit))),
          );
          return `${rgb ? "" : `[input ${hit.tile}] `}${placeName(axes, hit)} = ${values.join(", ")}`;
        }}
        hovered={() => undefined}
        chosen={() => undefined}
        outlined={null}
      />
      <ScaleBar lut={lut("diverging")} limits={limits} caption={rgb ? "red, green, blue; zero is grey" : ""} />
    </>
  );
}

/** One filter's inputs as tiles; null where the weights are not stored. */
function inputsOf({ values, filters }: Filters, filter: number): Tiles | null {
  const row = filters.indexOf(filter);
  if (!values || row < 0) return null;
  const [, count, ...space] = values.shape as [number, number, ...number[]];
  const [slices, rows, columns] = tileShape(space);
  const size = count * sizeOf(space);
  const own = (values.values as Float32Array).subarray(row * size, (row + 1) * size);
  return {
    count,
    slices,
    rows,
    columns,
    values: own,
    lows: null,
    highs: null,
    labels: Array.from({ length: count }, (_, i) => i),
  };
}

function oneOf(tiles: Tiles, tile: number): Tiles {
  const size = tiles.values.length / tiles.count;
  return { ...tiles, count: 1, values: tiles.values.subarray(tile * size, (tile + 1) * size) as Float32Array };
}
