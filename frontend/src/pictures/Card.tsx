/** A card: one layer or kernel, its title in a line, and a panel a run. Nothing is fetched before it comes near the screen. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Failure, Loading } from "../app/States";
import { type Resource, useResource } from "../resource";
import type { ViewState } from "../state";
import { useStore } from "../store";
import type { PictureKind, Run } from "../types";
import { useNearby } from "./hooks";
import { loadScene, prefetchNeighbours, type Scene, type SceneRequest, sceneKey } from "./scene";

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

/** The scene of one run's picture at the step cursor, fetched while it is near the screen and the tab is open. */
export function useScene(
  run: Run,
  kind: PictureKind,
  name: string,
  nearby = true,
  patch: Partial<ViewState> = {},
): Resource<Scene | null> {
  const store = useStore();
  const request: SceneRequest = {
    ...{ run, kind, name },
    chosen: store.chosen.value,
    step: store.step.value ?? 0,
    state: { ...store.state.value, ...patch },
  };
  const active = nearby && store.visible.value;
  const key = active ? sceneKey(request, store.generation.value) : null;
  const scene = useResource(key, (signal) => loadScene(store.api, request, signal)).value;
  const step = scene.status === "ready" ? scene.value?.step : undefined;
  const ahead = active && store.travelling.value;
  useEffect(() => {
    if (step === undefined || !ahead) return;
    const timer = setTimeout(() => prefetchNeighbours(store.api, request, step), 200);
    return () => clearTimeout(timer);
  }, [step, ahead]);
  return scene;
}

/** A scene's content once it is there; until then, or instead, what is known of it. */
export function SceneState({
  scene,
  children,
}: {
  scene: Resource<Scene | null>;
  children: (scene: Scene) => ComponentChildren;
}) {
  if (scene.value) {
    return (
      <div aria-busy={scene.status === "loading"}>
        {scene.status === "failed" && <Failure message={scene.message} />}
        {children(scene.value)}
      </div>
    );
  }
  if (scene.status === "failed") return <Failure message={scene.message} />;
  return scene.status === "ready" ? <p class="state muted">Not logged by this run</p> : <Loading what="picture" />;
}
