// @vitest-environment node
// A session at its sender, with a real receiving session at the other end of a channel that is a queue.
import { describe, expect, test, vi } from 'vitest';
import { CHUNK_SIZE, type Code, type Entry, type EntryFailure } from '../../protocol/bindings';
import { type Bytes, concat, equal } from '../../protocol/bytes';
import { psk } from '../../protocol/crypto';
import { ProtocolError } from '../../protocol/error';
import { Kind, chunkCount } from '../../protocol/frame';
import { SenderKeys, binding } from '../../protocol/handshake';
import { LinkSecret, type OwnerKey, shareId, toId } from '../../protocol/id';
import { webProvider } from '../../protocol/provider';
import { ReceiveSession } from '../../protocol/receive';
import type { SendEvent } from '../../protocol/send';
import type { Channel, ChannelListener } from '../peer/connection';
import { Budget } from './budget';
import { Catalog } from './catalog';
import { Serving, type ServingSource } from './serving';
import { type SourceItem, fromFiles } from './source';
import { walk } from './walk';

vi.setConfig({ testTimeout: 60_000 });

const MAX_WAITING = 3;
const provider = webProvider(crypto.subtle);
const secret = new LinkSecret(new Uint8Array(16).fill(1));
const keys = new SenderKeys(new Uint8Array(32).fill(2));
const share = shareId(toId<OwnerKey>(new Uint8Array(32).fill(3)));
const fingerprints = { sender: new Uint8Array(32), receiver: new Uint8Array(32).fill(1) };

/** Frames on their way to the receiver; they leave when the test says so. */
class QueueChannel implements Channel {
  readonly maxMessage = 65_536;
  readonly fingerprints = fingerprints;
  readonly waiting: Bytes[] = [];
  most = 0;
  isOpen = true;
  #listener: ChannelListener | undefined;
  #awaited: (() => void)[] = [];

  listen(listener: ChannelListener): void {
    this.#listener = listener;
  }

  hear(message: Bytes): void {
    this.#listener?.message(message);
  }

  lose(): void {
    if (this.isOpen) {
      this.isOpen = false;
      this.#listener?.change('lost');
      this.#wake();
    }
  }

  take(): Bytes | undefined {
    const frame = this.waiting.shift();
    this.#wake();
    return frame;
  }

  hasRoom(): boolean {
    return this.isOpen && this.waiting.length < MAX_WAITING;
  }

  room(): Promise<void> {
    return new Promise((resolve) => {
      this.#awaited.push(resolve);
      if (this.hasRoom() || !this.isOpen) {
        this.#wake();
      }
    });
  }

  send(frame: Bytes): void {
    this.waiting.push(frame);
    this.most = Math.max(this.most, this.waiting.length);
  }

  flushed(): Promise<void> {
    return Promise.resolve();
  }

  path(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {
    this.lose();
  }

  #wake(): void {
    for (const resolve of this.#awaited.splice(0)) {
      resolve();
    }
  }
}

/** Both ends, and what each was told. */
class Pair {
  readonly channel = new QueueChannel();
  readonly events: SendEvent[] = [];
  readonly content = new Map<string, Bytes>();
  readonly failed = new Map<string, EntryFailure>();
  readonly paused: boolean[] = [];
  over: { code: Code | undefined } | undefined;
  end: Code | 'done' | undefined;
  dataFrames = 0;
  readonly serving: Serving;
  readonly session: ReceiveSession;
  #entries: Entry[] = [];
  #bytes = 0;

  constructor(catalog: Catalog, password?: string) {
    const source: ServingSource = {
      share,
      name: 'things',
      psk: psk(secret, share, undefined),
      keys,
      catalog,
      provider,
      budget: new Budget(),
    };
    this.serving = new Serving(source, this.channel, {
      event: (event) => this.events.push(event),
      over: (code) => (this.over = { code }),
    });
    const context = {
      share,
      psk: psk(secret, share, password),
      binding: binding(fingerprints.sender, fingerprints.receiver),
    };
    const seed = new Uint8Array(32).fill(9);
    const sender = keys.hash();
    const config = { context, sender, name: 'Ana', seed, listFirst: false, provider };
    this.session = new ReceiveSession(config, performance.now());
    this.serving.begin();
  }

