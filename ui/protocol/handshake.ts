// The handshake between the two ends of a data channel, and the sealed control channel that comes out of it.
//
// The receiver starts. The pre-shared key proves to each that the other holds the link; the sender's static key, whose
// hash stands in the link, proves that it is the one that made it; both payloads carry the DTLS fingerprints as each
// end saw them, so that a server that swapped them is found out.
import { MAX_DISPLAY_NAME_LEN, TAG_LEN, VERSION } from './bindings';
import { concat, cutText, encodeText, equal } from './bytes';
import { Key } from './crypto';
import { ProtocolError } from './error';
import { type ShareId, Secret, idBytes, labelledHash, senderHash } from './id';
import { type CipherState, PUBLIC_LEN, SymmetricState, diffieHellman, publicKey } from './noise';
import { Reader, Writer } from './wire';

const MAX_HANDSHAKE_LEN = 1024;
const ACCEPTED = 0;
const LINK_REJECTED = 1;
const VERSION_UNSUPPORTED = 2;
const FINGERPRINT_MISMATCH = 3;
const EMPTY = new Uint8Array();

/** The sender's static X25519 private key; its public half is what a link's sender hash stands for. */
export class SenderKeys extends Secret<'sender key'> {
  /** What the link carries. */
  hash(): Uint8Array {
    return senderHash(publicKey(this.expose()));
  }
}

/**
 * What ties a handshake to one DTLS connection: SHA-256("sluice/1 binding" ‖ sender's ‖ receiver's certificate
 * fingerprint), both SHA-256 fingerprints as one end sees them.
 */
export function binding(sender: Uint8Array, receiver: Uint8Array): Uint8Array {
  return labelledHash('sluice/1 binding', sender, receiver);
}

/** What both ends must know before they can shake hands. */
export interface Context {
  /** The share. */
  share: ShareId;
  /** See `psk` in crypto.ts. */
  psk: Key;
  /** See {@link binding}. */
  binding: Uint8Array;
}

/** What the receiver learns. */
export interface Greeting {
  /** Sealed control messages from here on. */
  channel: ControlChannel;
  /** The share's display name. */
  name: string;
  /** The key that file keys are derived from. */
  session: Key;
}

/** The receiver's half, between its message and the sender's answer. */
export class Initiator {
  readonly #noise: SymmetricState;
  readonly #ephemeral: Uint8Array;
  /** The first message. */
  readonly hello: Uint8Array;

