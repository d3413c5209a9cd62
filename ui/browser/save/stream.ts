// A sink that is a download of the browser's own, fed through the service worker as fast as the browser takes it.
import type { Bytes } from '../../protocol/bytes';
import { concat, encodeBase64 } from '../../protocol/bytes';
import { ProtocolError } from '../../protocol/error';
import type { Sink } from './archive';
import {
  PING_MS,
  type PageMessage,
  SCOPE,
  type StreamMessage,
  WORKER,
  type WorkerMessage,
} from './port';

// Pieces that are smaller wait for others: what each costs is the way there and back.
const PIECE = 64 * 1024;
// How long a browser may take to ask for what it was offered.
const STARTED_MS = 20_000;

/** Begins a download called `name`, of `size` bytes where that is known. */
export async function openStream(name: string, size: number | undefined): Promise<Sink> {
  const worker = await activeWorker();
  const { port1: port, port2 } = new MessageChannel();
  const id = encodeBase64(crypto.getRandomValues(new Uint8Array(16)));
  const say = (message: WorkerMessage, ports: MessagePort[] = []): void =>
    worker.postMessage(message, ports);
  say({ type: 'offer', id, name, size }, [port2]);

  const stream = new StreamSink(port, () => say({ type: 'ping' }));
  // A frame, because a navigation of the page itself would ask whether to leave it.
  const frame = document.createElement('iframe');
  frame.hidden = true;
  frame.src = `${SCOPE}${id}/${encodeURIComponent(name)}`;
  // The request may overtake the offer while the worker starts.
  await stream.begin(() => document.body.append(frame));
  stream.frame = frame;
  return stream;
}

async function activeWorker(): Promise<ServiceWorker> {
  const registration = await navigator.serviceWorker.register(WORKER, { scope: SCOPE });
  const { active, installing, waiting } = registration;
  const coming = installing ?? waiting;
  if (active !== null) {
    return active;
  }
  if (coming === null) {
    throw new ProtocolError('disk_failed', 'no service worker');
  }
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (coming.state === 'activated') {
        resolve(coming);
      } else if (coming.state === 'redundant') {
        reject(new ProtocolError('disk_failed', 'the service worker does not start'));
      }
    };
    coming.addEventListener('statechange', look);
    look();
  });
}

class StreamSink implements Sink {
  readonly seeks = false;
  frame: HTMLIFrameElement | undefined;
  readonly #port: MessagePort;
  readonly #ping: ReturnType<typeof setInterval>;
  readonly #onHide = (): void => this.#break('abort');
  #gathered: Bytes[] = [];
  #length = 0;
  // How many pieces the browser waits for.
  #pulls = 0;
  #cancelled: ProtocolError | undefined;
  #isOver = false;
  // Whoever waits for news.
  #wake: (() => void) | undefined;
  #isOffered = false;
  #hasStarted = false;
  #hasEnded = false;

  constructor(port: MessagePort, ping: () => void) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<StreamMessage>) => this.#heard(data);
    this.#ping = setInterval(ping, PING_MS);
    addEventListener('pagehide', this.#onHide);
  }

  /** Waits until the worker has the offer, and with `fetch` until the browser has begun the download. */
  async begin(fetch: () => void): Promise<void> {
    const late = setTimeout(() => {
      this.#cancelled ??= new ProtocolError('disk_failed', 'the browser does not fetch');
      this.#wake?.();
    }, STARTED_MS);
    try {
      await this.#until(() => this.#isOffered);
      fetch();
      await this.#until(() => this.#hasStarted);
    } catch (error) {
      this.#break('abort');
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  #heard(message: StreamMessage): void {
    switch (message) {
      case 'offered':
        this.#isOffered = true;
        break;
      case 'started':
        this.#hasStarted = true;
        break;
      case 'pull':
        this.#pulls += 1;
        break;
      case 'ended':
        this.#hasEnded = true;
        break;
      case 'cancelled':
        this.#cancelled ??= new ProtocolError('interrupted', 'the download was cancelled');
        this.#break(undefined);
    }
    this.#wake?.();
  }

  // Waits until `holds`; only one waits at a time, because an archive writes one piece after the other.
  async #until(holds: () => boolean): Promise<void> {
    for (;;) {
      if (this.#cancelled !== undefined) {
        throw this.#cancelled;
      }
      if (holds()) {
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async write(_at: number, bytes: Bytes): Promise<void> {
    if (this.#length === 0 && bytes.length >= PIECE) {
      await this.#send(bytes);
      return;
    }
    this.#gathered.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= PIECE) {
      await this.#sendGathered();
    } else if (this.#cancelled !== undefined) {
      throw this.#cancelled;
    }
  }

  async #sendGathered(): Promise<void> {
    const all = concat(...this.#gathered);
    [this.#gathered, this.#length] = [[], 0];
    if (all.length > 0) {
      await this.#send(all);
    }
  }

  async #send(bytes: Bytes): Promise<void> {
    await this.#until(() => this.#pulls > 0);
    this.#pulls -= 1;
    // Only what is alone in its buffer can be given away; the rest of a buffer may be in use.
    const isWhole = bytes.byteLength === bytes.buffer.byteLength;
    this.#port.postMessage(bytes satisfies PageMessage, isWhole ? [bytes.buffer] : []);
  }

  async end(): Promise<void> {
    await this.#sendGathered();
    this.#say('end');
    await this.#until(() => this.#hasEnded);
    this.#break(undefined);
  }

  async close(): Promise<void> {
    this.#break('abort');
  }

  async discard(): Promise<void> {
    this.#break('abort');
  }

  #say(message: PageMessage): void {
    this.#port.postMessage(message);
  }

  #break(message: PageMessage | undefined): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    if (message !== undefined) {
      this.#say(message);
    }
    clearInterval(this.#ping);
    removeEventListener('pagehide', this.#onHide);
    this.frame?.remove();
  }
}
