// Key derivation and the sealing of chunks: HKDF-SHA256 (RFC 5869), AES-256-GCM, Argon2id (RFC 9106).
import { argon2id } from '@noble/hashes/argon2.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { RecordHeader } from './bindings';
import { type Bytes, concat, encodeText } from './bytes';
import { headerBytes } from './frame';
import {
  type JoinKey,
  type LinkSecret,
  Secret,
  type ShareId,
  idBytes,
  labelledHash,
  toId,
} from './id';
import type { Cipher, CryptoProvider } from './provider';
import { u32 } from './wire';

/** 32 secret bytes. */
export class Key extends Secret<'key'> {}

function derive(secret: Uint8Array, ...info: Uint8Array[]): Bytes {
  return new Uint8Array(hkdf(sha256, secret, undefined, concat(...info), 32));
}

/** The proof that the link is held, for the server: HKDF(secret, "sluice/1 join" ‖ share id). */
export function joinKey(secret: LinkSecret, share: ShareId): JoinKey {
  return toId(derive(secret.expose(), encodeText('sluice/1 join'), idBytes(share)));
}

/**
 * The Noise pre-shared key: HKDF(secret ‖ stretched password, "sluice/1 psk" ‖ share id).
 *
 * A password is stretched by Argon2id with 19 MiB, 2 passes and 1 lane, which holds this thread for a few tenths of a
 * second: a page does it in a worker.
 */
export function psk(secret: LinkSecret, share: ShareId, password: string | undefined): Key {
  let material = secret.expose();
  if (password !== undefined) {
    const salt = labelledHash('sluice/1 password', idBytes(share)).subarray(0, 16);
    const cost = { m: 19 * 1024, t: 2, p: 1, version: 0x13, dkLen: 32 };
    material = concat(material, argon2id(encodeText(password), salt, cost));
  }
  return new Key(derive(material, encodeText('sluice/1 psk'), idBytes(share)));
}

/** HKDF(secret, "sluice/1 summary" ‖ share id). */
export function summaryKey(secret: LinkSecret, share: ShareId): Key {
  return new Key(derive(secret.expose(), encodeText('sluice/1 summary'), idBytes(share)));
}

/**
 * Seals and opens the chunks of one file within one request of one session.
 *
 * The key is HKDF(session key, "sluice/1 file" ‖ request ‖ entry), so a chunk that is asked for again is sealed under
 * another key, and no key and nonce ever meet two plaintexts. The nonce is the chunk's number in 96 bits, big endian;
 * the associated data is the record header that stands before the chunk.
 */
export class FileCipher {
  readonly #cipher: Cipher;

  /** The cipher for file `entry` within `request`. */
  constructor(provider: CryptoProvider, session: Key, request: number, entry: number) {
    const info = [encodeText('sluice/1 file'), u32(request), u32(entry)];
    this.#cipher = provider.cipher(derive(session.expose(), ...info));
  }

  /** The ciphertext of a chunk and its tag. */
  seal(header: RecordHeader, chunk: Bytes): Promise<Bytes> {
    return this.#cipher.seal(nonce(header.chunk), headerBytes(header), chunk);
  }

  /** The chunk, or nothing if it does not authenticate. */
  open(header: RecordHeader, sealed: Bytes): Promise<Bytes | undefined> {
    return this.#cipher.open(nonce(header.chunk), headerBytes(header), sealed);
  }
}

function nonce(chunk: number): Bytes {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, chunk >>> 24, chunk >>> 16, chunk >>> 8, chunk);
}
