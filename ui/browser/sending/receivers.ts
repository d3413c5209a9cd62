// The receivers of a share as they are shown, each in its slot. Times are milliseconds since any fixed moment.
import { Flow, secondsLeft } from '../flow';
import type { ReceiverView } from '../page';
import type { PathKind } from '../peer/connection';

// How long one that is done, or that the server no longer knows, stays in view.
const LINGERS_MS = 8_000;

// Connecting -> Active -> Done; Connecting and Active -> Lost -> Connecting or Active.
type Stage = 'connecting' | 'active' | 'lost' | 'done';

interface Receiver {
  readonly peer: string;
  readonly slot: number;
  name: string | null;
  stage: Stage;
  paused: boolean;
  path: PathKind | null;
  /** Bytes durable there, once known. */
  bytes: number | undefined;
  total: number | null;
  flow: Flow;
  /** When it goes from view, unless it is heard of before: its slot is free. */
  gone: number | undefined;
}

/** Those in slots, by slot. */
export class Receivers {
  #all: Receiver[] = [];

  /** One takes the lowest slot that is free. */
  join(peer: string, slots: number): void {
    const known = this.#get(peer);
    if (known !== undefined) {
      known.gone = undefined;
      known.stage = known.stage === 'done' ? 'connecting' : known.stage;
      return;
    }
    if (this.#lowestFree() >= slots) {
      // One that is still looked at makes room.
      const leaving = this.#all.filter(({ gone }) => gone !== undefined);
      const [oldest] = leaving.sort((a, b) => (a.gone ?? 0) - (b.gone ?? 0));
      this.#all = this.#all.filter((receiver) => receiver !== oldest);
    }
    this.#add(peer);
  }

  /** One has proved that it holds the link. */
  connect(peer: string, name: string): void {
    const receiver = this.#getOrAdd(peer);
    receiver.name = name;
    receiver.stage = 'active';
    receiver.gone = undefined;
  }

  /** Which way its bytes take. */
  setPath(peer: string, path: PathKind): void {
    const receiver = this.#get(peer);
    if (receiver !== undefined) {
      receiver.path = path;
    }
  }

  /** One has so many bytes; how many of them are new. */
  progress(peer: string, bytes: number, total: number | undefined, now: number): number {
    const receiver = this.#getOrAdd(peer);
    receiver.total = total ?? receiver.total;
    receiver.stage = receiver.stage === 'done' ? 'done' : 'active';
    if (receiver.gone !== undefined) {
      receiver.gone = now + LINGERS_MS;
    }
    // What was there before it asked has not moved today.
    receiver.bytes ??= bytes;
    const fresh = Math.max(0, bytes - receiver.bytes);
    receiver.bytes += fresh;
    receiver.flow.handleBytes(fresh, now);
    return fresh;
  }

  /** One has everything: how many of the bytes are new, and whether that is news. */
  finish(peer: string, bytes: number): { fresh: number; isNews: boolean } {
    const receiver = this.#getOrAdd(peer);
    const fresh = Math.max(0, bytes - (receiver.bytes ?? 0));
    const isNews = receiver.stage !== 'done';
    receiver.bytes = bytes;
    receiver.total = bytes;
    receiver.stage = 'done';
    return { fresh, isNews };
  }

  /** The connection of one is gone. */
  lose(peer: string, now: number): void {
    const receiver = this.#get(peer);
    if (receiver === undefined || receiver.stage === 'done') {
      return;
    }
    receiver.stage = 'lost';
    receiver.flow = new Flow();
    receiver.gone = receiver.gone === undefined ? undefined : now;
    this.handleTime(now);
  }

  /** The slot of one is free; what it still says is heard. */
  leave(peer: string, now: number): void {
    const receiver = this.#get(peer);
    if (receiver !== undefined) {
      const lingers = receiver.stage === 'active' || receiver.stage === 'done';
      receiver.gone = lingers ? now + LINGERS_MS : now;
      this.handleTime(now);
    }
  }

  /** Lets time pass. */
  handleTime(now: number): void {
    this.#all = this.#all.filter(({ gone }) => gone === undefined || gone > now);
    for (const { flow } of this.#all) {
      flow.handleTime(now);
    }
  }

  /** Pauses one. */
  pause(peer: string, paused: boolean): void {
    const receiver = this.#get(peer);
    if (receiver !== undefined) {
      receiver.paused = paused;
    }
  }

  /** Whether anyone is there who is not done. */
  isBusy(): boolean {
    return this.#all.some(({ stage }) => stage === 'active' || stage === 'connecting');
  }

  /** Whether anyone is shown: time alone changes that. */
  isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** All of them, to be drawn; `paused` says that nothing flows to anyone. */
  views(paused: boolean, now: number): ReceiverView[] {
    return this.#all.map(({ peer, name, stage, path, bytes = 0, total, flow, ...receiver }) => {
      const rate = Math.round(flow.rate(now));
      return {
        peer,
        name,
        at: stage === 'active' && (paused || receiver.paused) ? 'paused' : stage,
        path,
        bytes,
        totalBytes: total,
        rate,
        secondsLeft: total === null ? null : secondsLeft(total - bytes, rate),
      };
    });
  }

  #get(peer: string): Receiver | undefined {
    return this.#all.find((receiver) => receiver.peer === peer);
  }

  // The server may be late to tell of one, or early to tell that it left.
  #getOrAdd(peer: string): Receiver {
    return this.#get(peer) ?? this.#add(peer);
  }

  #lowestFree(): number {
    const taken = new Set(this.#all.map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) {
      slot += 1;
    }
    return slot;
  }

  #add(peer: string): Receiver {
    const receiver: Receiver = {
      peer,
      slot: this.#lowestFree(),
      name: null,
      stage: 'connecting',
      paused: false,
      path: null,
      bytes: undefined,
      total: null,
      flow: new Flow(),
      gone: undefined,
    };
    this.#all = [...this.#all, receiver].sort((a, b) => a.slot - b.slot);
    return receiver;
  }
}
