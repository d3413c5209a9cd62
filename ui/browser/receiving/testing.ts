// For tests: a sender over a channel in memory, with the real sending session, and a destination in memory.
import { CHUNK_SIZE, type Entry, type RecordHeader, type Want } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import { Key } from '../../protocol/crypto';
import type { ProtocolError } from '../../protocol/error';
import { chunkCount } from '../../protocol/frame';
import { SenderKeys, binding } from '../../protocol/handshake';
import { LinkSecret, type ShareId, toId } from '../../protocol/id';
import { Link, ServerUrl } from '../../protocol/link';
import { PageBuilder, entrySize } from '../../protocol/manifest';
import { parsePath } from '../../protocol/path';
import { webProvider } from '../../protocol/provider';
import { SendSession } from '../../protocol/send';
import type { Change, Channel, ChannelListener } from '../peer/connection';
import type { Destination, Durable, SavingReport } from '../save/destination';

const keys = new SenderKeys(new Uint8Array(32).fill(4));

/** The link of every share in these tests. */
export const link = new Link({
  server: ServerUrl.parse('http://127.0.0.1'),
  share: toId<ShareId>(new Uint8Array(16).fill(1)),
  secret: new LinkSecret(new Uint8Array(16).fill(2)),
  sender: keys.hash(),
  password: false,
});

/** The key of that link. */
export const psk = new Key(new Uint8Array(32).fill(3));

/** A file, or with a slash at the end a folder. */
export function entry(path: string, size = 0): Entry {
  const mtime = { seconds: 0, nanos: 0 };
  return path.endsWith('/')
    ? { path: parsePath(path.slice(0, -1)), kind: { type: 'directory' }, mtime }
    : { path: parsePath(path), kind: { type: 'file', size, executable: false }, mtime };
}

/** What stands in each chunk: something that tells entries and chunks apart. */
export function content(entry: number, chunk: number, length: number): Bytes {
  return new Uint8Array(length).fill(entry * 31 + chunk + 1);
}

/** The receiver's end of a channel, with a sender behind it that serves `entries` in pages of two. */
export class Sender implements Channel {
  readonly maxMessage = 65_536;
  readonly fingerprints = {
    sender: new Uint8Array(32).fill(5),
    receiver: new Uint8Array(32).fill(6),
  };
  /** Chunks that were read for this receiver, as `entry/chunk`. */
  readonly sent: string[] = [];
  /** Changes frames on their way. */
  spoil: (frame: Bytes) => Bytes = (frame) => frame;
  /** Called before each chunk is read; may say that the entry has changed. */
  onRead: (entry: number) => 'changed' | undefined = () => undefined;
  /** Why the sender's session ended. */
  refused: ProtocolError | undefined;
  isClosed = false;
  readonly session: SendSession;
  readonly #entries: readonly Entry[];
  #listener: ChannelListener | undefined;

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    const { sender, receiver } = this.fingerprints;
    this.session = new SendSession(
      {
        context: { share: link.share, psk, binding: binding(sender, receiver) },
        keys,
        name: 'Photos',
        maxMessage: this.maxMessage,
        seed: new Uint8Array(64).fill(7),
        provider: webProvider<CryptoKey>(crypto.subtle),
      },
      0,
    );
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener;
  }

  hasRoom(): boolean {
    return !this.isClosed;
  }

  room(): Promise<void> {
    return Promise.resolve();
  }

  send(frame: Bytes): void {
    // What a channel brings comes later, and never from within a call.
    setTimeout(() => {
      try {
        this.session.handleMessage(frame, 0);
      } catch (error) {
        this.refused = error as ProtocolError;
      }
      this.work();
    });
  }

  flushed(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve));
  }

  path(): Promise<'local'> {
    return Promise.resolve('local');
  }

  close(): void {
    this.isClosed = true;
  }

  /** The connection changes. */
  change(change: Change): void {
    this.#listener?.change(change);
  }

  /** Does what the session asks for. */
  work(): void {
    const entries = this.#entries;
    const bytes = entries.reduce((sum, one) => sum + entrySize(one), 0);
    const pages = Math.ceil(entries.length / 2);
    const totals = { pages, entries: entries.length, bytes, unreadable: 0, complete: true };
    this.session.handleTotals(totals);
    for (let at = this.session.pollPage(); at !== undefined; at = this.session.pollPage()) {
      const builder = new PageBuilder();
      entries.slice(2 * at, 2 * at + 2).forEach((one) => builder.push(one));
      this.session.handlePage(2 * at, builder.take());
    }
    this.#deliver();
    void this.#read();
  }

  async #read(): Promise<void> {
    const sizeOf = (at: number): number | undefined => {
      const found = this.#entries[at];
      return found && entrySize(found);
    };
    const batch = this.session.pollRead(sizeOf);
    if (batch === undefined) {
      return;
    }
    const sealed = await batch.seal((piece) => {
      const failure = this.onRead(piece.entry);
      if (failure !== undefined) {
        return Promise.resolve(failure);
      }
      this.sent.push(`${piece.entry.toString()}/${piece.chunk.toString()}`);
      return Promise.resolve(content(piece.entry, piece.chunk, piece.len));
    });
    this.session.handleSealed(sealed);
    this.#deliver();
    setTimeout(() => {
      void this.#read();
    });
  }

  #deliver(): void {
    let frame = this.session.pollMessage(0);
    while (frame !== undefined) {
      if (!this.isClosed) {
        this.#listener?.message(this.spoil(frame));
      }
      frame = this.session.pollMessage(0);
    }
  }
}

