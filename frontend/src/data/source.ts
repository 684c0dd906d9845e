/** Where answers come from: the server, or the page itself. An address is a route and its parameters in documented order, such as `picture?run=a&step=3`. */
import { ANSWERS_ID } from "../schema.gen";
import { isObject } from "./assert";

export interface DataSource {
  /** The bytes of an answer. Rejects with RequestError where there is none. */
  get(address: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
  /** False where nothing can ever change, so that nobody offers to reload. */
  readonly live: boolean;
}

export class RequestError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The backend; addresses are relative, so that path prefixes and proxies work. */
export class ServerSource implements DataSource {
  readonly live = true;

  async get(address: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const response = await fetch(address, signal ? { signal } : {});
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (!response.ok) throw errorOf(response.status, bytes);
    return bytes;
  }
}

/** Answers in base64, embedded in an exported page as a JSON object of address to answer. */
export class EmbeddedSource implements DataSource {
  readonly live = false;

  constructor(private readonly answers: Readonly<Record<string, string>>) {}

  async get(address: string): Promise<Uint8Array<ArrayBuffer>> {
    const answer = this.answers[address] ?? this.answers[whole(address)];
    if (answer === undefined) throw new RequestError(404, "This page was exported without that part of the run");
    return Uint8Array.from(atob(answer), (letter) => letter.charCodeAt(0));
  }
}

/** The answers that an exported page holds; null in any other page. */
export function embeddedSource(page: Document): DataSource | null {
  const embedded = page.getElementById(ANSWERS_ID);
  return embedded ? new EmbeddedSource(JSON.parse(embedded.textContent || "{}")) : null;
}

export function address(route: string, parameters: readonly (readonly [string, string | number])[] = []): string {
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return query ? `${route}?${query}` : route;
}

/** The address of the answer that contains this one: pages hold whole tables, one diagnosis of everything, and no versions. */
function whole(address: string): string {
  if (address.startsWith("diagnosis?")) return "diagnosis";
  return address.startsWith("table?")
    ? address.replace(/&(columns|rows)=[^&]*/g, "")
    : address.replace(/&v=[^&]*$/, "");
}

/** An answer that says why there is none, in the server's own sentence if it has one. */
export function errorOf(status: number, bytes: Uint8Array): RequestError {
  return new RequestError(status, errorText(bytes) ?? `The server answered with status ${status}`);
}

function errorText(bytes: Uint8Array): string | undefined {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(body) && typeof body.error === "string" ? body.error : undefined;
  } catch {
    return undefined;
  }
}
