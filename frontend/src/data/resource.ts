/** What is known of something that is being fetched. While a new value is on its way, the last one stays. */
import { type Signal, signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface Resource<T> {
  readonly status: "loading" | "ready" | "failed";
  readonly value: T | null;
  readonly message: string;
}

export const LOADING: Resource<never> = { status: "loading", value: null, message: "" };

export function ready<T>(value: T): Resource<T> {
  return { status: "ready", value, message: "" };
}

export function failed<T>(error: unknown, last: T | null = null): Resource<T> {
  return { status: "failed", value: last, message: error instanceof Error ? error.message : String(error) };
}

/**
 * Loads something for as long as the component lives, again whenever `key` changes; null waits.
 * A load that nobody waits for any more is aborted.
 */
export function useResource<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Signal<Resource<T>> {
  const resource = useRef<Signal<Resource<T>> | null>(null);
  resource.current ??= signal<Resource<T>>(LOADING);
  const target = resource.current;
  // Before the page is painted: an effect that waits for that would begin a frame later.
  useLayoutEffect(() => {
    if (key === null) return;
    const controller = new AbortController();
    const settle = (settled: Resource<T>) => {
      if (!controller.signal.aborted) target.value = settled;
    };
    target.value = { status: "loading", value: target.value.value, message: "" };
    load(controller.signal).then(
      (value) => settle(ready(value)),
      (error) => settle(failed(error)),
    );
    return () => controller.abort();
  }, [key]);
  return target;
}
