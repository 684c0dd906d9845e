/** A drawn chart in the page: uPlot with the shared step cursor laid over it. */

import uPlot from "uplot";
import { options, type Theme } from "./options";
import { nearestIndex } from "./series";
import type { ChartSpec, Drawable } from "./spec";

export interface PlotEvents {
  /** The pointer is over this step; null when it has left. */
  readonly onHover: (step: number | null) => void;
  /** A click on this step. */
  readonly onPick: (step: number) => void;
}

export interface PlotHandle {
  setStep(step: number | null): void;
  destroy(): void;
}

const SYNC_KEY = "featuremaps";

/** Draws into `place`, follows its width, and reports what the pointer does. */
export function draw(
  place: HTMLElement,
  height: number,
  spec: ChartSpec,
  drawn: Drawable,
  events: PlotEvents,
): PlotHandle {
  const cursor = Object.assign(document.createElement("div"), { className: "step-line" });
  let step: number | null = null;
  const width = () => Math.max(120, Math.floor(place.clientWidth));
  const settings = options(spec, drawn, themeOf(place), { width: width(), height }, SYNC_KEY);
  const placeCursor = (plot: uPlot) => {
    const { min, max } = plot.scales.x ?? {};
    const inside = step !== null && step >= (min ?? 0) && step <= (max ?? 0);
    cursor.style.display = inside ? "" : "none";
    if (inside) cursor.style.transform = `translateX(${plot.valToPos(step as number, "x")}px)`;
  };
  settings.hooks = {
    ...settings.hooks,
    ready: [(plot) => plot.over.appendChild(cursor), placeCursor],
    draw: [...(settings.hooks?.draw ?? []), placeCursor],
    setCursor: [(plot) => events.onHover(plot.cursor.idx == null ? null : (drawn.steps[plot.cursor.idx] ?? null))],
  };
  const plot = new uPlot(settings, [drawn.steps, ...drawn.values], place);
  plot.over.addEventListener("click", (event) => {
    const index = nearestIndex(drawn.steps, plot.posToVal(event.offsetX, "x"));
    if (index >= 0) events.onPick(drawn.steps[index] as number);
  });
  const observer = new ResizeObserver(() => {
    if (width() !== plot.width) plot.setSize({ width: width(), height });
  });
  observer.observe(place);
  return {
    setStep(next) {
      step = next;
      placeCursor(plot);
    },
    destroy() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

function themeOf(place: HTMLElement): Theme {
  const style = getComputedStyle(place);
  const color = (name: string) => (name.startsWith("--") ? style.getPropertyValue(name).trim() : name);
  const grid = color("--line");
  return { text: color("--text"), muted: color("--muted"), grid, font: `11px ${style.fontFamily}`, color };
}
