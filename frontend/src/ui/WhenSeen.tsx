/** Builds its children when they come near the window for the first time, so that what nobody scrolls to is not fetched. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

const MARGIN = "200px";

export function WhenSeen({ height, children }: { height: number; children: () => ComponentChildren }) {
  const place = useRef<HTMLDivElement>(null);
  const seen = useSignal(false);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        seen.value = true;
        observer.disconnect();
      },
      { rootMargin: MARGIN },
    );
    observer.observe(place.current as HTMLElement);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={place} style={seen.value ? {} : { minHeight: `${height}px` }}>
      {seen.value && children()}
    </div>
  );
}