/** A destination in memory. */
export class Shelf implements Destination {
  readonly way = 'memory';
  /** What is there, as `path/chunk`. */
  readonly chunks = new Map<string, Bytes>();
  readonly failed: string[] = [];
  /** Called before each chunk is kept; whatever it throws is that it can't be. */
  onWrite: (key: string) => Promise<void> = () => Promise.resolve();
  onFinish: () => Promise<void> = () => Promise.resolve();
  #entries = new Map<number, Entry>();

  constructor(readonly takes: (path: string) => boolean = () => true) {}

  durable(): Durable {
    const bytes = [...this.chunks.values()].reduce((sum, { length }) => sum + length, 0);
    return { bytes, entries: 0 };
  }

  plan(firstEntry: number, entries: readonly Entry[]): Promise<Want[]> {
    const wants = entries.flatMap((one, at): Want[] => {
      this.#entries.set(firstEntry + at, one);
      const numbers = Array.from({ length: chunkCount(entrySize(one)) }, (_, chunk) => chunk);
      const missing = numbers.filter(
        (chunk) => !this.chunks.has(`${one.path}/${chunk.toString()}`),
      );
      const ranges = missing.map((start) => ({ start, end: start + 1 }));
      const isWanted = this.takes(one.path) && ranges.length > 0;
      return isWanted ? [{ entry: firstEntry + at, ranges }] : [];
    });
    return Promise.resolve(wants);
  }

  async write(header: RecordHeader, chunk: Bytes): Promise<void> {
    const key = `${this.#entries.get(header.entry)?.path ?? ''}/${header.chunk.toString()}`;
    await this.onWrite(key);
    this.chunks.set(key, chunk);
  }

  fail(at: number): Promise<void> {
    this.failed.push(this.#entries.get(at)?.path ?? '');
    return Promise.resolve();
  }

  async finish(): Promise<SavingReport> {
    await this.onFinish();
    return { ...this.durable(), renamed: [], failed: [] };
  }

  handover(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }

  /** Whether every chunk of these entries is there, and is what was sent. */
  holds(entries: readonly Entry[]): boolean {
    return entries.every((one, at) => {
      const size = entrySize(one);
      return Array.from({ length: chunkCount(size) }).every((_, chunk) => {
        const kept = this.chunks.get(`${one.path}/${chunk.toString()}`);
        const length = Math.min(size - chunk * CHUNK_SIZE, CHUNK_SIZE);
        const right = content(at, chunk, length);
        return kept?.length === length && kept.every((byte, place) => byte === right[place]);
      });
    });
  }
}
