// The summary: what a share holds in short, sealed for those who hold the link, so that who waits sees what for.
import { gcm } from '@noble/ciphers/aes.js';
import { MAX_DISPLAY_NAME_LEN, SEALED_SUMMARY_LEN, SUMMARY_LEN, type Summary } from './bindings';
import { concat, cutText, decodeBase64, encodeBase64, encodeText } from './bytes';
import { type Key, summaryKey } from './crypto';
import { ProtocolError } from './error';
import type { LinkSecret, ShareId } from './id';
import { open } from './provider';
import { Reader, Writer } from './wire';

const NONCE_LEN = 12;

/** Seals and opens the summaries of one share. */
export class SummaryKey {
  readonly #key: Key;

  /** The key of everyone who holds the link. */
  constructor(secret: LinkSecret, share: ShareId) {
    this.#key = summaryKey(secret, share);
  }

  /** The text that the server keeps. `nonce` is 12 fresh random bytes each time. */
  seal(summary: Summary, nonce: Uint8Array): string {
    const plain = new Writer()
      .bytes(cutText(encodeText(summary.name), MAX_DISPLAY_NAME_LEN))
      .varint(summary.entries)
      .varint(summary.bytes)
      .flag(summary.complete);
    const padded = new Uint8Array(SUMMARY_LEN);
    padded.set(plain.view());
    return encodeBase64(concat(nonce, gcm(this.#key.expose(), nonce).encrypt(padded)));
  }

  /** What was sealed, or nothing for a text that {@link seal} with this key can't have made. */
  open(text: string): Summary | undefined {
    // A longer text would make the decoder allocate for nothing.
    const fits = text.length === Math.ceil((SEALED_SUMMARY_LEN * 4) / 3);
    const sealed = fits ? decodeBase64(text) : undefined;
    if (sealed?.length !== SEALED_SUMMARY_LEN) {
      return undefined;
    }
    const nonce = sealed.subarray(0, NONCE_LEN);
    const plain = open(this.#key.expose(), nonce, new Uint8Array(), sealed.subarray(NONCE_LEN));
    return plain === undefined ? undefined : read(plain);
  }
}

function read(plain: Uint8Array): Summary | undefined {
  const reader = new Reader(plain, 'manifest_invalid');
  try {
    const summary = {
      name: reader.text(MAX_DISPLAY_NAME_LEN),
      entries: reader.varint(),
      bytes: reader.varint(),
      complete: reader.flag(),
    };
    const isPadded = reader.take(reader.left()).every((byte) => byte === 0);
    return isPadded ? summary : undefined;
  } catch (error) {
    if (error instanceof ProtocolError) {
      return undefined;
    }
    throw error;
  }
}
