/** Remembers promised values by key, drops the least recently used above a cost, and aborts what nobody waits for any more. */
interface Entry<T> {
  readonly promise: Promise<T>;
  /** Aborts the load; null once there is nothing to abort, so that what listens to it is not kept with the value. */
  controller: AbortController | null;
  cost: number;
  waiting: number;
}

export class PromiseCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  #cost = 0;

  constructor(
    private readonly maxCost: number,
    private readonly costOf: (value: T) => number,
  ) {}

  /** The value under `key`, loading it once however many ask. Rejects with an AbortError when `signal` aborts. */
  async get(key: string, load: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const entry = this.#entries.get(key) ?? this.#start(key, load);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.waiting++;
    const leave = () => this.#leave(key, entry);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      return await untilAborted(entry.promise, signal);
    } finally {
      signal?.removeEventListener("abort", leave);
      if (!signal?.aborted) entry.waiting--;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#cost = 0;
  }

  #start(key: string, load: (signal: AbortSignal) => Promise<T>): Entry<T> {
    const controller = new AbortController();
    const entry: Entry<T> = { promise: load(controller.signal), controller, cost: 0, waiting: 0 };
    entry.promise.then(
      (value) => this.#settle(key, entry, this.costOf(value)),
      () => this.#entries.get(key) === entry && this.#entries.delete(key),
    );
    return entry;
  }

  #settle(key: string, entry: Entry<T>, cost: number): void {
    entry.controller = null;
    if (this.#entries.get(key) !== entry) return;
    entry.cost = cost;
    this.#cost += cost;
    for (const [oldKey, old] of this.#entries) {
      if (this.#cost <= this.maxCost) break;
      if (old.controller || old === entry) continue;
      this.#entries.delete(oldKey);
      this.#cost -= old.cost;
    }
  }

  #leave(key: string, entry: Entry<T>): void {
    entry.waiting--;
    if (entry.waiting > 0 || !entry.controller) return;
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    entry.controller.abort();
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
