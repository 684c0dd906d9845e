/** Small answers that are asked for at the same moment travel in one request; who asks for them knows nothing of it. */
import { MAX_BATCH_PARTS } from "../schema.gen";
import { assert, isObject } from "./assert";
import { readHeader } from "./record";
import { address, type DataSource, errorOf, RequestError } from "./source";

/**
 * What may travel together, by route: pictures, which a browser may keep for ever, apart from numbers. Runs, diagnoses and statistics of
 * whole series take the server longer, and would hold the others up.
 */
const GROUPS: Readonly<Record<string, string>> = {
  picture: "pictures",
  table: "numbers",
  losses: "numbers",
  scalars: "numbers",
};
/** Half of what the server answers at once: nothing of a batch is drawn before all of it has come, and a screen of pictures is enough. */
const MOST_PARTS = MAX_BATCH_PARTS / 2;
/** Proxies take lines of 8 KB, and the address has a host and a prefix too. */
const MOST_CHARACTERS = 6000;
/** Too much for the server or for what stands before it: smaller requests may pass. */
const TOO_MUCH = [413, 414, 431];

interface Asked {
  readonly address: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly reject: (error: unknown) => void;
}

export class BatchingSource implements DataSource {
  readonly live: boolean;
  #asked: Asked[] = [];

  constructor(private readonly source: DataSource) {
    this.live = source.live;
  }

  get(address: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    if (!groupOf(address)) return this.source.get(address, signal);
    return new Promise((resolve, reject) => {
      // Timers that are due together and observers that report together are tasks of their own; a timer of ours comes after them.
      if (this.#asked.length === 0) setTimeout(() => this.send());
      this.#asked.push({ address, signal, resolve, reject });
    });
  }

  /** Sends what was asked for until now, without waiting for more. */
  send(): void {
    const wanted = this.#asked.filter(({ signal }) => !signal?.aborted);
    this.#asked = [];
    for (const batch of batches(wanted)) void (batch.length > 1 ? this.#together(batch) : this.#alone(batch[0]!));
  }

  async #alone({ address, signal, resolve, reject }: Asked): Promise<void> {
    await this.source.get(address, signal).then(resolve, reject);
  }

  async #together(batch: readonly Asked[]): Promise<void> {
    const gets = batch.map((one) => ["get", one.address] as const);
    try {
      const bytes = await this.source.get(address("batch", gets), allAborted(batch));
      for (const [i, answer] of readBatch(bytes, batch.length).entries()) this.#settle(batch[i]!, answer);
    } catch (error) {
      const tooMuch = error instanceof RequestError && TOO_MUCH.includes(error.status);
      for (const asked of batch) tooMuch ? void this.#alone(asked) : asked.reject(error);
    }
  }

  #settle(asked: Asked, { status, bytes }: Answer): void {
    if (status === 200) asked.resolve(bytes);
    else if (TOO_MUCH.includes(status)) void this.#alone(asked);
    else asked.reject(errorOf(status, bytes));
  }
}

function groupOf(address: string): string | undefined {
  return GROUPS[address.slice(0, address.indexOf("?"))];
}

/** What was asked for, in as few requests as the bounds allow. */
function batches(asked: readonly Asked[]): readonly (readonly Asked[])[] {
  const found: Asked[][] = [];
  for (const group of new Set(Object.values(GROUPS))) {
    let room = 0;
    for (const one of asked) {
      if (groupOf(one.address) !== group) continue;
      const size = encodeURIComponent(one.address).length + "&get=".length;
      if (size > room || found.at(-1)!.length === MOST_PARTS) {
        found.push([]);
        room = MOST_CHARACTERS;
      }
      found.at(-1)!.push(one);
      room -= size;
    }
  }
  return found;
}

/** Aborts when everybody who waits for the batch has given up. */
function allAborted(batch: readonly Asked[]): AbortSignal {
  const controller = new AbortController();
  const look = () => batch.every(({ signal }) => signal?.aborted) && controller.abort();
  for (const { signal } of batch) signal?.addEventListener("abort", look, { once: true });
  return controller.signal;
}

interface Answer {
  readonly status: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function readBatch(bytes: Uint8Array<ArrayBuffer>, count: number): readonly Answer[] {
  const { header, body } = readHeader(bytes);
  const parts = header.parts;
  assert(Array.isArray(parts) && parts.length === count, "the batch has not one answer a question");
  let start = body;
  return parts.map((part: unknown) => {
    assert(
      isObject(part) && typeof part.status === "number" && typeof part.bytes === "number",
      "an answer has no size",
    );
    const stop = start + part.bytes;
    assert(stop <= bytes.length, "the batch is shorter than its answers");
    const answer = { status: part.status, bytes: bytes.slice(start, stop) };
    start = stop;
    return answer;
  });
}
