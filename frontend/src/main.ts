/** The module that TensorBoard loads: render() puts the dashboard into the page. */
import { effect, signal } from "@preact/signals";
import { createElement, render as mount } from "preact";
import { App } from "./App";
import { Api } from "./data/api";
import { BatchingSource } from "./data/batch";
import { onHashChange, readHash, soon, watchDark, watchReloads, watchVisible, writeHash } from "./data/host";
import { embeddedSource, ServerSource } from "./data/source";
import { ANSWERS_ID, STYLE_ID } from "./schema.gen";
import { Store, StoreProvider } from "./state/store";
import { adoptTypeface } from "./ui/typeface";
import { fetchFirst } from "./views/pictures/prefetch";

/** So long after it was begun the first view has been drawn; what holds it up and can wait does so. */
const FIRST_VIEW_MS = 300;

export function render(): void {
  const server = new BatchingSource(new ServerSource());
  const store = new Store(new Api(embeddedSource(document) ?? server), readHash());
  void prepare(store, server).then(() => setTimeout(() => settle(store), FIRST_VIEW_MS));
  linkStyle();
  watchDark((dark) => {
    store.dark.value = dark;
    document.body.classList.toggle("dark", dark);
  });
  watchVisible((visible) => {
    store.visible.value = visible;
  });
  onHashChange(() => store.restore(readHash()));
  store.state.subscribe(soon(() => writeHash(store.texts())));
  document.title = "Feature Maps for TensorBoard";
  document.documentElement.lang = "en";
  const root = document.body.appendChild(document.createElement("div"));
  root.id = "featuremaps";
  mount(createElement(StoreProvider, { value: store }, createElement(App, null)), root);
}

/** The typeface has to be fetched, and TensorBoard takes a message of ours as a reason to look at all of its page. */
function settle(store: Store): void {
  adoptTypeface();
  followReloads(store);
}

function followReloads(store: Store): void {
  const stale = signal(false);
  watchReloads(() => (stale.value = true));
  effect(() => {
    if (!stale.value || !store.visible.value) return;
    stale.value = false;
    void store.reload();
  });
}

/** Reads what there is, and the first pictures, before the page shows any of it. */
async function prepare(store: Store, server: BatchingSource): Promise<void> {
  store.prepared.value = false;
  await store.reload();
  const first = fetchFirst(store);
  server.send();
  await first;
  store.prepared.value = true;
}

function linkStyle(): void {
  if (document.getElementById(STYLE_ID)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = "./style.css";
  document.head.appendChild(link);
}

// An exported page has nobody to call render().
if (document.getElementById(ANSWERS_ID)) render();
