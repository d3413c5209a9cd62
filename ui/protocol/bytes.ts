// Bytes and text: joining, comparing, UTF-8 that is strict and keeps a byte order mark, base64url.
import { base64urlnopad } from '@scure/base';

/** Bytes that no other thread sees, as WebCrypto and data channels take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** All parts, one behind the other. */
export function concat(...parts: Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Whether both hold the same; for what is no secret. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The text's UTF-8; a lone surrogate becomes U+FFFD. */
export function encodeText(text: string): Bytes {
  return encoder.encode(text);
}

/** The text of strict UTF-8, or nothing. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The longest start of the UTF-8 `text` that has at most `max` bytes and ends at a whole character. */
export function cutText(text: Uint8Array, max: number): Uint8Array {
  let end = Math.min(max, text.length);
  while (!isCharBoundary(text, end)) {
    end -= 1;
  }
  return text.subarray(0, end);
}

/** Whether no character of the UTF-8 `text` reaches over the byte at `at`. */
export function isCharBoundary(text: Uint8Array, at: number): boolean {
  const byte = text[at];
  return at <= text.length && (byte === undefined || (byte & 0xc0) !== 0x80);
}

/** Base64url without padding (RFC 4648 §5). */
export function encodeBase64(bytes: Uint8Array): string {
  return base64urlnopad.encode(bytes);
}

/** The bytes of base64url without padding, or nothing; each value has one text. */
export function decodeBase64(text: string): Bytes | undefined {
  // The builtin that the library uses where it is there passes over white space.
  if (!/^[A-Za-z0-9_-]*$/.test(text)) {
    return undefined;
  }
  try {
    return new Uint8Array(base64urlnopad.decode(text));
  } catch {
    return undefined;
  }
}
