/** What a card needs to know of the page: how wide it is, and whether anybody can see it. */
import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

const MARGIN = "300px";

/** The width of an element, in whole screen pixels; 0 until it is known. */
export function useWidth<T extends HTMLElement>(): [RefObject<T | null>, number] {
  const element = useRef<T>(null);
  const width = useSignal(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const next = Math.floor(entry!.contentRect.width);
      if (next > 0) width.value = next;
    });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return [element, width.value];
}

/** Whether an element is on the screen or close to it. */
export function useNearby<T extends HTMLElement>(): [RefObject<T | null>, Signal<boolean>] {
  const element = useRef<T>(null);
  const nearby = useSignal(false);
  useLayoutEffect(() => {
    const observer = new IntersectionObserver((entries) => (nearby.value = entries.at(-1)!.isIntersecting), {
      rootMargin: MARGIN,
    });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return [element, nearby];
}
