// Noise_NXpsk0_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34): the states of its sections 5.1 and 5.2,
// and its Diffie-Hellman function. Which tokens are written and read is in handshake.ts.
import { gcm } from '@noble/ciphers/aes.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, encodeText } from './bytes';
import { open } from './provider';

const NAME = 'Noise_NXpsk0_25519_AESGCM_SHA256';
/** Bytes of a public key. */
export const PUBLIC_LEN = 32;

/** The public half of a private key. */
export function publicKey(privateKey: Uint8Array): Uint8Array {
  return x25519.getPublicKey(privateKey);
}

/** The shared secret; zeros for a public key of low order, as Noise has it (section 12.1). */
export function diffieHellman(privateKey: Uint8Array, other: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(privateKey, other);
  } catch {
    return new Uint8Array(PUBLIC_LEN);
  }
}

/** A key and the number of the next message under it. */
export class CipherState {
  #next = 0;

  constructor(private readonly key: Uint8Array) {}

  /** Ciphertext and tag. */
  seal(associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const sealed = gcm(this.key, this.#nonce(), associated).encrypt(plaintext);
    this.#next += 1;
    return sealed;
  }

  /** The plaintext, or nothing if this is not the next message. */
  open(associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = open(this.key, this.#nonce(), associated, sealed);
    this.#next += plaintext === undefined ? 0 : 1;
    return plaintext;
  }

  // Four zero bytes and the number, big endian.
  #nonce(): Uint8Array {
    const nonce = new DataView(new ArrayBuffer(12));
    nonce.setBigUint64(4, BigInt(this.#next));
    return new Uint8Array(nonce.buffer);
  }
}

/** The chaining key, the hash of all that was said, and the key of the handshake's ciphertexts. */
export class SymmetricState {
  #chaining: Uint8Array = encodeText(NAME);
  #hash: Uint8Array = encodeText(NAME);
  #cipher: CipherState | undefined;

  /** With the prologue said. The name is as long as a hash, so it is the first one as it is. */
  constructor(prologue: Uint8Array) {
    this.mixHash(prologue);
  }

  mixHash(data: Uint8Array): void {
    this.#hash = sha256(concat(this.#hash, data));
  }

  mixKey(material: Uint8Array): void {
    const [chaining, key] = this.#derive(material, 2);
    this.#chaining = chaining;
    this.#cipher = new CipherState(key);
  }

  mixKeyAndHash(material: Uint8Array): void {
    const [chaining, hash, key] = this.#derive(material, 3);
    this.#chaining = chaining;
    this.mixHash(hash);
    this.#cipher = new CipherState(key);
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#keyed().seal(this.#hash, plaintext);
    this.mixHash(sealed);
    return sealed;
  }

  /** The plaintext, or nothing if it does not authenticate; the handshake is over then. */
  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    const plaintext = this.#keyed().open(this.#hash, sealed);
    this.mixHash(sealed);
    return plaintext;
  }

  /** The ciphers from the initiator and to it. */
  split(): [CipherState, CipherState] {
    const [from, to] = this.#derive(new Uint8Array(), 2);
    return [new CipherState(from), new CipherState(to)];
  }

  #keyed(): CipherState {
    if (this.#cipher === undefined) {
      throw new Error('the pattern starts with a key');
    }
    return this.#cipher;
  }

  // Noise's HKDF is that of RFC 5869 with the chaining key as salt.
  #derive(material: Uint8Array, outputs: 2 | 3): [Uint8Array, Uint8Array, Uint8Array] {
    const out = hkdf(sha256, material, this.#chaining, undefined, outputs * 32);
    return [out.subarray(0, 32), out.subarray(32, 64), out.subarray(64)];
  }
}
