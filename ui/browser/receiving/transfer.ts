// One connection of a download: the receiving session, its channel and the destination, joined.
import type { Entry, Want } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import type { Key } from '../../protocol/crypto';
import { ProtocolError } from '../../protocol/error';
import { binding } from '../../protocol/handshake';
import type { Link } from '../../protocol/link';
import { type ReceiveEvent, ReceiveSession, type SealedChunk } from '../../protocol/receive';
import { contentProvider, randomBytes } from '../crypto';
import type { Change, Channel } from '../peer/connection';
import type { Destination, SavingReport } from '../save/destination';
import { Count } from './count';
import type { DownloadEvent } from './event';

const GOODBYE_MS = 1_000;
// How long the sender's "heard" is worth waiting for, once everything is durable: a packet that is lost here is sent
// again after 1 to 3 s (RFC 9260 §6.3.1), and once more after twice that.
const LAST_WORD_MS = 10_000;
// A sender that is there says something every five seconds at least; on a line that brought something a moment ago
// nothing is taken for dead.
const QUIET_MS = 4_000;
// A timer that is so late was held up with the whole page: what came meanwhile is heard first.
const LATE_MS = 2_000;
const SECOND_CHANCE_MS = 250;

/** Where a download goes, once the person has said so. */
export interface Target {
  destination: Destination;
  /** Whether the entry at a path is chosen. */
  takes: (path: string) => boolean;
  /** What is chosen of a share that was listed to its end. */
  counted: { bytes: number; entries: number } | undefined;
}

/** What a transfer is made from. */
export interface TransferOptions {
  link: Link;
  psk: Key;
  /** What the sender may show of this receiver. */
  name: string;
  /** Without one the share is listed. */
  target: Target | undefined;
  /** Whether the sender is at the server. */
  isSenderHere: boolean;
}

/** What it tells. */
export type TransferEvent =
  | DownloadEvent
  /** The manifest is complete and was told to its end; nothing is chosen yet. */
  | { type: 'all_listed' };

/** Why a transfer is over. */
export type Stop =
  /** Everything chosen is in its place. */
  | { type: 'finished'; report: SavingReport }
  /** The connection is lost, or one of the two has refused what the other said. */
  | { type: 'lost'; error: ProtocolError }
  /** The sender has come back to the server while nothing came from it here: it is another run of it. */
  | { type: 'replaced' }
  /** The destination takes nothing more. */
  | { type: 'failed'; error: ProtocolError }
  /** This side has ended it. */
  | { type: 'stopped' };

/** A connection whose channel is open. */
export class Transfer {
  /** Why it is over, once nothing of it goes on any more. */
  readonly ended: Promise<Stop>;
  /** Whether the sender was the right one. */
  isOpened = false;
  readonly #channel: Channel;
  readonly #tell: (event: TransferEvent) => void;
  readonly #session: ReceiveSession;
  #target: Target | undefined;
  #resolve: (stop: Stop) => void = () => undefined;
  #isOver = false;
  // Everything has come: the connection is only good for the last word.
  #isFinishing = false;
  #isMute = false;
  #report: SavingReport | undefined;
  // What the destination is asked for, one thing after the other: pages, and the content of those that are planned.
  #plans: Promise<void> = Promise.resolve();
  #content: Promise<void> = Promise.resolve();
  readonly #writes = new Set<Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #wordTimer: ReturnType<typeof setTimeout> | undefined;
  #replacedTimer: ReturnType<typeof setTimeout> | undefined;
  #heardAt = performance.now();
  #isInterrupted = false;
  #sender: 'here' | 'away' | 'back';
  readonly #count = new Count();

