/** A card: one layer or kernel, its title in a line, and a panel a run. Nothing is fetched before it comes near the screen. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { type Resource, useResource } from "../../data/resource";
import type { ViewState } from "../../state/state";
import { useStore } from "../../state/store";
import type { PictureKind, Run } from "../../types.gen";
import { useNearby } from "../../ui/hooks";
import { Failure, Loading } from "../../ui/States";
import { loadPictureData, type PictureData, type PictureRequest, pictureKey, prefetchNeighbours } from "./picture_data";

interface CardProps {
  readonly name: string;
  readonly layer: string;
  readonly title: string;
  readonly body: (nearby: boolean) => ComponentChildren;
}

export function Card({ name, layer, title, body }: CardProps) {
  const [element, nearby] = useNearby<HTMLElement>();
  return (
    <article class="card" ref={element} aria-label={title} data-card={layer} data-name={name}>
      {body(nearby.value)}
    </article>
  );
}

/** What one run's picture needs at the step cursor, fetched while it is near the screen and the tab is open. */
export function usePictureData(
  run: Run,
  kind: PictureKind,
  name: string,
  nearby = true,
  patch: Partial<ViewState> = {},
): Resource<PictureData | null> {
  const store = useStore();
  const request: PictureRequest = {
    ...{ run, kind, name },
    chosen: store.chosen.value,
    step: store.step.value ?? 0,
    state: { ...store.state.value, ...patch },
  };
  const active = nearby && store.visible.value;
  const key = active ? pictureKey(request, store.generation.value) : null;
  const data = useResource(key, (signal) => loadPictureData(store.api, request, signal)).value;
  const step = data.status === "ready" ? data.value?.step : undefined;
  const ahead = active && store.travelling.value;
  useEffect(() => {
    if (step === undefined || !ahead) return;
    const timer = setTimeout(() => prefetchNeighbours(store.api, request, step), 200);
    return () => clearTimeout(timer);
  }, [step, ahead]);
  return data;
}

/** A picture's content once it is there; until then, or instead, what is known of it. */
export function PictureState({
  data,
  children,
}: {
  data: Resource<PictureData | null>;
  children: (data: PictureData) => ComponentChildren;
}) {
  if (data.value) {
    return (
      <div aria-busy={data.status === "loading"}>
        {data.status === "failed" && <Failure message={data.message} />}
        {children(data.value)}
      </div>
    );
  }
  if (data.status === "failed") return <Failure message={data.message} />;
  return data.status === "ready" ? <p class="state muted">Not logged by this run</p> : <Loading what="picture" />;
}
