// Who does a page's cryptography: WebCrypto, which works beside the page's thread, or where a page has none (on plain
// HTTP) workers in plain JavaScript. Argon2, which no browser has, is always a worker's.
import type { Bytes } from '../protocol/bytes';
import { Key, psk } from '../protocol/crypto';
import { ProtocolError } from '../protocol/error';
import type { LinkSecret, ShareId } from '../protocol/id';
import { type CryptoProvider, webProvider } from '../protocol/provider';
import type { Answer, Numbered, Order } from './opener';

// More would only wait for the same memory and battery.
const MAX_WORKERS = 4;

/** What seals and opens content on this page; one for all sessions. */
export function contentProvider(): CryptoProvider {
  // The types say that it is always there; on plain HTTP it is not.
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  shared ??= subtle === undefined ? poolProvider(new Pool()) : webProvider<CryptoKey>(subtle);
  return shared;
}

let shared: CryptoProvider | undefined;

/** The pre-shared key of a link and its password; a second or so where there is one. */
export async function derivePsk(
  secret: LinkSecret,
  share: ShareId,
  password: string | undefined,
): Promise<Key> {
  if (password === undefined) {
    // Without Argon2 it is done sooner than a worker has begun.
    return psk(secret, share, undefined);
  }
  const desk = new Desk();
  try {
    const order: Order = { type: 'psk', secret: secret.expose(), share, password };
    return new Key((await desk.ask(order, [])) ?? new Uint8Array());
  } finally {
    desk.close();
  }
}

/** `length` bytes by chance; there on plain HTTP too. */
export function randomBytes(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

function poolProvider(pool: Pool): CryptoProvider {
  return {
    cipher: (key) => ({
      // Copied, because whoever seals may keep the plaintext.
      seal: async (nonce, associated, plaintext) => {
        const content = plaintext.slice();
        const order: Order = { type: 'seal', key, nonce, associated, content };
        return (await pool.ask(order, [content.buffer])) ?? new Uint8Array();
      },
      // What is opened is of no use to anyone afterwards, and is handed over.
      open: (nonce, associated, sealed) => {
        const isWhole = sealed.byteLength === sealed.buffer.byteLength;
        const content = isWhole ? sealed : sealed.slice();
        return pool.ask({ type: 'open', key, nonce, associated, content }, [content.buffer]);
      },
    }),
  };
}

// Gives each order to the worker that has least to do.
class Pool {
  #desks: Desk[] = [];
  readonly #size = Math.min(Math.max(navigator.hardwareConcurrency || 1, 1), MAX_WORKERS);

  ask(order: Order, transfer: ArrayBuffer[]): Promise<Bytes | undefined> {
    this.#desks = this.#desks.filter(({ isBroken }) => !isBroken);
    let desk = this.#desks.find(({ waiting }) => waiting === 0);
    if (desk === undefined && this.#desks.length < this.#size) {
      desk = new Desk();
      this.#desks.push(desk);
    }
    desk ??= this.#desks.reduce((least, other) => (other.waiting < least.waiting ? other : least));
    return desk.ask(order, transfer);
  }
}

// One worker and what it was asked for.
class Desk {
  readonly #worker = new Worker(new URL('./opener.ts', import.meta.url), { type: 'module' });
  readonly #orders = new Map<
    number,
    { resolve: (bytes: Bytes | undefined) => void; reject: (error: Error) => void }
  >();
  #next = 0;
  isBroken = false;

  constructor() {
    this.#worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      this.#orders.get(data.id)?.resolve(data.bytes);
      this.#orders.delete(data.id);
    });
    this.#worker.addEventListener('error', () => {
      // It could not be loaded, or ran out of memory: what waits for it must not wait for ever.
      this.isBroken = true;
      for (const { reject } of this.#orders.values()) {
        reject(new ProtocolError('interrupted', 'a worker of this page has failed'));
      }
      this.#orders.clear();
    });
  }

  get waiting(): number {
    return this.#orders.size;
  }

  ask(order: Order, transfer: ArrayBuffer[]): Promise<Bytes | undefined> {
    return new Promise((resolve, reject) => {
      const numbered: Numbered = { id: this.#next, order };
      this.#next += 1;
      this.#orders.set(numbered.id, { resolve, reject });
      this.#worker.postMessage(numbered, transfer);
    });
  }

  close(): void {
    this.#worker.terminate();
  }
}
