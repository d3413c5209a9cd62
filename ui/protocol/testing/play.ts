// Makes the calls of a recorded session on a session of ours, for tests: each must come to what was recorded.
import { sha256 } from '@noble/hashes/sha2.js';
import { expect } from 'vitest';
import type { Code, Totals, Want } from '../bindings';
import type { Bytes } from '../bytes';
import { Key } from '../crypto';
import { ProtocolError } from '../error';
import { SenderKeys } from '../handshake';
import type { CryptoProvider } from '../provider';
import { type ReceiveEvent, ReceiveSession } from '../receive';
import { SendSession } from '../send';
import { bytes, hex, share } from './vectors';

type FrameValue = { hex: string } | { len: number; sha256: string };

type Call =
  | { call: 'start' | 'choice' | 'timeout' }
  | { call: 'message'; frame: FrameValue }
  | { call: 'totals'; totals: Totals }
  | { call: 'page'; first_entry: number; encoded: string }
  | { call: 'plan'; wants: Want[] }
  | { call: 'chosen'; bytes: number; entries: number }
  | { call: 'read'; changed: number[] }
  | { call: 'read_and_close'; changed: number[]; reason: Code }
  | { call: 'progress'; written: number; bytes: number; entries: number }
  | { call: 'paused'; paused: boolean }
  | { call: 'all_durable'; bytes: number; entries: number }
  | { call: 'close'; reason: Code };

/** One call of a driver, and what came of it. */
export type Step = Call & {
  side: 'receiver' | 'sender';
  now: number;
  code: Code | null;
  events: unknown[];
  frames: FrameValue[];
  timeout: number | null;
};

/** What was recorded of one session. */
export interface Recorded {
  name: string;
  list_first: boolean;
  max_message: number;
  steps: Step[];
}

/** All that the recorded sessions share. */
export interface Recording {
  share: string;
  psk: string;
  binding: string;
  sender_private: string;
  sender_hash: string;
  receiver: { name: string; seed: string };
  sender: { name: string; seed: string };
  sizes: number[];
  sessions: Recorded[];
}

/** Makes every call of `recorded`, in its order. */
export async function play(
  recording: Recording,
  recorded: Recorded,
  provider: CryptoProvider,
): Promise<void> {
  const player = new Player(recording, recorded, provider);
  for (const [at, step] of recorded.steps.entries()) {
    const where = `${recorded.name}, step ${at.toString()}: ${step.side} ${step.call}`;
    expect(await player.play(step), where).toEqual({
      code: step.code,
      events: step.events,
      frames: step.frames,
      timeout: step.timeout,
    });
  }
}

class Player {
  readonly #receiver: ReceiveSession;
  readonly #sender: SendSession;
  // Long frames stand in the recording as their hashes only: they are taken from the side that made them.
  readonly #made = new Map<string, Bytes>();

  constructor(
    private readonly recording: Recording,
    recorded: Recorded,
    provider: CryptoProvider,
  ) {
    const context = {
      share: share(recording.share),
      psk: new Key(bytes(recording.psk)),
      binding: bytes(recording.binding),
    };
    const receive = {
      context,
      sender: bytes(recording.sender_hash),
      name: recording.receiver.name,
      seed: bytes(recording.receiver.seed),
      listFirst: recorded.list_first,
      provider,
    };
    const send = {
      context,
      keys: new SenderKeys(bytes(recording.sender_private)),
      name: recording.sender.name,
      maxMessage: recorded.max_message,
      seed: bytes(recording.sender.seed),
      provider,
    };
    this.#receiver = new ReceiveSession(receive, 0);
    this.#sender = new SendSession(send, 0);
  }

