// One receiver's session at its sender, from the opening of the channel to the last word.
import type { Code } from '../../protocol/bindings';
import type { Bytes } from '../../protocol/bytes';
import type { Key } from '../../protocol/crypto';
import { ProtocolError } from '../../protocol/error';
import { type SenderKeys, binding } from '../../protocol/handshake';
import type { ShareId } from '../../protocol/id';
import type { CryptoProvider } from '../../protocol/provider';
import { type ReadBatch, type SendEvent, SendSession } from '../../protocol/send';
import { after, now } from '../clock';
import { randomBytes } from '../crypto';
import type { Channel } from '../peer/connection';
import type { Budget } from './budget';
import { type Catalog, CatalogReader } from './catalog';

// For the last word, a goodbye or the answer to Done, to arrive.
const GOODBYE_MS = 1000;

/** What all receivers of a share are served from. */
export interface ServingSource {
  readonly share: ShareId;
  readonly name: string;
  readonly psk: Key;
  readonly keys: SenderKeys;
  readonly catalog: Catalog;
  readonly provider: CryptoProvider;
  readonly budget: Budget;
}

/** Who hears of what comes of it. */
export interface ServingListener {
  event(event: SendEvent, totalBytes: number | undefined): void;
  /** Once, at its end; with a code unless the receiver was done. */
  over(code: Code | undefined): void;
}

/**
 * A session over an open channel. Everything is driven by what happens: a message, room in the channel, a batch that was
 * read; the clock is for signs of life only.
 */
export class Serving {
  readonly #source: ServingSource;
  readonly #channel: Channel;
  readonly #reader: CatalogReader;
  readonly #listener: ServingListener;
  readonly #session: SendSession;
  readonly #leave: (() => void)[] = [];
  #totalBytes: number | undefined;
  #isOver = false;
  #isWaiting = false;
  #stopTimer: (() => void) | undefined;

  constructor(source: ServingSource, channel: Channel, listener: ServingListener) {
    this.#source = source;
    this.#channel = channel;
    this.#reader = new CatalogReader(source.catalog);
    this.#listener = listener;
    const { share, psk, keys, name, provider } = source;
    const { sender, receiver } = channel.fingerprints;
    const context = { share, psk, binding: binding(sender, receiver) };
    const { maxMessage } = channel;
    const config = { context, keys, name, maxMessage, seed: randomBytes(64), provider };
    this.#session = new SendSession(config, now());
  }

  /** Starts to listen. */
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

  /** Holds content back, or lets it flow again. */
  setPaused(paused: boolean): void {
    this.#session.handlePaused(paused);
    this.#go();
  }

  /** Says goodbye and ends. */
  close(code: Code): void {
    if (!this.#isOver) {
      this.#session.close(code);
      this.#sayGoodbye(code);
    }
  }

  /** Ends at once and tells nobody. */
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
