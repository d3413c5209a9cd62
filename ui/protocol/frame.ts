// Frames: the messages on the data channel, and the stream of chunk records that data frames carry.
import { CHUNK_SIZE, HEADER_LEN, MAX_MESSAGE_LEN, type RecordHeader, TAG_LEN } from './bindings';
import { type Bytes, concat } from './bytes';
import { ProtocolError } from './error';

/** What a frame carries: the byte that it starts with. */
export const Kind = {
  /** A Noise handshake message. */
  Handshake: 1,
  /** A control message, sealed as a Noise transport message. */
  Control: 2,
  /** A piece of the record stream. */
  Data: 3,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** How many chunks a file of `size` bytes has; an empty file has none. */
export function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_SIZE);
}

/** The plaintext length, in bytes, of chunk `index` of a file of `size` bytes; 0 past its end. */
export function chunkLen(size: number, index: number): number {
  return Math.min(Math.max(size - index * CHUNK_SIZE, 0), CHUNK_SIZE);
}

/** Splits a message into its kind and body; the body is a view. */
export function parse(message: Uint8Array): { kind: Kind; body: Uint8Array } {
  const kind = message[0];
  const known = kind === Kind.Handshake || kind === Kind.Control || kind === Kind.Data;
  if (!known || message.length > MAX_MESSAGE_LEN) {
    throw new ProtocolError('frame_invalid', 'a message is not a frame');
  }
  return { kind, body: message.subarray(1) };
}

/** Puts the kind before `body`. */
export function build(kind: Kind, body: Uint8Array): Bytes {
  return concat(Uint8Array.of(kind), body);
}

/** What stands before every chunk, and is authenticated with it: three little-endian `u32`. */
export function headerBytes(header: RecordHeader): Bytes {
  const out = new DataView(new ArrayBuffer(HEADER_LEN));
  out.setUint32(0, header.entry, true);
  out.setUint32(4, header.chunk, true);
  out.setUint32(8, header.len, true);
  return new Uint8Array(out.buffer);
}

/** A record as it came: not yet authenticated. */
export interface Record {
  /** What it claims to be. */
  header: RecordHeader;
  /** Ciphertext and tag. */
  sealed: Bytes;
}

/** The body of a data frame, and how far it was read. */
export interface Piece {
  readonly bytes: Uint8Array;
  at: number;
}

/** Puts records together again from the bodies of data frames. Holds at most one unfinished record. */
export class RecordReader {
  readonly #header = new Uint8Array(HEADER_LEN);
  #filled = 0;
  #record: Record | undefined;

  /** Whether the stream stands between two records. */
  isAtBoundary(): boolean {
    return this.#filled === 0;
  }

  /**
   * Takes bytes off the front of `piece` until a header is complete or nothing is left.
   *
   * Gives the header the moment that it is known, before its chunk has come, so that an unexpected record is refused
   * before anything is kept for it.
   */
  readHeader(piece: Piece): RecordHeader | undefined {
    if (this.#record !== undefined) {
      return undefined;
    }
    this.#filled += take(piece, this.#header, this.#filled);
    if (this.#filled < HEADER_LEN) {
      return undefined;
    }
    const view = new DataView(this.#header.buffer);
    const header = {
      entry: view.getUint32(0, true),
      chunk: view.getUint32(4, true),
      len: view.getUint32(8, true),
    };
    if (header.len === 0 || header.len > CHUNK_SIZE) {
      throw new ProtocolError('frame_invalid', 'a record has a length that no chunk has');
    }
    this.#record = { header, sealed: new Uint8Array(header.len + TAG_LEN) };
    this.#filled = HEADER_LEN;
    return header;
  }

  /** Takes bytes off the front of `piece` until the record is complete or nothing is left. */
  readBody(piece: Piece): Record | undefined {
    const record = this.#record;
    if (record === undefined) {
      return undefined;
    }
    this.#filled += take(piece, record.sealed, this.#filled - HEADER_LEN);
    if (this.#filled < HEADER_LEN + record.sealed.length) {
      return undefined;
    }
    this.#filled = 0;
    this.#record = undefined;
    return record;
  }
}

// Copies as much as there is and fits, and says how much that was.
function take(piece: Piece, into: Uint8Array, at: number): number {
  const length = Math.min(into.length - at, piece.bytes.length - piece.at);
  into.set(piece.bytes.subarray(piece.at, piece.at + length), at);
  piece.at += length;
  return length;
}