  /** Moves frames in both directions until `isEnough`. */
  async run(isEnough: () => boolean): Promise<void> {
    const end = performance.now() + 30_000;
    while (!isEnough()) {
      expect(performance.now()).toBeLessThan(end);
      this.#hearSender();
      await this.#handleEvents();
      let message = this.session.pollMessage(performance.now());
      while (message !== undefined) {
        this.channel.hear(message);
        message = this.session.pollMessage(performance.now());
      }
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  #hearSender(): void {
    const frame = this.channel.take();
    if (frame === undefined || this.end !== undefined) {
      return;
    }
    this.dataFrames += frame[0] === Kind.Data ? 1 : 0;
    try {
      this.session.handleMessage(frame, performance.now());
    } catch (error) {
      this.end = error instanceof ProtocolError ? error.code : 'interrupted';
    }
  }

  async #handleEvents(): Promise<void> {
    for (let event = this.session.pollEvent(); event; event = this.session.pollEvent()) {
      switch (event.type) {
        case 'page':
          this.#entries.push(...event.entries);
          this.session.handlePlan(
            event.entries.flatMap(({ kind }, at) =>
              kind.type === 'file' && kind.size > 0
                ? [
                    {
                      entry: event.first_entry + at,
                      ranges: [{ start: 0, end: chunkCount(kind.size) }],
                    },
                  ]
                : [],
            ),
          );
          break;
        case 'chunk': {
          const { header } = event.chunk;
          const path = this.#path(header.entry);
          const chunk = await event.chunk.open();
          this.content.set(path, concat(this.content.get(path) ?? new Uint8Array(), chunk));
          this.#bytes += chunk.length;
          this.session.handleProgress(chunk.length, this.#bytes, 0, performance.now());
          break;
        }
        case 'entry_failed':
          this.failed.set(this.#path(event.entry), event.failure);
          break;
        case 'paused':
          this.paused.push(event.paused);
          break;
        case 'all_received':
          this.session.handleAllDurable(this.#bytes, this.#entries.length);
          break;
        case 'done':
          this.end = 'done';
          this.channel.lose();
          break;
        default:
          break;
      }
    }
  }

  #path(entry: number): string {
    return this.#entries[entry]?.path ?? '';
  }
}

function file(name: string, content: Bytes): File {
  const made = new File([content], name, { lastModified: 1 });
  Object.defineProperty(made, 'webkitRelativePath', { value: '' });
  return made;
}

async function listed(items: SourceItem[]): Promise<Catalog> {
  const catalog = new Catalog();
  await walk(items, catalog, new AbortController().signal);
  return catalog;
}

const big = new Uint8Array(5 * CHUNK_SIZE + 7).map((_, at) => at % 241);
const small = new Uint8Array(100).fill(7);

describe('a session at its sender', () => {
  test('sends all of it, and never has more waiting than may', async () => {
    const pair = new Pair(await listed(fromFiles([file('big', big), file('small', small)])));
    await pair.run(() => pair.over !== undefined);
    expect(pair.end).toBe('done');
    expect(pair.over).toEqual({ code: undefined });
    expect(equal(pair.content.get('big') ?? new Uint8Array(), big)).toBe(true);
    expect(pair.content.get('small')).toEqual(small);
    expect(pair.channel.most).toBe(MAX_WAITING);
    expect(pair.events[0]).toEqual({ type: 'opened', name: 'Ana' });
    expect(pair.events.at(-1)).toEqual({
      type: 'done',
      bytes: big.length + small.length,
      entries: 2,
    });
  });

  test('tells of pages that are found later', async () => {
    const catalog = new Catalog();
    const pair = new Pair(catalog);
    // Until the receiver has nothing more to say of its own.
    const turns = vi.fn(() => turns.mock.calls.length > 50);
    await pair.run(turns);
    await walk(fromFiles([file('small', small)]), catalog, new AbortController().signal);
    await pair.run(() => pair.over !== undefined);
    expect(pair.content.get('small')).toEqual(small);
  });

  test('holds content back while it is paused', async () => {
    const pair = new Pair(await listed(fromFiles([file('big', big)])));
    pair.serving.setPaused(true);
    await pair.run(() => pair.paused.length === 1);
    const turns = vi.fn(() => turns.mock.calls.length > 50);
    await pair.run(turns);
    expect(pair.dataFrames).toBe(0);
    pair.serving.setPaused(false);
    await pair.run(() => pair.over !== undefined);
    expect(pair.paused).toEqual([true, false]);
    expect(equal(pair.content.get('big') ?? new Uint8Array(), big)).toBe(true);
  });

  test('lets a receiver go with a word', async () => {
    const pair = new Pair(await listed(fromFiles([file('big', big)])));
    await pair.run(() => pair.dataFrames > 0);
    pair.serving.close('let_go');
    await pair.run(() => pair.over !== undefined);
    expect(pair.end).toBe('let_go');
    expect(pair.over).toEqual({ code: 'let_go' });
  });

  test('passes over a file that was changed', async () => {
    const whole = file('big', big);
    let now = whole;
    const changing: SourceItem = { kind: 'file', name: 'a', open: () => Promise.resolve(now) };
    const pair = new Pair(await listed([changing, ...fromFiles([file('b', small)])]));
    now = new File([big], 'a', { lastModified: 2 });
    await pair.run(() => pair.over !== undefined);
    expect(pair.failed).toEqual(new Map([['a', 'changed']]));
    expect(pair.content.get('b')).toEqual(small);
    expect(pair.events).toContainEqual({ type: 'entry_failed', entry: 0, failure: 'changed' });
  });

  test('refuses another password', async () => {
    const pair = new Pair(await listed(fromFiles([file('small', small)])), 'guess');
    await pair.run(() => pair.over !== undefined);
    expect(pair.end).toBe('link_rejected');
    expect(pair.over).toEqual({ code: 'link_rejected' });
    expect(pair.events).toEqual([]);
  });

  test('ends with what a receiver breaks', async () => {
    const pair = new Pair(await listed(fromFiles([file('small', small)])));
    pair.channel.hear(new Uint8Array());
    await pair.run(() => pair.over !== undefined);
    expect(pair.over).toEqual({ code: 'frame_invalid' });
  });

  test('tells that the channel is gone', async () => {
    const pair = new Pair(await listed(fromFiles([file('big', big)])));
    await pair.run(() => pair.dataFrames > 0);
    pair.channel.lose();
    expect(pair.over).toEqual({ code: 'peer_left' });
  });
});

test('twenty have a quarter of a megabyte each, and one alone no more than one', () => {
  const budget = new Budget();
  expect(budget.share()).toBe(1_048_576);
  const leave = Array.from({ length: 20 }, () => budget.join());
  expect(budget.share()).toBe(262_144);
  leave.push(budget.join());
  expect(budget.share()).toBe(262_144);
  leave.forEach((leave) => {
    leave();
  });
  expect(budget.share()).toBe(1_048_576);
});
