/** The backend's answers, typed, each fetched once: pictures and tables stay in memory until others push them out. */

import type { Comparison, Diagnosis, PictureKind, Run, Runs, ScalarNames, TableName } from "../types.gen";
import { assert, isObject } from "./assert";
import { PromiseCache } from "./cache";
import { type Channels, type Points, readChannels, readPoints, readTable, type Table } from "./frames";
import { type Picture, pictureBytes, readPicture } from "./picture";
import { type Frame, readFrame } from "./record";
import { address, type DataSource } from "./source";

const PICTURE_CACHE_BYTES = 256 * 2 ** 20;
const NUMBER_CACHE_BYTES = 64 * 2 ** 20;

export interface TableParts {
  readonly columns?: readonly string[];
  readonly rows?: readonly string[];
}

const MOST_DIAGNOSES = 8;

type Numbers = Table | Points | Channels;

export class Api {
  readonly #pictures = new PromiseCache<Picture>(PICTURE_CACHE_BYTES, pictureBytes);
  readonly #numbers = new PromiseCache<Numbers>(
    NUMBER_CACHE_BYTES,
    (numbers) => numbers.values.byteLength + numbers.steps.byteLength,
  );

  readonly #findings = new PromiseCache<unknown>(MOST_DIAGNOSES, () => 1);

  constructor(readonly source: DataSource) {}

  async runs(signal?: AbortSignal): Promise<Runs> {
    const answer = await this.#json("runs", signal);
    assert(isObject(answer) && Array.isArray(answer.runs), "the list of runs cannot be read");
    return answer as unknown as Runs;
  }

  async diagnosis(runs: readonly string[], signal?: AbortSignal): Promise<Diagnosis> {
    const parameters = runs.map((run) => ["run", run] as const);
    const where = address("diagnosis", parameters);
    const answer = await this.#findings.get(where, (aborted) => this.#json(where, aborted), signal);
    assert(isObject(answer) && Array.isArray(answer.runs), "the diagnosis cannot be read");
    return answer as unknown as Diagnosis;
  }

  async comparison(a: string, b: string, signal?: AbortSignal): Promise<Comparison> {
    const where = address("comparison", [
      ["a", a],
      ["b", b],
    ]);
    const answer = await this.#findings.get(where, (aborted) => this.#json(where, aborted), signal);
    assert(isObject(answer) && Array.isArray(answer.rows), "the comparison cannot be read");
    return answer as unknown as Comparison;
  }

  table(run: string, table: TableName, parts: TableParts = {}, signal?: AbortSignal): Promise<Table> {
    const columns = parts.columns ? [["columns", parts.columns.join(",")] as const] : [];
    const rows = (parts.rows ?? []).map((row) => ["rows", row] as const);
    const where = address("table", [["run", run], ["table", table], ...columns, ...rows]);
    return this.#numbersAt(where, (frame) => readTable(frame, run, table), signal);
  }

  losses(run: string, signal?: AbortSignal): Promise<Points> {
    return this.#numbersAt(address("losses", [["run", run]]), readPoints, signal);
  }

  /** Names of the scalar series that a run and its siblings have. */
  async scalarNames(run: string, signal?: AbortSignal): Promise<ScalarNames> {
    const answer = await this.#json(address("scalars", [["run", run]]), signal);
    assert(isObject(answer) && isObject(answer.scalars), "the list of scalars cannot be read");
    return answer as unknown as ScalarNames;
  }

  /** A scalar series with the name `tag` of the run `of`, which is `run` or a sibling. */
  scalar(run: string, tag: string, of: string, signal?: AbortSignal): Promise<Points> {
    return this.#numbersAt(
      address("scalars", [
        ["run", run],
        ["tag", tag],
        ["of", of],
      ]),
      readPoints,
      signal,
    );
  }

  picture(run: Run, kind: PictureKind, name: string, step: number, signal?: AbortSignal): Promise<Picture> {
    const version = run.pictures.find((series) => series.kind === kind && series.name === name)?.version ?? "";
    const where = address("picture", [
      ["run", run.run],
      ["kind", kind],
      ["name", name],
      ["step", step],
      ["v", version],
    ]);
    return this.#pictures.get(where, async (aborted) => readPicture(await this.source.get(where, aborted)), signal);
  }

  channels(run: string, kind: PictureKind, name: string, signal?: AbortSignal): Promise<Channels> {
    const where = address("channels", [
      ["run", run],
      ["kind", kind],
      ["name", name],
    ]);
    return this.#numbersAt(where, (frame) => readChannels(frame, run, name), signal);
  }

  /** Forgets every number, since a reload may have changed them; pictures carry a version in their address. */
  forgetNumbers(): void {
    this.#numbers.clear();
    this.#findings.clear();
  }

  async #json(where: string, signal?: AbortSignal): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode(await this.source.get(where, signal)));
  }

  #numbersAt<T extends Numbers>(where: string, read: (frame: Frame) => T, signal?: AbortSignal): Promise<T> {
    const load = async (aborted: AbortSignal) => read(await readFrame(await this.source.get(where, aborted)));
    return this.#numbers.get(where, load, signal) as Promise<T>;
  }
}