  /** Begins at once. */
  constructor(options: TransferOptions, channel: Channel, tell: (event: TransferEvent) => void) {
    const { link, psk, name, target, isSenderHere } = options;
    const { sender, receiver } = channel.fingerprints;
    this.#channel = channel;
    this.#tell = tell;
    this.#target = target;
    this.#count.handleCounted(target?.counted);
    this.#sender = isSenderHere ? 'here' : 'away';
    this.ended = new Promise<Stop>((resolve) => {
      this.#resolve = resolve;
    });
    this.#session = new ReceiveSession(
      {
        context: { share: link.share, psk, binding: binding(sender, receiver) },
        sender: link.sender,
        name,
        seed: randomBytes(32),
        listFirst: target === undefined,
        provider: contentProvider(),
      },
      performance.now(),
    );
    channel.listen({
      message: (message) => {
        this.#handleMessage(message);
      },
      change: (change) => {
        this.#handleChange(change);
      },
    });
    this.#drain();
  }

  /** Goes on with what is chosen. */
  choose(target: Target): void {
    if (!this.#isOver) {
      this.#target = target;
      this.#count.handleCounted(target.counted);
      this.#session.handleChoice();
      this.#drain();
    }
  }

  /** The server says that the sender is there, or is not. */
  handleSender(isHere: boolean): void {
    if (!isHere) {
      this.#sender = 'away';
    } else if (this.#sender === 'away') {
      this.#sender = 'back';
    }
    this.#checkReplaced();
  }

  /** Ends it from this side, with a reason for the other. What has all come is still put in its place. */
  stop(code: ProtocolError['code']): void {
    if (this.#isFinishing) {
      this.#lose(new ProtocolError(code));
    } else if (!this.#isOver) {
      this.#session.close(code);
      this.#end({ type: 'stopped' });
    }
  }

  #handleMessage(message: Bytes): void {
    if (this.#isOver || this.#isMute) {
      return;
    }
    this.#heardAt = performance.now();
    try {
      this.#session.handleMessage(message, this.#heardAt);
    } catch (error) {
      this.#lose(error);
      return;
    }
    this.#drain();
  }

  #handleChange(change: Change): void {
    if (change === 'lost') {
      this.#lose(new ProtocolError('peer_left', 'the connection is gone'));
      return;
    }
    this.#isInterrupted = change === 'interrupted';
    this.#checkReplaced();
  }

  #checkReplaced(): void {
    clearTimeout(this.#replacedTimer);
    if (this.#isInterrupted && this.#sender === 'back' && !this.#isOver) {
      const quiet = performance.now() - this.#heardAt;
      if (quiet >= QUIET_MS) {
        this.#end({ type: 'replaced' });
      } else {
        this.#replacedTimer = setTimeout(() => {
          this.#checkReplaced();
        }, QUIET_MS - quiet);
      }
    }
  }

  // Does all that the session asks for.
  #drain(): void {
    let event = this.#session.pollEvent();
    while (event !== undefined && !this.#isOver) {
      this.#handleEvent(event);
      event = this.#session.pollEvent();
    }
    this.#speak();
    this.#handleTime();
  }

  #speak(): void {
    while (this.#session.nextMessageLen() !== undefined) {
      if (!this.#channel.hasRoom()) {
        void this.#channel.room().then(() => {
          // A channel that is closing has no room any more, and tells so by itself.
          if (this.#channel.hasRoom() && !this.#isOver) {
            this.#speak();
          }
        });
        return;
      }
      const frame = this.#session.pollMessage(performance.now());
      if (frame !== undefined) {
        this.#channel.send(frame);
      }
    }
  }

  // Timers of a page out of sight are late, so whatever happens looks at the time as well.
  #handleTime(): void {
    const due = this.#session.pollTimeout();
    if (this.#isOver || this.#isMute || due === undefined) {
      return;
    }
    const now = performance.now();
    if (now < due) {
      if (due < this.#timerAt) {
        this.#setTimer(due, due - now);
      }
      return;
    }
    try {
      this.#session.handleTimeout(now);
    } catch (error) {
      this.#lose(error);
      return;
    }
    this.#speak();
    const next = this.#session.pollTimeout();
    if (next !== undefined) {
      this.#setTimer(next, Math.max(next - now, 0));
    }
  }

  #setTimer(at: number, delay: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timerAt = Number.POSITIVE_INFINITY;
      if (performance.now() - at >= LATE_MS) {
        this.#setTimer(performance.now() + SECOND_CHANCE_MS, SECOND_CHANCE_MS);
      } else {
        this.#handleTime();
      }
    }, delay);
  }

  #handleEvent(event: ReceiveEvent): void {
    switch (event.type) {
      case 'opened':
        this.isOpened = true;
        this.#tell({ type: 'opened', name: event.name, listing: this.#target === undefined });
        void this.#tellPath();
        break;
      case 'totals':
        this.#count.handleTotals(event.totals);
        this.#tell(event);
        break;
      case 'listed':
        this.#tell(event);
        break;
      case 'all_listed':
        this.#tell({ type: 'all_listed' });
        break;
      case 'paused':
        this.#tell({ type: 'paused_by_sender', paused: event.paused });
        break;
      case 'page':
        this.#plan(event.first_entry, event.entries);
        break;
      case 'chunk':
        this.#write(event.chunk);
        break;
      case 'entry_failed':
        this.#queue(async ({ destination }) => {
          this.#count.handleWritten(event.entry, true);
          await destination.fail(event.entry, event.failure);
        });
        break;
      case 'all_received':
        void this.#finish();
        break;
      case 'done':
        this.#end({ type: 'stopped' });
    }
  }

  async #tellPath(): Promise<void> {
    const path = await this.#channel.path();
    if (path !== undefined && !this.#isOver) {
      this.#tell({ type: 'path', path });
    }
  }

  #plan(firstEntry: number, entries: readonly Entry[]): void {
    this.#plans = this.#plans.then(async () => {
      const target = this.#target;
      if (this.#isOver || target === undefined) {
        return;
      }
      try {
        const wants = await target.destination.plan(firstEntry, entries);
        this.#handlePlanned(target, firstEntry, entries, wants);
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #handlePlanned(
    target: Target,
    firstEntry: number,
    entries: readonly Entry[],
    wants: readonly Want[],
  ): void {
    if (this.#isOver) {
      return;
    }
    this.#count.handlePlanned(firstEntry, entries, target.takes, wants);
    this.#session.handlePlan(wants);
    this.#session.handleChosen(this.#count.total('bytes'), this.#count.total('entries'));
    this.#tellProgress();
    this.#drain();
  }

  #write(chunk: SealedChunk): void {
    const { header, lastOfEntry } = chunk;
    this.#count.handleReceived(header.len);
    // Opened at once, several beside each other, and written in their order.
    const opening = chunk.open();
    opening.catch(() => undefined);
    this.#queue(async ({ destination }) => {
      const plain = await opening.catch((error: unknown) => {
        throw new Unopened(error);
      });
      if (this.#isOver) {
        return;
      }
      const writing = destination.write(header, plain, lastOfEntry).then(
        () => {
          this.#handleWritten(header.entry, header.len, lastOfEntry);
        },
        (error: unknown) => {
          this.#fail(error);
        },
      );
      this.#writes.add(writing);
      void writing.then(() => this.#writes.delete(writing));
    });
  }

  #queue(work: (target: Target) => Promise<void>): void {
    this.#content = this.#content.then(async () => {
      if (this.#isOver || this.#target === undefined) {
        return;
      }
      try {
        await work(this.#target);
      } catch (error) {
        if (error instanceof Unopened) {
          const code = error.why instanceof ProtocolError ? error.why.code : 'interrupted';
          this.#session.close(code);
          this.#lose(new ProtocolError(code));
        } else {
          this.#fail(error);
        }
      }
    });
  }

  #handleWritten(entry: number, length: number, isLast: boolean): void {
    const target = this.#target;
    if (this.#isOver || target === undefined) {
      return;
    }
    this.#count.handleWritten(entry, isLast);
    const { bytes, entries } = target.destination.durable();
    this.#session.handleProgress(length, bytes, entries, performance.now());
    this.#tellProgress();
    this.#speak();
    this.#handleTime();
  }

  async #finish(): Promise<void> {
    await this.#plans;
    await this.#content;
    await Promise.all(this.#writes);
    const target = this.#target;
    if (this.#isOver || target === undefined) {
      return;
    }
    this.#isFinishing = true;
    this.#tell({ type: 'finishing' });
    try {
      this.#report = await target.destination.finish();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#count.handleEnd();
    this.#tellProgress();
    if (this.#isOver || this.#isMute) {
      this.#end({ type: 'stopped' });
      return;
    }
    this.#wordTimer = setTimeout(() => {
      this.#end({ type: 'stopped' });
    }, LAST_WORD_MS);
    const { bytes, entries } = this.#count.chosen;
    this.#session.handleAllDurable(bytes, entries);
    this.#drain();
  }

  #tellProgress(): void {
    const target = this.#target;
    if (target !== undefined && this.#count.pages > 0) {
      this.#tell({
        type: 'progress',
        progress: this.#count.progress(target.destination.durable()),
      });
    }
  }

  #lose(thrown: unknown): void {
    const error =
      thrown instanceof ProtocolError ? thrown : new ProtocolError('interrupted', String(thrown));
    this.#end({ type: 'lost', error });
  }

  #fail(thrown: unknown): void {
    const error =
      thrown instanceof ProtocolError ? thrown : new ProtocolError('disk_failed', String(thrown));
    if (!this.#isOver) {
      this.#session.close(error.code);
      this.#end({ type: 'failed', error });
    }
  }

  #end(stop: Stop): void {
    if (this.#isOver) {
      return;
    }
    const isConnections = stop.type === 'lost' || stop.type === 'replaced';
    if (this.#isFinishing && this.#report === undefined && isConnections) {
      // Everything is here, and will be in its place: no connection is needed for that.
      this.#isMute = true;
      this.#channel.close();
      return;
    }
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#wordTimer);
    clearTimeout(this.#replacedTimer);
    void this.#close().then(() => {
      this.#resolve(this.#report === undefined ? stop : { type: 'finished', report: this.#report });
    });
  }

  // Says goodbye, and waits for what the destination was already asked for: the next session plans anew behind that.
  async #close(): Promise<void> {
    this.#speak();
    const limit = new Promise((resolve) => {
      setTimeout(resolve, GOODBYE_MS);
    });
    await Promise.race([this.#channel.flushed(), limit]);
    this.#channel.close();
    await this.#plans;
    await this.#content;
    await Promise.all(this.#writes);
  }
}

// A chunk that could not be opened, which is not the destination's fault.
class Unopened extends Error {
  constructor(readonly why: unknown) {
    super('a chunk could not be opened');
  }
}
