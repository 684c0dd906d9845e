/** TensorBoard around us: the URL of the parent window, dark mode, reloads, and whether the tab can be seen. All of it may be missing. */
import { PLUGIN_NAME } from "../schema.gen";

const PREFIX = `p.${PLUGIN_NAME}.`;
const ADDRESS_DELAY_MS = 100;

/** The window whose URL people copy: TensorBoard's where we may touch it, else our own. */
function addressed(): Window {
  try {
    return window.parent.location.hash === undefined ? window : window.parent;
  } catch {
    return window;
  }
}

/** Our part of the URL's hash, by key. */
export function readHash(hash = addressed().location.hash): Record<string, string> {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  return Object.fromEntries(
    [...parts].filter(([key]) => key.startsWith(PREFIX)).map(([key, value]) => [key.slice(PREFIX.length), value]),
  );
}

/** A hash with our keys replaced and everything else left as it is. */
export function withTexts(hash: string, texts: Readonly<Record<string, string>>): string {
  const kept = hash
    .replace(/^#/, "")
    .split("&")
    .filter((part) => part && !part.startsWith(PREFIX));
  const ours = Object.entries(texts).map(([key, value]) => `${PREFIX}${key}=${encodeURIComponent(value)}`);
  return `#${[...(kept.length ? kept : [PLUGIN_NAME]), ...ours].join("&")}`;
}

/** Writes our part of the URL's hash, now. */
export function writeHash(texts: Readonly<Record<string, string>>): void {
  try {
    const { location, history } = addressed();
    if (location.hash && !location.hash.startsWith(`#${PLUGIN_NAME}`)) return;
    const next = withTexts(location.hash, texts);
    if (next !== location.hash) history.replaceState(history.state, "", next);
  } catch {
    // A page that may not touch its URL works all the same.
  }
}

/**
 * Calls `write` a moment after it was first asked for. A new address costs the browser as much as a mosaic does, and Chromium takes no more
 * than 200 of them in ten seconds.
 */
export function soon(write: () => void): () => void {
  let waiting = false;
  const now = () => {
    waiting = false;
    write();
  };
  return () => {
    if (!waiting) setTimeout(now, ADDRESS_DELAY_MS);
    waiting = true;
  };
}

export function onHashChange(changed: () => void): void {
  addressed().addEventListener("hashchange", changed);
}

/** Calls back with whether the page is dark, now and whenever it changes. TensorBoard marks its body; elsewhere the system decides. */
export function watchDark(changed: (dark: boolean) => void): void {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const host = hostBody();
  const update = () => changed(host ? host.classList.contains("dark-mode") : system.matches);
  if (host) new MutationObserver(update).observe(host, { attributes: true, attributeFilter: ["class"] });
  else system.addEventListener("change", update);
  update();
}

function hostBody(): HTMLElement | null {
  try {
    return window.parent === window ? null : window.parent.document.body;
  } catch {
    return null;
  }
}

/** Calls back with whether the tab can be seen: TensorBoard hides a frame by giving it no height. */
export function watchVisible(changed: (visible: boolean) => void): void {
  const update = () => changed(window.innerHeight > 0 && document.visibilityState === "visible");
  window.addEventListener("resize", update);
  document.addEventListener("visibilitychange", update);
  update();
}

/** Calls back whenever TensorBoard says that runs or data changed. */
export function watchReloads(reloaded: () => void): void {
  if (window.parent === window) return;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = (event: MessageEvent<unknown>) => {
    if (isReload(event.data)) reloaded();
  };
  window.parent.postMessage("experimental.bootstrap", "*", [port2]);
}

function isReload(data: unknown): boolean {
  try {
    const message = typeof data === "string" ? JSON.parse(data) : data;
    return message.type === "experimental.DataReloaded" || message.type === "experimental.RunsChanged";
  } catch {
    return false;
  }
}
