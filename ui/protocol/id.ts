// Identifiers and bearer keys: fixed-size bytes. Those that are sent as text are kept as text, base64url without
// padding; each value has one text, so that texts can be compared.
import { sha256 } from '@noble/hashes/sha2.js';
import type { Code } from './bindings';
import { concat, decodeBase64, encodeBase64, encodeText } from './bytes';
import { ProtocolError } from './error';

declare const of: unique symbol;
type Id<Name extends string> = string & { readonly [of]: Name };

/** Names a share to a server and in a link: a hash of its {@link OwnerKey}; 16 bytes. */
export type ShareId = Id<'share'>;
/** Names one receiver of a share to the server; random, kept across its reconnects; 16 bytes. */
export type PeerId = Id<'peer'>;
/** SHA-256 of a {@link JoinKey}: what the server holds to check proofs before it has seen one; 32 bytes. */
export type JoinHash = Id<'join hash'>;
/** The capability to open, open again and end a share on a server; 32 bytes. Never leaves the sender but to its server. */
export type OwnerKey = Id<'owner key'>;
/** The proof that a receiver holds the link, made from the link's secret; tells the server nothing else; 32 bytes. */
export type JoinKey = Id<'join key'>;

/** Secret bytes that are never sent, and don't print. */
export class Secret<Name extends string> {
  declare protected readonly of: Name;
  readonly #bytes: Uint8Array;

  /** Takes the bytes as they are. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The bytes; a view. */
  expose(): Uint8Array {
    return this.#bytes;
  }
}

/** The random secret in a link's fragment; 16 bytes. Never sent to anyone. */
export class LinkSecret extends Secret<'link'> {}

/** Takes the bytes of an identifier of any kind. */
export function toId<Kind extends Id<string>>(bytes: Uint8Array): Kind {
  return encodeBase64(bytes) as Kind;
}

/** The bytes of an identifier. */
export function idBytes(id: Id<string>): Uint8Array {
  // Whoever made an identifier of a text has read it.
  return decodeBase64(id) ?? new Uint8Array();
}

/** Reads a text that must be an identifier of `length` bytes; what is not is refused with `code`. */
export function parseId<Kind extends Id<string>>(text: string, length: 16 | 32, code: Code): Kind {
  // A longer text would make the decoder allocate for nothing.
  const bytes = text.length === Math.ceil((length * 4) / 3) ? decodeBase64(text) : undefined;
  if (bytes?.length !== length) {
    throw new ProtocolError(code, `not an identifier of ${length.toString()} bytes`);
  }
  return text as Kind;
}

/** SHA-256 of a label and what it is put before. */
export function labelledHash(label: string, ...parts: Uint8Array[]): Uint8Array {
  return sha256(concat(encodeText(label), ...parts));
}

/** The id of the share that this key owns: the first 16 bytes of SHA-256("sluice/1 share" ‖ key). */
export function shareId(owner: OwnerKey): ShareId {
  return toId(labelledHash('sluice/1 share', idBytes(owner)).subarray(0, 16));
}

/** What the sender leaves with the server: SHA-256("sluice/1 join" ‖ key). */
export function joinHash(key: JoinKey): JoinHash {
  return toId(labelledHash('sluice/1 join', idBytes(key)));
}

/** The first 16 bytes of SHA-256("sluice/1 sender" ‖ public key), as a link carries them. */
export function senderHash(publicKey: Uint8Array): Uint8Array {
  return labelledHash('sluice/1 sender', publicKey).subarray(0, 16);
}
