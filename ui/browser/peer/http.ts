// The server's HTTP routes, one call each, with refusals as codes.
import {
  type CreateShare,
  type IceServers,
  type JoinShare,
  MAX_SIGNAL_LEN,
  type Place,
  type ShareCreated,
  type ShareJoined,
} from '../../protocol/bindings';
import { concat, decodeText } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';
import type { PeerId, ShareId } from '../../protocol/id';
import type { ServerUrl } from '../../protocol/link';
import {
  parseError,
  parseIceServers,
  parsePlace,
  parseSealedSummary,
  parseShareCreated,
  parseShareJoined,
} from '../../protocol/signal';

/** How long a request may take that the server answers at once. */
export const REQUEST_TIMEOUT_MS = 10_000;
// The server answers after 10 s at the latest.
const POLL_TIMEOUT_MS = 25_000;
// No server can make a client wait for longer than a day, whatever it says.
const MAX_RETRY_AFTER_S = 86_400;

/** Why a request brought nothing. */
export class Refusal extends ProtocolError {
  constructor(
    code: ProtocolError['code'],
    detail = '',
    /** Milliseconds for which the server wants not to be asked again. */
    readonly retryAfter?: number,
  ) {
    super(code, detail);
  }
}

interface Asking {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  token?: string;
  body?: object;
  headers?: Record<string, string>;
  timeout?: number;
  /** Whether the request may outlive the page. */
  keepalive?: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * One share's routes on one server. What goes wrong is a {@link Refusal}; one that `signal` ends is `interrupted`.
 */
export class Api {
  constructor(
    readonly server: ServerUrl,
    readonly share: ShareId,
  ) {}

  /** Opens the share, or opens it again. */
  async create(body: CreateShare, signal?: AbortSignal): Promise<ShareCreated> {
    const asking: Asking = { method: 'POST', path: '/api/shares', body, signal };
    return parseAnswer(parseShareCreated, await this.#ask(asking));
  }

  /** Takes a place in line. */
  async join(body: JoinShare, signal?: AbortSignal): Promise<ShareJoined> {
    const asking: Asking = { method: 'POST', path: this.#path('/receivers'), body, signal };
    return parseAnswer(parseShareJoined, await this.#ask(asking));
  }

  /** The place, once it is not `after` any more or ten seconds have passed; without `after` at once. */
  async place(token: string, after: string | undefined, signal?: AbortSignal): Promise<Place> {
    const query = after === undefined ? '' : `?after=${encodeURIComponent(after)}`;
    const path = this.#path(`/place${query}`);
    const asking: Asking = { method: 'GET', path, token, timeout: POLL_TIMEOUT_MS, signal };
    return parseAnswer(parsePlace, await this.#ask(asking));
  }

  /** The event stream, behind the event `last`; without one it begins with the place. Ends with `signal`. */
  async events(
    token: string,
    last: string | undefined,
    signal: AbortSignal,
  ): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (last !== undefined) {
      headers['Last-Event-ID'] = last;
    }
    const path = this.#path('/events');
    // The stream itself has no end; only its beginning is waited for with a limit.
    return withLimit(REQUEST_TIMEOUT_MS, signal, async (limited, begun) => {
      const response = await this.#fetch({ method: 'GET', path, token, headers }, limited);
      begun();
      return readerOf(response);
    });
  }

  /** Gives the place or slot up; also while the page is being closed. */
  async leave(token: string, peer: PeerId): Promise<void> {
    const path = this.#path(`/receivers/${peer}`);
    await this.#ask({ method: 'DELETE', path, token, keepalive: true });
  }

  /** What the share holds, sealed, if its sender has said. */
  async summary(token: string, signal?: AbortSignal): Promise<string | undefined> {
    const text = await this.#ask({ method: 'GET', path: this.#path('/summary'), token, signal });
    return text === '' ? undefined : parseAnswer(parseSealedSummary, text).summary;
  }

  /** The servers that help to find a path, within `timeout` milliseconds. */
  async ice(token: string, timeout: number): Promise<IceServers> {
    const asking: Asking = { method: 'GET', path: this.#path('/ice'), token, timeout };
    return parseAnswer(parseIceServers, await this.#ask(asking));
  }

  #path(rest: string): string {
    return `/api/shares/${this.share}${rest}`;
  }

  // The text of the answer; empty where there is none.
  #ask(asking: Asking): Promise<string> {
    return withLimit(asking.timeout ?? REQUEST_TIMEOUT_MS, asking.signal, async (limited) => {
      const response = await this.#fetch(asking, limited);
      return response.status === 204 ? '' : textOf(response);
    });
  }

  async #fetch(asking: Asking, signal: AbortSignal): Promise<Response> {
    const { method, path, token, body, keepalive = false } = asking;
    const headers = new Headers(asking.headers);
    if (token !== undefined) {
      headers.set('Authorization', `Bearer ${token}`);
    }
    if (body !== undefined) {
      headers.set('Content-Type', 'application/json');
    }
    const response = await fetch(this.server.http(path), {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      keepalive,
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
    if (response.ok) {
      return response;
    }
    throw await readRefusal(response);
  }
}

async function readRefusal(response: Response): Promise<Refusal> {
  const after = Number(response.headers.get('Retry-After') ?? Number.NaN);
  const isSaid = Number.isFinite(after) && after >= 0;
  const retryAfter = isSaid ? Math.min(after, MAX_RETRY_AFTER_S) * 1000 : undefined;
  const status = response.status.toString();
  const text = await textOf(response);
  try {
    return new Refusal(parseError(text).code, '', retryAfter);
  } catch {
    // Not one of ours: a proxy's, or another server's.
    return new Refusal('server_failed', status, retryAfter);
  }
}

/** What `read` makes of the server's words: said in another way than they should be, they are `server_failed`. */
export function parseAnswer<T>(read: (text: string) => T, text: string): T {
  try {
    return read(text);
  } catch (error) {
    throw new Refusal('server_failed', error instanceof ProtocolError ? error.detail : '');
  }
}

function readerOf(response: Response): ReadableStreamDefaultReader<Uint8Array> {
  if (response.body === null) {
    throw new Refusal('server_failed', 'an answer without a body');
  }
  return response.body.getReader();
}

// No more of it than any answer has: a server can't fill this page's memory.
async function textOf(response: Response): Promise<string> {
  const reader = readerOf(response);
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    length += value.length;
    if (length > MAX_SIGNAL_LEN) {
      await reader.cancel();
      throw new Refusal('server_failed', 'its answer is too long');
    }
    parts.push(value);
  }
  return decodeText(concat(...parts)) ?? '';
}

// Runs `work` with a signal that ends it when `outer` does, or after `ms` unless it says before that it has begun.
async function withLimit<T>(
  ms: number,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal, begun: () => void) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  const timer = setTimeout(abort, ms);
  const begun = (): void => {
    clearTimeout(timer);
  };
  let isKept = false;
  outer?.addEventListener('abort', abort, { once: true });
  if (outer?.aborted === true) {
    abort();
  }
  try {
    return await work(controller.signal, () => {
      isKept = true;
      begun();
    });
  } catch (error) {
    isKept = false;
    if (error instanceof Refusal) {
      throw error;
    }
    if (outer?.aborted === true) {
      throw new Refusal('interrupted');
    }
    // What a browser says of it names no reason, and may name the address.
    throw new Refusal('server_unreachable', controller.signal.aborted ? 'it took too long' : '');
  } finally {
    begun();
    if (!isKept) {
      outer?.removeEventListener('abort', abort);
    }
  }
}
