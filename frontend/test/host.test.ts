// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { soon } from "../src/data/host";

describe("soon", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("writes once for many askings, and what holds when it writes", () => {
    let state = 0;
    const written: number[] = [];
    const writeSoon = soon(() => written.push(state));
    for (state = 1; state < 50; state++) writeSoon();
    expect(written).toEqual([]);
    vi.runAllTimers();
    expect(written).toEqual([50]);
  });

  it("writes while the state goes on changing, at most 200 times in ten seconds", () => {
    let written = 0;
    const writeSoon = soon(() => written++);
    for (let frame = 0; frame < 600; frame++) {
      writeSoon();
      vi.advanceTimersByTime(1000 / 60);
    }
    expect(written).toBeGreaterThan(20);
    expect(written).toBeLessThan(200);
  });
});
