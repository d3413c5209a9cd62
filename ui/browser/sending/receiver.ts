// One receiver at its sender: connects, shakes hands, and serves it until it is done or gone.
import type { Code, Signal } from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import type { SendEvent } from '../../protocol/send';
import { type Channel, Connection, type PathKind } from '../peer/connection';
import type { IceSource } from '../peer/ice';
import { Serving, type ServingSource } from './serving';

// More than any connection needs; a peer that sends more loses them.
const MAX_EARLY = 64;

/** What all receivers of a share are connected and served with. */
export interface ShareSource extends ServingSource {
  readonly ice: IceSource;
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
    this.#serving = new Serving(this.#source, channel, {
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
