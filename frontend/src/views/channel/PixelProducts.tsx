/** The sum that makes one value: what each input channel adds, the bias, the activation, and what is stored. */

import type { Maps } from "../../data/picture";
import { useResource } from "../../data/resource";
import { type Hit, placeOf } from "../../draw/mosaic";
import { activationFunction } from "../../model/activation";
import { shownName } from "../../model/names";
import { findLayer } from "../../model/network";
import { number } from "../../model/number_format";
import { productsAt } from "../../model/products";
import { type Tiles, valueAt } from "../../model/tiles";
import { TOP_CODE } from "../../schema.gen";
import { useStore } from "../../state/store";
import type { Layer, Run } from "../../types.gen";
import { exactNumber, placeName } from "../../ui/words";
import type { PictureView } from "../pictures/view";
import { loadOrigin, type Origin, ownFilter, sourceOf } from "./source";
import type { Subject } from "./subject";

const MOST_TERMS = 6;

interface PixelProductsProps {
  readonly run: Run;
  readonly subject: Subject & { readonly variable: string };
  readonly maps: Maps;
  readonly view: PictureView;
  readonly tile: number;
  readonly hit: Hit;
  readonly step: number;
}

export function PixelProducts(props: PixelProductsProps) {
  const { run, subject, maps, step } = props;
  const store = useStore();
  const layer = findLayer([run], subject.layer);
  const key = layer && JSON.stringify([run.run, subject.layer, subject.variable, step]);
  const origin = useResource(key, (signal) =>
    loadOrigin(store.api, run, layer!, maps, subject.variable, step, signal),
  ).value;
  if (!layer) return null;
  if (origin.status === "failed") return <p class="muted">{origin.message}</p>;
  return origin.value && <Sum {...props} layer={layer} origin={origin.value} />;
}

function Sum({ subject, maps, view, tile, hit, layer, origin }: PixelProductsProps & { layer: Layer; origin: Origin }) {
  const store = useStore();
  const image = maps.images[Math.min(store.state.value.image, maps.images.length - 1)]!;
  const source = sourceOf(origin.maps, image);
  if (typeof source === "string") return <p class="muted">{source}</p>;
  const filter = ownFilter(layer, origin, subject.channel, source);
  if (typeof filter === "string") return <p class="muted">{filter}</p>;
  if (maps.reduced > 1) return <p class="muted">The map is stored reduced, so its values are means</p>;
  const axes = maps.shape.length - 2;
  const pixel = [hit.slice, hit.row, hit.column].slice(3 - axes);
  const own = origin.pointwise ?? origin.kernel;
  const bias = own.bias?.[own.filters.indexOf(subject.channel)] ?? 0;
  const products = productsAt(layer, filter, pixel, source, bias);
  const activate = activationFunction(layer.activation);
  const stored = valueAt(view.tiles, tile, placeOf(view.tiles, { ...hit, tile }));
  const largest = [...products.terms].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, MOST_TERMS);
  const rest = products.terms.length - largest.length;
  const restSum = products.sum - products.bias - largest.reduce((sum, term) => sum + term.sum, 0);
  const rounding = products.rounding + halfLevel(view.tiles, tile);
  const value = activate?.(products.sum);
  return (
    <details
      class="products"
      open
      data-sum={products.sum}
      data-value={value}
      data-stored={stored}
      data-rounding={rounding}
    >
      <summary>The sum that makes {placeName(axes, hit) || "it"}</summary>
      <table>
        <tbody>
          {largest.map(({ channel, sum }) => (
            <Row
              key={channel}
              name={`${origin.maps.kind === "inputs" ? "input channel" : `${shownName(origin.maps.name)} ch`} ${channel}`}
              value={sum}
            />
          ))}
          {rest > 0 && <Row name={`${rest} more`} value={restSum} />}
          {own.bias && <Row name="bias" value={bias} />}
          <Row name="sum" value={products.sum} strong />
          {value !== undefined && value !== products.sum && (
            <Row name={`after ${layer.activation}`} value={value} strong />
          )}
          <Row name="stored" value={stored} strong />
        </tbody>
      </table>
      <p class="muted">
        {value === undefined
          ? `${layer.activation} is not applied value by value`
          : agreement(Math.abs(value - stored), rounding)}
      </p>
    </details>
  );
}

function halfLevel({ lows, highs }: Tiles, tile: number): number {
  return lows && highs ? (highs[tile]! - lows[tile]!) / (2 * TOP_CODE) : 0;
}

function agreement(difference: number, rounding: number): string {
  const allowed = rounding + 1e-4;
  const within = rounding > 0 ? `; rounding of the stored values allows ${number(rounding)}` : "";
  return difference <= allowed
    ? `They agree to ${number(difference)}${within}`
    : `They differ by ${number(difference)}: something else acts on this layer${within}`;
}

function Row({ name, value, strong }: { name: string; value: number; strong?: boolean }) {
  return (
    <tr class={strong ? "strong" : undefined}>
      <th scope="row">{name}</th>
      <td>{exactNumber(value)}</td>
    </tr>
  );
}