  /**
   * Starts a handshake. `sender` is the hash in the link, `name` what the sender may show of this receiver, `seed` 32
   * fresh random bytes.
   */
  constructor(
    private readonly context: Context,
    private readonly sender: Uint8Array,
    name: string,
    seed: Uint8Array,
  ) {
    this.#noise = start(context);
    this.#ephemeral = ephemeral(seed);
    const own = publicKey(this.#ephemeral);
    sayEphemeral(this.#noise, own);
    const payload = new Writer().raw(context.binding).bytes(cut(name)).view();
    const version = new Uint8Array([VERSION, VERSION >>> 8]);
    this.hello = concat(version, own, this.#noise.encryptAndHash(payload));
  }

  /** Reads the sender's answer. */
  finish(answer: Uint8Array): Greeting {
    const reader = new Reader(answer, 'frame_invalid');
    switch (reader.u8()) {
      case ACCEPTED:
        break;
      case LINK_REJECTED:
        throw new ProtocolError('link_rejected');
      case VERSION_UNSUPPORTED:
        throw new ProtocolError('version_unsupported');
      case FINGERPRINT_MISMATCH:
        throw new ProtocolError('fingerprint_mismatch');
      default:
        throw reader.refuse('an answer of no known kind');
    }
    checkLength(reader);
    const other = reader.take(PUBLIC_LEN);
    sayEphemeral(this.#noise, other);
    this.#noise.mixKey(diffieHellman(this.#ephemeral, other));
    const sealedKey = reader.take(PUBLIC_LEN + TAG_LEN);
    const sender = authentic(this.#noise.decryptAndHash(sealedKey));
    this.#noise.mixKey(diffieHellman(this.#ephemeral, sender));
    const payload = authentic(this.#noise.decryptAndHash(reader.take(reader.left())));
    if (!equal(senderHash(sender), this.sender)) {
      throw new ProtocolError('sender_not_authentic');
    }
    const greeting = new Reader(payload, 'frame_invalid');
    checkBinding(greeting, this.context);
    const session = new Key(greeting.take(32).slice());
    const name = greeting.text(MAX_DISPLAY_NAME_LEN);
    greeting.end();
    const [own, theirs] = this.#noise.split();
    return { channel: new ControlChannel(own, theirs), name, session };
  }
}

/** What the sender learns. */
export interface Accepted {
  /** Sealed control messages from here on. */
  channel: ControlChannel;
  /** The key that file keys are derived from. */
  session: Key;
  /** What the receiver calls itself. */
  name: string;
}

/**
 * The sender's whole half: reads the receiver's first message and writes the answer, which is to be sent in either
 * case. `seed` is 64 fresh random bytes: for the ephemeral key and for the session key.
 */
export function respond(
  context: Context,
  keys: SenderKeys,
  name: string,
  hello: Uint8Array,
  seed: Uint8Array,
): { answer: Uint8Array; result: Accepted | ProtocolError } {
  try {
    const [answer, accepted] = tryRespond(context, keys, name, hello, seed);
    return { answer, result: accepted };
  } catch (error) {
    if (!(error instanceof ProtocolError)) {
      throw error;
    }
    return { answer: Uint8Array.of(status(error)), result: error };
  }
}

function status(error: ProtocolError): number {
  switch (error.code) {
    case 'version_unsupported':
      return VERSION_UNSUPPORTED;
    case 'fingerprint_mismatch':
      return FINGERPRINT_MISMATCH;
    default:
      return LINK_REJECTED;
  }
}

function tryRespond(
  context: Context,
  keys: SenderKeys,
  name: string,
  hello: Uint8Array,
  seed: Uint8Array,
): [Uint8Array, Accepted] {
  const reader = new Reader(hello, 'frame_invalid');
  if (reader.u16() !== VERSION) {
    throw new ProtocolError('version_unsupported');
  }
  checkLength(reader);
  const noise = start(context);
  const other = reader.take(PUBLIC_LEN);
  sayEphemeral(noise, other);
  const payload = authentic(noise.decryptAndHash(reader.take(reader.left())));
  const greeting = new Reader(payload, 'frame_invalid');
  checkBinding(greeting, context);
  const receiver = greeting.text(MAX_DISPLAY_NAME_LEN);
  greeting.end();

  const session = seed.slice(32);
  const secret = ephemeral(seed.subarray(0, 32));
  const own = publicKey(secret);
  sayEphemeral(noise, own);
  noise.mixKey(diffieHellman(secret, other));
  const sealedKey = noise.encryptAndHash(publicKey(keys.expose()));
  noise.mixKey(diffieHellman(keys.expose(), other));
  const reply = new Writer().raw(context.binding).raw(session).bytes(cut(name)).view();
  const sealed = noise.encryptAndHash(reply);
  const [theirs, ours] = noise.split();
  const channel = new ControlChannel(ours, theirs);
  const answer = concat(Uint8Array.of(ACCEPTED), own, sealedKey, sealed);
  return [answer, { channel, session: new Key(session), name: receiver }];
}

function start(context: Context): SymmetricState {
  const noise = new SymmetricState(idBytes(context.share));
  noise.mixKeyAndHash(context.psk.expose());
  return noise;
}

// The token e: with a pre-shared key the ephemeral key is mixed into the chaining key as well.
function sayEphemeral(noise: SymmetricState, key: Uint8Array): void {
  noise.mixHash(key);
  noise.mixKey(key);
}

// SHA-256("sluice/1 ephemeral" ‖ seed ‖ eight zero bytes): so vectors fix it as well.
function ephemeral(seed: Uint8Array): Uint8Array {
  return labelledHash('sluice/1 ephemeral', seed, new Uint8Array(8));
}

function checkLength(reader: Reader): void {
  if (reader.left() > MAX_HANDSHAKE_LEN) {
    throw reader.refuse('a handshake message is too long');
  }
}

function authentic(plaintext: Uint8Array | undefined): Uint8Array {
  if (plaintext === undefined) {
    throw new ProtocolError('link_rejected');
  }
  return plaintext;
}

function checkBinding(payload: Reader, context: Context): void {
  if (!equal(payload.take(context.binding.length), context.binding)) {
    throw new ProtocolError('fingerprint_mismatch');
  }
}

function cut(name: string): Uint8Array {
  return cutText(encodeText(name), MAX_DISPLAY_NAME_LEN);
}

/** Control messages, sealed by Noise in the order that they are sent. */
export class ControlChannel {
  constructor(
    private readonly own: CipherState,
    private readonly theirs: CipherState,
  ) {}

  /** Seals `plaintext`. */
  seal(plaintext: Uint8Array): Uint8Array {
    return this.own.seal(EMPTY, plaintext);
  }

  /** Opens the next message; one that was changed, replayed, reordered or left out is `frame_forged`. */
  open(sealed: Uint8Array): Uint8Array {
    const plaintext = this.theirs.open(EMPTY, sealed);
    if (plaintext === undefined) {
      throw new ProtocolError('frame_forged');
    }
    return plaintext;
  }
}
