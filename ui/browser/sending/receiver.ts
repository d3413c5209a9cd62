// One receiver at its sender: connects, shakes hands, and serves it until it is done or gone.
import type { Code, Signal } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import type { Key } from '../../protocol/crypto';
import { ProtocolError } from '../../protocol/error';
import { type SenderKeys, binding } from '../../protocol/handshake';
import type { ShareId } from '../../protocol/id';
import type { CryptoProvider } from '../../protocol/provider';
import { type ReadBatch, type SendEvent, SendSession } from '../../protocol/send';
import { after, now } from '../clock';
import { randomBytes } from '../crypto';
import { type Channel, Connection, type PathKind } from '../peer/connection';
import type { IceSource } from '../peer/ice';
import type { Budget } from './budget';
import { type Catalog, CatalogReader } from './catalog';

// For the last word, a goodbye or the answer to Done, to arrive.
const GOODBYE_MS = 1000;
// More than any connection needs; a peer that sends more loses them.
const MAX_EARLY = 64;

/** What all receivers of a share are served from. */
export interface ShareSource {
  readonly share: ShareId;
  readonly name: string;
  readonly psk: Key;
  readonly keys: SenderKeys;
  readonly catalog: Catalog;
  readonly provider: CryptoProvider;
  readonly ice: IceSource;
  readonly budget: Budget;
}

/** What a receiver's connection tells of. */
export interface ReceiverListener {
  /** Takes what the receiver is to be told through the server. */
  say(signal: Signal): void;
  /** It has proved that it holds the link. */
  opened(name: string): void;
  /** Which way its bytes take, a moment later. */
  path(path: PathKind): void;
  /** Bytes that it has, durably; `totalBytes` of what it chose, where known. */
  progress(bytes: number, totalBytes: number | undefined): void;
  /** It has everything. */
  done(bytes: number): void;
  /** The connection is gone; with a code unless the receiver was done. Nothing comes behind it. */
  over(code: Code | undefined): void;
}

/** One connection with one receiver. */
export class ReceiverLink {
  readonly #source: ShareSource;
  readonly #listener: ReceiverListener;
  readonly #reader: CatalogReader;
  readonly #early: Signal[] = [];
  #connection: Connection | undefined;
  #serving: Serving | undefined;
  #paused: boolean;
  #isOver = false;

  /** Whether the receiver has proved that it holds the link. */
  isOpen = false;

  /** Starts to connect. */
  constructor(
    source: ShareSource,
    /** The number that the receiver gave this attempt. */
    readonly attempt: number,
    paused: boolean,
    listener: ReceiverListener,
  ) {
    this.#source = source;
    this.#listener = listener;
    this.#reader = new CatalogReader(source.catalog);
    this.#paused = paused;
    void this.#connect();
  }

  /** Hands on what the receiver said through the server. */
  handleSignal(signal: Signal): void {
    if (this.#connection !== undefined) {
      this.#connection.handleSignal(signal);
    } else if (this.#early.length < MAX_EARLY) {
      this.#early.push(signal);
    }
  }

  /** Holds content back, or lets it flow again. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#serving?.setPaused(paused);
  }

  /** Says goodbye and ends. */
  close(code: Code): void {
    if (this.#serving === undefined) {
      this.#end(code);
    } else {
      this.#serving.close(code);
    }
  }

  /** Ends at once and tells nobody: another connection takes its place. */
  drop(): void {
    this.#isOver = true;
    this.#connection?.close();
    this.#serving?.drop();
  }

  async #connect(): Promise<void> {
    const iceServers = await this.#source.ice.servers();
    if (this.#isOver) {
      return;
    }
    const { budget } = this.#source;
    this.#connection = new Connection({
      role: 'offer',
      attempt: this.attempt,
      iceServers,
      say: (signal) => {
        this.#listener.say(signal);
      },
      maxBuffered: () => budget.share(),
    });
    for (const signal of this.#early.splice(0)) {
      this.#connection.handleSignal(signal);
    }
    try {
      const channel = await this.#connection.opened;
      if (this.#isOver) {
        channel.close();
      } else {
        this.#serve(channel);
      }
    } catch (error) {
      // Perhaps for want of a relay that takes what is known of it.
      this.#source.ice.forget();
      this.#end(error instanceof ProtocolError ? error.code : 'no_connection');
    }
  }

  #serve(channel: Channel): void {
    this.#serving = new Serving(this.#source, channel, this.#reader, {
      event: (event, totalBytes) => {
        this.#tell(channel, event, totalBytes);
      },
      over: (code) => {
        this.#end(code);
      },
    });
    this.#serving.setPaused(this.#paused);
    this.#serving.begin();
  }

  #tell(channel: Channel, event: SendEvent, totalBytes: number | undefined): void {
    if (this.#isOver) {
      return;
    }
    switch (event.type) {
      case 'opened':
        this.isOpen = true;
        this.#listener.opened(event.name);
        void channel.path().then((path) => {
          if (!this.#isOver && path !== undefined) {
            this.#listener.path(path);
          }
        });
        break;
      case 'progress':
        this.#listener.progress(event.durable_bytes, totalBytes);
        break;
      case 'done':
        this.#listener.done(event.bytes);
        break;
      case 'chosen':
      case 'entry_failed':
        break;
    }
  }

  #end(code: Code | undefined): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#connection?.close();
      this.#listener.over(code);
    }
  }
}

interface ServingListener {
  event(event: SendEvent, totalBytes: number | undefined): void;
  over(code: Code | undefined): void;
}