  async play(step: Step): Promise<Pick<Step, 'code' | 'events' | 'frames' | 'timeout'>> {
    const code = await refusal(() =>
      step.side === 'receiver' ? this.#receive(step) : this.#send(step),
    );
    const session = step.side === 'receiver' ? this.#receiver : this.#sender;
    const events: unknown[] = [];
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      events.push(await told(event as ReceiveEvent));
    }
    const frames: FrameValue[] = [];
    for (let length = session.nextMessageLen(); length !== undefined;) {
      const frame = session.pollMessage(step.now);
      expect(frame?.length).toBe(length);
      frames.push(this.#note(frame ?? new Uint8Array()));
      length = session.nextMessageLen();
    }
    return { code, events, frames, timeout: session.pollTimeout() ?? null };
  }

  #note(frame: Bytes): FrameValue {
    if (frame.length <= 400) {
      return { hex: hex(frame) };
    }
    const hash = hex(sha256(frame));
    this.#made.set(hash, frame);
    return { len: frame.length, sha256: hash };
  }

  #frame(value: FrameValue): Bytes {
    const frame = 'hex' in value ? bytes(value.hex) : this.#made.get(value.sha256);
    if (frame === undefined) {
      throw new Error('no side has made this frame');
    }
    return frame;
  }

  #receive(step: Step): void {
    switch (step.call) {
      case 'start':
        return;
      case 'message':
        this.#receiver.handleMessage(this.#frame(step.frame), step.now);
        return;
      case 'plan':
        this.#receiver.handlePlan(step.wants);
        return;
      case 'chosen':
        this.#receiver.handleChosen(step.bytes, step.entries);
        return;
      case 'choice':
        this.#receiver.handleChoice();
        return;
      case 'progress':
        this.#receiver.handleProgress(step.written, step.bytes, step.entries, step.now);
        return;
      case 'all_durable':
        this.#receiver.handleAllDurable(step.bytes, step.entries);
        return;
      case 'timeout':
        this.#receiver.handleTimeout(step.now);
        return;
      case 'close':
        this.#receiver.close(step.reason);
        return;
      default:
        throw new Error(`a receiver has no ${step.call}`);
    }
  }

  async #send(step: Step): Promise<void> {
    switch (step.call) {
      case 'message':
        this.#sender.handleMessage(this.#frame(step.frame), step.now);
        return;
      case 'totals':
        this.#sender.handleTotals(step.totals);
        return;
      case 'page':
        expect(this.#sender.pollPage()).toBeDefined();
        this.#sender.handlePage(step.first_entry, bytes(step.encoded));
        return;
      case 'paused':
        this.#sender.handlePaused(step.paused);
        return;
      case 'read':
        await this.#read(step.changed);
        return;
      case 'read_and_close':
        await this.#read(step.changed);
        this.#sender.close(step.reason);
        return;
      case 'timeout':
        this.#sender.handleTimeout(step.now);
        return;
      default:
        throw new Error(`a sender has no ${step.call}`);
    }
  }

  async #read(changed: number[]): Promise<void> {
    const batch = this.#sender.pollRead((entry) => this.recording.sizes[entry]);
    if (batch === undefined) {
      return;
    }
    const sealed = await batch.seal(({ entry, chunk, len }) => {
      const byte = (_: unknown, at: number): number => (entry + chunk * 262_144 + at) % 251;
      return Promise.resolve(
        changed.includes(entry) ? 'changed' : Uint8Array.from({ length: len }, byte),
      );
    });
    this.#sender.handleSealed(sealed);
  }
}

async function refusal(act: () => void | Promise<void>): Promise<Code | null> {
  try {
    await act();
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) {
      return error.code;
    }
    throw error;
  }
}

async function told(event: ReceiveEvent): Promise<unknown> {
  switch (event.type) {
    case 'page':
    case 'listed': {
      const { entries, ...rest } = event;
      return { ...rest, paths: entries.map((entry) => entry.path) };
    }
    case 'chunk': {
      const { header, lastOfEntry: last } = event.chunk;
      let opened: string | null = null;
      expect(
        await refusal(async () => {
          opened = hex(sha256(await event.chunk.open()));
        }),
      ).toBe(opened === null ? 'chunk_forged' : null);
      return { type: 'chunk', ...header, last, sha256: opened };
    }
    default:
      return event;
  }
}
