// Chunks on their way out of the source: read, sealed and cut into frames, one batch at a time.
import { type EntryFailure, type Piece, type RecordHeader, TAG_LEN } from '../bindings';
import type { Bytes } from '../bytes';
import { FileCipher, type Key } from '../crypto';
import { Kind, headerBytes } from '../frame';
import type { CryptoProvider } from '../provider';

/** A frame, or an entry of which no more comes. */
export type Part = { frame: Bytes } | { entry: number; failure: EntryFailure };

/** A batch that was read and sealed. */
export interface SealedBatch {
  readonly request: number;
  /** Bytes of content in it. */
  readonly plaintext: number;
  readonly parts: readonly Part[];
}

/** Chunks to be read, sealed and handed back, one batch at a time. */
export class ReadBatch {
  constructor(
    private readonly provider: CryptoProvider,
    private readonly session: Key,
    private readonly request: number,
    /** What is to be read, in order. */
    readonly pieces: readonly Piece[],
    private readonly maxMessage: number,
  ) {}

  /** Plaintext bytes of the whole batch. */
  get length(): number {
    return this.pieces.reduce((length, piece) => length + piece.len, 0);
  }

  /**
   * Reads every piece through `read`, several at once, seals it, and cuts the records into frames.
   *
   * An entry for which `read` gives a failure, or another length than was asked for, is left out from there on.
   */
  async seal(read: (piece: Piece) => Promise<Bytes | EntryFailure>): Promise<SealedBatch> {
    const chunks = await Promise.all(this.pieces.map(read));
    const steps: (Promise<Part | Record> | Part)[] = [];
    let cipher: { entry: number; cipher: FileCipher } | undefined;
    let failed: number | undefined;
    let plaintext = 0;
    for (const [at, piece] of this.pieces.entries()) {
      const chunk = chunks[at];
      if (failed === piece.entry || chunk === undefined) {
        continue;
      }
      if (typeof chunk === 'string' || chunk.length !== piece.len) {
        failed = piece.entry;
        const failure = typeof chunk === 'string' ? chunk : 'changed';
        steps.push({ entry: piece.entry, failure });
        continue;
      }
      if (cipher?.entry !== piece.entry) {
        const made = new FileCipher(this.provider, this.session, this.request, piece.entry);
        cipher = { entry: piece.entry, cipher: made };
      }
      const sealed = cipher.cipher.seal(piece, chunk);
      steps.push(sealed.then((sealed) => ({ header: piece, sealed })));
      plaintext += piece.len;
    }
    const cutter = new FrameCutter(this.maxMessage, plaintext + steps.length * (TAG_LEN + 12));
    for (const step of await Promise.all(steps)) {
      if ('header' in step) {
        cutter.write(headerBytes(step.header));
        cutter.write(step.sealed);
      } else {
        cutter.fail(step);
      }
    }
    return { request: this.request, plaintext, parts: cutter.finish() };
  }
}

interface Record {
  header: RecordHeader;
  sealed: Bytes;
}

class FrameCutter {
  readonly #parts: Part[] = [];
  #frame: Bytes | undefined;
  #filled = 0;

  constructor(
    private readonly maxMessage: number,
    // Bytes of records that are still to come, so that a short batch takes no long frame.
    private left: number,
  ) {}

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#frame === undefined) {
        this.#frame = new Uint8Array(Math.min(this.maxMessage, this.left + 1));
        this.#frame[0] = Kind.Data;
        this.#filled = 1;
      }
      const now = bytes.subarray(at, at + this.#frame.length - this.#filled);
      this.#frame.set(now, this.#filled);
      this.#filled += now.length;
      this.left -= now.length;
      at += now.length;
      if (this.#filled === this.#frame.length) {
        this.#flush();
      }
    }
  }

  fail(part: Part): void {
    this.#flush();
    this.#parts.push(part);
  }

  finish(): Part[] {
    this.#flush();
    return this.#parts;
  }

  #flush(): void {
    if (this.#frame !== undefined) {
      this.#parts.push({ frame: this.#frame.subarray(0, this.#filled) });
      this.#frame = undefined;
    }
  }
}
