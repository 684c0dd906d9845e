/** The input that the maps were computed from. */

import type { Maps } from "../../data/picture";
import { useResource } from "../../data/resource";
import { drawColours, drawTiles } from "../../draw/draw";
import { lut } from "../../draw/lut";
import { findSeries } from "../../model/network";
import { hull, widened } from "../../model/range";
import { mapTiles } from "../../model/tiles";
import { shownStep } from "../../state/steps";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { StillCanvas, singleTile } from "./MosaicCanvas";
import { storedExtents } from "./view";

const SIDE = 112;

export function ProbeImage({ run, maps, step }: { run: Run; maps: Maps; step: number }) {
  const store = useStore();
  const inputs = useInputs(run, maps, step);
  const image = Math.min(store.state.value.image, maps.images.length - 1);
  if (run.record?.inputs_private) return <p class="probe muted">The inputs are private and were not logged</p>;
  if (!inputs || inputs.images.indexOf(maps.images[image]!) < 0) return null;
  return (
    <figure class="probe">
      <InputCanvas
        inputs={inputs}
        image={inputs.images.indexOf(maps.images[image]!)}
        side={SIDE}
        label={`Input ${maps.images[image]}`}
      />
      <figcaption class="muted">input {maps.images[image]}</figcaption>
    </figure>
  );
}

/** The picture of the inputs that these maps were computed from, once it is there. */
export function useInputs(run: Run, maps: Maps, step: number): Maps | null {
  const store = useStore();
  const name = maps.inputs ?? run.pictures.find((series) => series.kind === "inputs")?.name ?? "";
  const at = shownStep(findSeries(run, "inputs", name)?.steps ?? [], step);
  const key = at === null ? null : JSON.stringify([run.run, name, at]);
  return useResource(key, (signal) => store.api.picture(run, "inputs", name, at!, signal)).value.value as Maps | null;
}

/** One probe input: three channels as colour, otherwise the first channel in grey. */
export function InputCanvas({
  inputs,
  image,
  side,
  label,
}: {
  inputs: Maps;
  image: number;
  side: number;
  label: string;
}) {
  const tiles = mapTiles(inputs, image);
  const mosaic = singleTile(tiles, side);
  const limits = widened(hull(storedExtents(inputs)));
  const paint = (target: Uint32Array) => {
    if (tiles.count === 3) drawColours(target, mosaic, tiles, limits);
    else drawTiles(target, mosaic, tiles, [0], Array(tiles.count).fill(limits), { lut: lut("grey"), asSummary: false });
  };
  return (
    <StillCanvas
      mosaic={mosaic}
      paint={paint}
      inputs={[inputs, image]}
      label={label}
      data={{ "data-kind": "inputs", "data-name": inputs.name }}
    />
  );
}
