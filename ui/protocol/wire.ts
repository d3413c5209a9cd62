// Reading and writing the binary forms: little-endian integers, LEB128 varints, length-prefixed bytes.
import type { Code } from './bindings';
import { concat, decodeText, encodeText } from './bytes';
import { ProtocolError } from './error';

/** The largest number that is read as it is; what is beyond reads as this. All that may be so large is only shown. */
export const MAX_NUMBER = Number.MAX_SAFE_INTEGER;
/** The furthest time from 1970 that is read as it is, in seconds; what is beyond reads as this. */
export const MAX_SECONDS = 2 ** 52;

/** A cursor over received bytes. It refuses with the code of what it reads, and copies nothing. */
export class Reader {
  #at = 0;

  constructor(
    private readonly bytes_: Uint8Array,
    private readonly code: Code,
  ) {}

  /** What to throw: the bytes don't follow the format. */
  refuse(detail: string): ProtocolError {
    return new ProtocolError(this.code, detail);
  }

  /** How many bytes are left. */
  left(): number {
    return this.bytes_.length - this.#at;
  }

  /** The next `length` bytes; a view. */
  take(length: number): Uint8Array {
    if (length > this.left()) {
      throw this.refuse('the bytes end inside a value');
    }
    this.#at += length;
    return this.bytes_.subarray(this.#at - length, this.#at);
  }

  /** One byte. */
  u8(): number {
    const byte = this.bytes_[this.#at];
    if (byte === undefined) {
      throw this.refuse('the bytes end inside a value');
    }
    this.#at += 1;
    return byte;
  }

  /** A little-endian `u16`. */
  u16(): number {
    return this.u8() + this.u8() * 0x100;
  }

  /** A LEB128 varint of at most 64 bits, in its shortest form; at most {@link MAX_NUMBER}. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = this.u8();
      if (shift === 63 && (byte & 0x7f) > 1) {
        break;
      }
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        // One form a value, so that equal values have equal bytes.
        if (byte === 0 && shift > 0) {
          throw this.refuse('a number is longer than it must be');
        }
        return Math.min(value, MAX_NUMBER);
      }
    }
    throw this.refuse('a number is over its limit');
  }

  /** A varint that fits a `u32`. */
  varint32(): number {
    const value = this.varint();
    if (value > 0xffff_ffff) {
      throw this.refuse('a number is over its limit');
    }
    return value;
  }

  /** A zigzag-coded signed varint, within {@link MAX_SECONDS} of zero. */
  signed(): number {
    const negative = ((this.bytes_[this.#at] ?? 0) & 1) === 1;
    const raw = this.varint();
    const size = raw === MAX_NUMBER ? MAX_SECONDS : Math.ceil(raw / 2);
    return negative ? -size : size;
  }

  /** A flag: 0 or 1, nothing else. */
  flag(): boolean {
    const byte = this.u8();
    if (byte > 1) {
      throw this.refuse('a flag has no meaning');
    }
    return byte === 1;
  }

  /** Bytes behind a varint length of at most `max`; a view. */
  bytes(max: number): Uint8Array {
    const length = this.varint();
    if (length > max) {
      throw this.refuse('a length is over its limit');
    }
    return this.take(length);
  }

  /** UTF-8 behind a varint length of at most `max` bytes. */
  text(max: number): string {
    const text = decodeText(this.bytes(max));
    if (text === undefined) {
      throw this.refuse('text is not UTF-8');
    }
    return text;
  }

  /** Throws unless nothing is left. */
  end(): void {
    if (this.left() > 0) {
      throw this.refuse('bytes follow the value');
    }
  }
}

/** The writing side of {@link Reader}. */
export class Writer {
  #bytes = new Uint8Array(64);
  #length = 0;

  /** How many bytes were written. */
  get length(): number {
    return this.#length;
  }

  /** What was written; a view, good until more is. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Takes back all that is behind the first `length` bytes. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Appends one byte. */
  u8(byte: number): this {
    this.#room(1)[this.#length] = byte;
    this.#length += 1;
    return this;
  }

  /** Appends raw bytes. */
  raw(bytes: Uint8Array): this {
    this.#room(bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Appends a LEB128 varint of a whole number that is not negative and at most {@link MAX_NUMBER}. */
  varint(value: number): this {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.u8(rest);
  }

  /** Appends a zigzag-coded signed varint of a whole number within {@link MAX_SECONDS} of zero. */
  signed(value: number): this {
    return this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Appends a flag as one byte. */
  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  /** Appends bytes behind their varint length. */
  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }

  /** Appends UTF-8 behind its varint length. */
  text(text: string): this {
    return this.bytes(encodeText(text));
  }

  #room(length: number): Uint8Array {
    if (this.#length + length > this.#bytes.length) {
      this.#bytes = concat(this.view(), new Uint8Array(this.#length + length));
    }
    return this.#bytes;
  }
}

/** A little-endian `u32`. */
export function u32(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}
