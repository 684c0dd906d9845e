/** A drawn chart in the page: uPlot with the shared step cursor laid over it. */

import uPlot from "uplot";
import { PLUGIN_NAME } from "../schema.gen";
import { options, type Theme } from "./options";
import { nearestIndex } from "./series";
import type { ChartSpec, Drawable } from "./spec";

interface PlotEvents {
  /** The pointer is over this step; null when it has left. */
  readonly onHover: (step: number | null) => void;
  /** A click on this step. */
  readonly onPick: (step: number) => void;
}

export interface PlotHandle {
  setStep(step: number | null): void;
  destroy(): void;
}

const SYNC_KEY = PLUGIN_NAME;

/** Draws into `place`, follows its width, and reports what the pointer does. */
export function draw(
  place: HTMLElement,
  height: number,
  spec: ChartSpec,
  drawn: Drawable,
  events: PlotEvents,
): PlotHandle {
  const cursor = stepCursor();
  const width = () => Math.max(120, Math.floor(place.clientWidth));
  const settings = options(spec, drawn, themeOf(place), { width: width(), height }, SYNC_KEY);
  settings.hooks = {
    ...settings.hooks,
    ready: [(plot) => plot.over.appendChild(cursor.element), cursor.place],
    draw: [...(settings.hooks?.draw ?? []), cursor.place],
    setCursor: [(plot) => events.onHover(drawn.steps[plot.cursor.idx ?? -1] ?? null)],
  };
  const plot = new uPlot(settings, [drawn.steps, ...drawn.values], place);
  plot.over.addEventListener("click", (event) => {
    const step = drawn.steps[nearestIndex(drawn.steps, plot.posToVal(event.offsetX, "x"))];
    if (step !== undefined) events.onPick(step);
  });
  const observer = new ResizeObserver(() => {
    if (width() !== plot.width) plot.setSize({ width: width(), height });
  });
  observer.observe(place);
  return {
    setStep(step) {
      cursor.step = step;
      cursor.place(plot);
    },
    destroy() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** A line at a step: an element over the drawing, so that moving it redraws nothing. */
function stepCursor() {
  const cursor = {
    element: Object.assign(document.createElement("div"), { className: "step-line" }),
    step: null as number | null,
    place(plot: uPlot): void {
      const { min = 0, max = 0 } = plot.scales.x ?? {};
      const inside = cursor.step !== null && cursor.step >= min && cursor.step <= max;
      cursor.element.hidden = !inside;
      if (inside) cursor.element.style.transform = `translateX(${plot.valToPos(cursor.step as number, "x")}px)`;
    },
  };
  return cursor;
}

function themeOf(place: HTMLElement): Theme {
  const style = getComputedStyle(place);
  const color = (name: string) => (name.startsWith("--") ? style.getPropertyValue(name).trim() : name);
  return { muted: color("--muted"), grid: color("--line"), font: `11px ${style.fontFamily}`, color };
}
