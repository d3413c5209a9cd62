// AES-256-GCM (NIST SP 800-38D) for content: by WebCrypto where the page has it, else in JavaScript.
import { gcm } from '@noble/ciphers/aes.js';
import type { Bytes } from './bytes';

/** AES-256-GCM under one key. */
export interface Cipher {
  /** Ciphertext and tag. */
  seal(nonce: Bytes, associated: Bytes, plaintext: Bytes): Promise<Bytes>;
  /** The plaintext of ciphertext and tag, or nothing if they don't authenticate. */
  open(nonce: Bytes, associated: Bytes, sealed: Bytes): Promise<Bytes | undefined>;
}

/** Makes ciphers. One may carry the work elsewhere, such as into workers. */
export interface CryptoProvider {
  /** The cipher under this key of 32 bytes. */
  cipher(key: Bytes): Cipher;
}

/** In JavaScript, on the thread that asks: a page on plain HTTP has nothing else. */
export const pureProvider: CryptoProvider = {
  cipher: (key) => ({
    seal: (nonce, associated, plaintext) =>
      Promise.resolve(gcm(key, nonce, associated).encrypt(plaintext)),
    open: (nonce, associated, sealed) => Promise.resolve(open(key, nonce, associated, sealed)),
  }),
};

/** The plaintext, at once, or nothing if it does not authenticate. */
export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): Bytes | undefined {
  try {
    return gcm(key, nonce, associated).decrypt(sealed);
  } catch {
    return undefined;
  }
}

/** What of `SubtleCrypto` is used here. */
export interface Subtle<Key> {
  importKey(
    format: 'raw',
    key: Bytes,
    algorithm: 'AES-GCM',
    extractable: boolean,
    usages: ('encrypt' | 'decrypt')[],
  ): Promise<Key>;
  encrypt(parameters: GcmParameters, key: Key, plaintext: Bytes): Promise<ArrayBuffer>;
  decrypt(parameters: GcmParameters, key: Key, sealed: Bytes): Promise<ArrayBuffer>;
}

interface GcmParameters {
  name: 'AES-GCM';
  iv: Bytes;
  additionalData: Bytes;
}

/** By WebCrypto, which works beside the page's thread: give it the page's `crypto.subtle`. */
export function webProvider<Key>(subtle: Subtle<Key>): CryptoProvider {
  return {
    cipher: (key) => {
      const imported = subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
      const parameters = (iv: Bytes, additionalData: Bytes): GcmParameters => ({
        name: 'AES-GCM',
        iv,
        additionalData,
      });
      return {
        async seal(nonce, associated, plaintext) {
          const sealed = subtle.encrypt(parameters(nonce, associated), await imported, plaintext);
          return new Uint8Array(await sealed);
        },
        async open(nonce, associated, sealed) {
          const key = await imported;
          try {
            return new Uint8Array(await subtle.decrypt(parameters(nonce, associated), key, sealed));
          } catch {
            return undefined;
          }
        },
      };
    },
  };
}
