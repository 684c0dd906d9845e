import { expect, it } from "vitest";
import { BatchingSource } from "../src/data/batch";
import { type DataSource, RequestError } from "../src/data/source";
import { assembled } from "./encode";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (answer: Uint8Array) => new TextDecoder().decode(answer);

/** A server that answers an address with itself; of those with a status in their name, with an error. */
class Echo implements DataSource {
  readonly live = true;
  readonly asked: string[] = [];
  readonly aborted: string[] = [];
  constructor(private readonly refuseBatches = 0) {}

  async get(address: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    this.asked.push(address);
    signal?.addEventListener("abort", () => this.aborted.push(address));
    await new Promise((resolve) => setTimeout(resolve));
    if (!address.startsWith("batch?")) return bytes(address);
    if (this.refuseBatches) throw new RequestError(this.refuseBatches, "no");
    const parts = [...new URLSearchParams(address.slice("batch?".length))].map(([, part]) => answered(part));
    const described = parts.map(({ status, body }) => ({ status, bytes: body.length }));
    return assembled({ version: 1, parts: described }, Buffer.concat(parts.map(({ body }) => body))) as never;
  }
}

function answered(part: string) {
  const status = Number(/status=(\d+)/.exec(part)?.[1] ?? 200);
  return { status, body: bytes(status === 200 ? part : JSON.stringify({ error: `no ${part}` })) };
}

it("asks once for what is wanted at the same moment, and gives everybody their own", async () => {
  const server = new Echo();
  const source = new BatchingSource(server);
  const wanted = ["losses?run=a%2Fb", "table?run=ü&table=layers", "losses?run=c"];
  const answers = await Promise.all(wanted.map((address) => source.get(address)));
  expect(answers.map(text)).toEqual(wanted);
  expect(server.asked).toEqual([`batch?${wanted.map((one) => `get=${encodeURIComponent(one)}`).join("&")}`]);
});

it("waits for what other tasks ask for that are due together", async () => {
  const server = new Echo();
  const source = new BatchingSource(server);
  const later = (address: string) => new Promise((resolve) => setTimeout(() => resolve(source.get(address)), 5));
  await Promise.all([later("picture?step=1"), later("picture?step=2")]);
  expect(server.asked.length).toBe(1);
});

it("keeps pictures, numbers and what takes long apart, and leaves one alone as it is", async () => {
  const server = new Echo();
  const source = new BatchingSource(server);
  const wanted = ["picture?a", "losses?a", "runs", "picture?b", "diagnosis?run=a", "channels?run=a"];
  await Promise.all(wanted.map((address) => source.get(address)));
  expect(server.asked).toEqual([
    "runs",
    "diagnosis?run=a",
    "channels?run=a",
    "batch?get=picture%3Fa&get=picture%3Fb",
    "losses?a",
  ]);
});

it("bounds a batch in number and in length", async () => {
  const server = new Echo();
  const source = new BatchingSource(server);
  const many = Array.from({ length: 70 }, (_, i) => `picture?${i}`);
  const long = Array.from({ length: 5 }, (_, i) => `losses?${i}${"x".repeat(2900)}`);
  const answers = await Promise.all([...many, ...long].map((address) => source.get(address)));
  expect(answers.map(text)).toEqual([...many, ...long]);
  expect(server.asked.length).toBe(3 + 3);
  expect(Math.max(...server.asked.map((address) => address.length))).toBeLessThan(6100);
});

it("fails in the part that is not there, in the server's own sentence", async () => {
  const source = new BatchingSource(new Echo());
  const [good, bad] = await Promise.allSettled([source.get("losses?a"), source.get("losses?status=404")]);
  expect(good.status).toBe("fulfilled");
  expect((bad as PromiseRejectedResult).reason).toEqual(new RequestError(404, "no losses?status=404"));
});

it("asks alone for what is too much for a batch, and for all where batches are refused for their size", async () => {
  const wide = new BatchingSource(new Echo());
  const answers = await Promise.all([wide.get("picture?a"), wide.get("picture?status=413")]);
  expect(answers.map(text)).toEqual(["picture?a", "picture?status=413"]);
  const narrow = new Echo(414);
  const source = new BatchingSource(narrow);
  await Promise.all([source.get("picture?a"), source.get("picture?b")]);
  expect(narrow.asked.slice(1)).toEqual(["picture?a", "picture?b"]);
  const gone = new BatchingSource(new Echo(503));
  const failed = await Promise.allSettled([gone.get("picture?a"), gone.get("picture?b")]);
  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

it("asks for nothing that was given up, and gives up a batch when all have", async () => {
  const server = new Echo();
  const source = new BatchingSource(server);
  const [a, b, early] = [new AbortController(), new AbortController(), new AbortController()];
  early.abort();
  void source.get("picture?gone", early.signal);
  const both = Promise.all([source.get("picture?a", a.signal), source.get("picture?b", b.signal)]);
  await new Promise((resolve) => setTimeout(resolve));
  const [batch] = server.asked;
  expect(batch).toBe("batch?get=picture%3Fa&get=picture%3Fb");
  a.abort();
  expect(server.aborted).toEqual([]);
  b.abort();
  expect(server.aborted).toEqual([batch]);
  await both;
});