// The session over an open channel. Everything is driven by what happens: a message, room in the channel, a batch that
// was read; the clock is for signs of life only.
class Serving {
  readonly #source: ShareSource;
  readonly #channel: Channel;
  readonly #reader: CatalogReader;
  readonly #listener: ServingListener;
  readonly #session: SendSession;
  readonly #leave: (() => void)[] = [];
  #totalBytes: number | undefined;
  #isOver = false;
  #isWaiting = false;
  #stopTimer: (() => void) | undefined;

  constructor(
    source: ShareSource,
    channel: Channel,
    reader: CatalogReader,
    listener: ServingListener,
  ) {
    this.#source = source;
    this.#channel = channel;
    this.#reader = reader;
    this.#listener = listener;
    const { share, psk, keys, name, provider } = source;
    const { sender, receiver } = channel.fingerprints;
    const context = { share, psk, binding: binding(sender, receiver) };
    const { maxMessage } = channel;
    const config = { context, keys, name, maxMessage, seed: randomBytes(64), provider };
    this.#session = new SendSession(config, now());
  }

  begin(): void {
    const { catalog, budget } = this.#source;
    this.#leave.push(budget.join());
    this.#leave.push(
      catalog.subscribe(() => {
        this.#session.handleTotals(catalog.totals);
        this.#go();
      }),
    );
    this.#channel.listen({
      message: (message) => {
        this.#hear(message);
      },
      change: (change) => {
        if (change === 'lost') {
          this.#finish('peer_left');
        }
      },
    });
    this.#go();
  }

  setPaused(paused: boolean): void {
    this.#session.handlePaused(paused);
    this.#go();
  }

  close(code: Code): void {
    if (!this.#isOver) {
      this.#session.close(code);
      this.#sayGoodbye(code);
    }
  }

  drop(): void {
    this.#rest();
    this.#channel.close();
  }

  #hear(message: Bytes): void {
    if (this.#isOver) {
      return;
    }
    this.#try(() => {
      this.#session.handleMessage(message, now());
      // The handshake may have opened the session: it knows no totals yet.
      this.#session.handleTotals(this.#source.catalog.totals);
    });
    this.#go();
  }

  // Does whatever can be done now.
  #go(): void {
    if (this.#isOver) {
      return;
    }
    this.#tellEvents();
    this.#feedPages();
    this.#try(() => {
      const batch = this.#session.pollRead((entry) => this.#source.catalog.sizeOf(entry));
      if (batch !== undefined) {
        void this.#read(batch);
      }
    });
    this.#send();
    if (this.#session.isDone() && this.#session.nextMessageLen() === undefined) {
      this.#sayGoodbye(undefined);
    }
    this.#watch();
  }

  #feedPages(): void {
    for (;;) {
      const index = this.#session.pollPage();
      const page = index === undefined ? undefined : this.#source.catalog.page(index);
      if (page === undefined) {
        return;
      }
      this.#session.handlePage(page.firstEntry, page.encoded);
    }
  }

  async #read(batch: ReadBatch): Promise<void> {
    try {
      this.#session.handleSealed(await batch.seal((piece) => this.#reader.read(piece)));
    } catch {
      // This page is short of something that the next try may have.
      this.close('peer_left');
    }
    this.#go();
  }

  #send(): void {
    while (this.#session.nextMessageLen() !== undefined) {
      if (!this.#channel.hasRoom()) {
        this.#awaitRoom();
        return;
      }
      const message = this.#session.pollMessage(now());
      if (message !== undefined) {
        this.#channel.send(message);
      }
    }
  }

  #awaitRoom(): void {
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      void this.#channel.room().then(() => {
        this.#isWaiting = false;
        this.#go();
      });
    }
  }

  #tellEvents(): void {
    for (;;) {
      const event = this.#session.pollEvent();
      if (event === undefined) {
        return;
      }
      if (event.type === 'chosen') {
        this.#totalBytes = event.bytes;
      }
      this.#listener.event(event, this.#totalBytes);
    }
  }

  // One timer at a time: what is said and heard meanwhile only moves the next one back.
  #watch(): void {
    const at = this.#session.pollTimeout();
    if (this.#stopTimer === undefined && at !== undefined && !this.#isOver) {
      this.#stopTimer = after(at - now(), () => {
        this.#stopTimer = undefined;
        this.#try(() => {
          this.#session.handleTimeout(now());
        });
        this.#go();
      });
    }
  }

  // An error of the session ends it, after what it has to say of that.
  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      this.#tellEvents();
      this.#sayGoodbye(error.code);
    }
  }

  #sayGoodbye(code: Code | undefined): void {
    if (this.#isOver) {
      return;
    }
    this.#rest();
    void this.#farewell().then(() => {
      this.#channel.close();
      this.#listener.over(code);
    });
  }

  async #farewell(): Promise<void> {
    const end = now() + GOODBYE_MS;
    const isLate = new Promise<void>((resolve) => {
      after(end - now(), resolve);
    });
    // The other side closes when it has heard; what left this page may still be on its way.
    const isLost = new Promise<void>((resolve) => {
      this.#channel.listen({
        message: () => undefined,
        change: (change) => {
          if (change === 'lost') {
            resolve();
          }
        },
      });
    });
    const drain = async (): Promise<void> => {
      while (this.#session.nextMessageLen() !== undefined) {
        await this.#channel.room();
        const message = this.#session.pollMessage(now());
        if (message !== undefined) {
          this.#channel.send(message);
        }
      }
      await isLost;
    };
    await Promise.race([drain(), isLate]);
  }

  #finish(code: Code): void {
    if (!this.#isOver) {
      this.#rest();
      this.#listener.over(code);
    }
  }

  #rest(): void {
    this.#isOver = true;
    this.#stopTimer?.();
    for (const leave of this.#leave.splice(0)) {
      leave();
    }
  }
}
