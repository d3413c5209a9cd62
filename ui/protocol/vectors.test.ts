// @vitest-environment node
// The shared vectors: what this code makes of fixed inputs is what the Rust code makes of them.
import { gcm } from '@noble/ciphers/aes.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import type { Entry, ReceiverMessage, SenderMessage, Summary } from './bindings';
import { concat, encodeText } from './bytes';
import {
  decodeReceiverMessage,
  decodeSenderMessage,
  encodeReceiverMessage,
  encodeSenderMessage,
} from './control';
import { FileCipher, Key, joinKey, psk } from './crypto';
import { ProtocolError } from './error';
import { headerBytes } from './frame';
import { Initiator, SenderKeys, binding, respond } from './handshake';
import {
  type JoinHash,
  type JoinKey,
  LinkSecret,
  type OwnerKey,
  joinHash,
  parseId,
  senderHash,
  shareId,
  toId,
} from './id';
import { Link, ServerUrl } from './link';
import { PageBuilder, decodePage } from './manifest';
import { parsePath } from './path';
import { pureProvider, webProvider } from './provider';
import { SummaryKey } from './summary';
import { MAX_NUMBER } from './wire';
import { bytes, hex, share, vectors } from './testing/vectors';

/** The code of what `act` throws. */
function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ProtocolError) {
      return error.code;
    }
    throw error;
  }
  return 'nothing was refused';
}

interface Text {
  hex: string;
  text: string;
}

const ids = vectors<{
  owner_key: Text;
  share_id: Text;
  link_secret: string;
  join_key: Text;
  join_hash: Text;
  psk: { password: string | null; sealed_zeros: string }[];
  sender: { private: string; hash: string };
  sender_hash: { public: string; hash: string };
  binding: { sender_fingerprint: string; receiver_fingerprint: string; hex: string };
}>('ids');

describe('identifiers and derivations', () => {
  const secret = new LinkSecret(bytes(ids.link_secret));
  const id = share(ids.share_id.hex);

  test('ids', () => {
    expect(toId(bytes(ids.owner_key.hex))).toBe(ids.owner_key.text);
    expect(shareId(ids.owner_key.text as OwnerKey)).toBe(ids.share_id.text);
    expect(joinKey(secret, id)).toBe(ids.join_key.text);
    expect(joinHash(ids.join_key.text as JoinKey)).toBe(ids.join_hash.text);
    const parsed = parseId<JoinHash>(ids.join_hash.text, 32, 'request_invalid');
    expect(parsed).toBe(ids.join_hash.text);
    expect(hex(new SenderKeys(bytes(ids.sender.private)).hash())).toBe(ids.sender.hash);
    expect(hex(senderHash(bytes(ids.sender_hash.public)))).toBe(ids.sender_hash.hash);
    const { sender_fingerprint, receiver_fingerprint } = ids.binding;
    expect(hex(binding(bytes(sender_fingerprint), bytes(receiver_fingerprint)))).toBe(
      ids.binding.hex,
    );
  });

  test.each(ids.psk)('the pre-shared key with password $password', ({ password, sealed_zeros }) => {
    const key = psk(secret, id, password ?? undefined);
    // A key does not print: it is seen through what it seals, as chunk 0 of entry 0 in request 0 without a header.
    const info = concat(encodeText('sluice/1 file'), new Uint8Array(8));
    const derived = hkdf(sha256, key.expose(), undefined, info, 32);
    const sealed = gcm(derived, new Uint8Array(12)).encrypt(new Uint8Array(16));
    expect(hex(sealed)).toBe(sealed_zeros);
  });
});

describe('links', () => {
  const links = vectors<{
    valid: {
      server: string;
      share: string;
      secret: string;
      sender: string;
      password: boolean;
      web: string;
      deep: string;
    }[];
    invalid: { text: string; code: string }[];
    servers: { text: string; http: string | null; code: string | null; loopback: boolean }[];
  }>('link');

  test.each(links.valid)('$web', (link) => {
    const server = ServerUrl.parse(link.server);
    const made = new Link({
      server,
      share: share(link.share),
      secret: new LinkSecret(bytes(link.secret)),
      sender: bytes(link.sender),
      password: link.password,
    });
    expect([made.toWeb(), made.toDeep()]).toEqual([link.web, link.deep]);
    for (const text of [link.web, ` ${link.deep}\n`]) {
      const parsed = Link.parse(text);
      expect(parsed.server).toEqual(server);
      expect(parsed.share).toBe(share(link.share));
      expect(hex(parsed.secret.expose())).toBe(link.secret);
      expect(hex(parsed.sender)).toBe(link.sender);
      expect(parsed.password).toBe(link.password);
    }
  });

  test.each(links.invalid)('$code: $text', ({ text, code }) => {
    expect(refusal(() => Link.parse(text))).toBe(code);
  });

  test.each(links.servers)('the server $text', ({ text, http, code, loopback }) => {
    if (code !== null) {
      expect(refusal(() => ServerUrl.parse(text))).toBe(code);
      return;
    }
    const server = ServerUrl.parse(text);
    expect([server.http('/x'), server.isLoopback]).toEqual([http, loopback]);
  });
});

describe('the handshake', () => {
  interface End {
    name: string;
    seed: string;
  }
  interface Sealed {
    plaintext: string;
    sealed: string[];
  }
  const vector = vectors<{
    share: string;
    psk: string;
    binding: string;
    sender_private: string;
    sender_hash: string;
    receiver: End;
    sender: End & { session_key: string };
    hello: string;
    answer: string;
    control_from_receiver: Sealed;
    control_from_sender: Sealed;
    refused: { hello: string; answer: string; code: string }[];
  }>('handshake');
  const context = {
    share: share(vector.share),
    psk: new Key(bytes(vector.psk)),
    binding: bytes(vector.binding),
  };
  const keys = new SenderKeys(bytes(vector.sender_private));
  const seed = bytes(vector.sender.seed);
  const initiate = (): Initiator =>
    new Initiator(
      context,
      bytes(vector.sender_hash),
      vector.receiver.name,
      bytes(vector.receiver.seed),
    );

  test('both halves, and what is sealed after them', () => {
    const initiator = initiate();
    expect(hex(initiator.hello)).toBe(vector.hello);
    const { answer, result } = respond(
      context,
      keys,
      vector.sender.name,
      bytes(vector.hello),
      seed,
    );
    expect(hex(answer)).toBe(vector.answer);
    if (result instanceof ProtocolError) {
      throw result;
    }
    const greeting = initiator.finish(bytes(vector.answer));
    expect([greeting.name, result.name]).toEqual([vector.sender.name, vector.receiver.name]);
    expect(hex(greeting.session.expose())).toBe(vector.sender.session_key);
    expect(hex(result.session.expose())).toBe(vector.sender.session_key);
    const { control_from_receiver: up, control_from_sender: down } = vector;
    for (const sealed of up.sealed) {
      expect(hex(greeting.channel.seal(bytes(up.plaintext)))).toBe(sealed);
      expect(hex(result.channel.open(bytes(sealed)))).toBe(up.plaintext);
      expect(refusal(() => result.channel.open(bytes(sealed)))).toBe('frame_forged');
    }
    for (const sealed of down.sealed) {
      expect(hex(result.channel.seal(bytes(down.plaintext)))).toBe(sealed);
      expect(hex(greeting.channel.open(bytes(sealed)))).toBe(down.plaintext);
    }
  });

  test.each([...vector.refused.entries()])('refusal %i', (at, { hello, answer, code }) => {
    const changed = [
      { ...context, psk: new Key(new Uint8Array(32)) },
      { ...context, binding: new Uint8Array(32) },
    ];
    const made = respond(changed[at] ?? context, keys, vector.sender.name, bytes(hello), seed);
    expect(hex(made.answer)).toBe(answer);
    expect(made.result).toBeInstanceOf(ProtocolError);
    expect((made.result as ProtocolError).code).toBe(code);
    // All that a receiver hears is the status.
    const heard = new Map([
      ['01', 'link_rejected'],
      ['02', 'version_unsupported'],
    ]).get(answer);
    expect(refusal(() => initiate().finish(bytes(answer)))).toBe(heard ?? 'fingerprint_mismatch');
  });
});

describe('control messages', () => {
  interface Described<T> {
    message: T;
    hex: string;
  }
  const vector = vectors<{
    from_receiver: Described<ReceiverMessage>[];
    from_sender: Described<SenderMessage & { encoded?: string }>[];
    invalid: string[];
  }>('control');

  test.each(vector.from_receiver)('from the receiver: $message.type', (described) => {
    const { message } = described;
    if (message.type === 'done') {
      // 2^64 - 1 entries: more than is told apart here.
      expect(decodeReceiverMessage(bytes(described.hex))).toEqual({
        ...message,
        bytes: MAX_NUMBER,
      });
      return;
    }
    expect(hex(encodeReceiverMessage(message))).toBe(described.hex);
    expect(decodeReceiverMessage(bytes(described.hex))).toEqual(message);
  });

  test.each(vector.from_sender)('from the sender: $message.type', (described) => {
    const given = described.message;
    const message =
      given.type === 'page' ? { ...given, encoded: bytes(given.encoded as never) } : given;
    expect(hex(encodeSenderMessage(message))).toBe(described.hex);
    expect(decodeSenderMessage(bytes(described.hex))).toEqual(message);
  });

  test.each(vector.invalid)('refused: %s', (text) => {
    expect(refusal(() => decodeReceiverMessage(bytes(text)))).toBe('frame_invalid');
    expect(refusal(() => decodeSenderMessage(bytes(text)))).toBe('frame_invalid');
  });
});

describe('the manifest', () => {
  type Described = Pick<Entry, 'kind'> & { path: string; seconds: number; nanos: number };
  const vector = vectors<{
    entries: Described[];
    page: string;
    empty_page: string;
    ordinary: { entries: Described[]; page: string };
    invalid: string[];
  }>('manifest');
  const entries = (described: Described[]): Entry[] =>
    described.map(({ path, kind, seconds, nanos }) => ({
      path: parsePath(path),
      kind,
      mtime: { seconds: Math.max(seconds, -(2 ** 52)), nanos },
    }));

  test('pages', () => {
    expect(decodePage(bytes(vector.page))).toEqual(entries(vector.entries));
    const builder = new PageBuilder();
    expect(hex(builder.take())).toBe(vector.empty_page);
    const ordinary = entries(vector.ordinary.entries);
    expect(ordinary.every((entry) => builder.push(entry))).toBe(true);
    expect(hex(builder.take())).toBe(vector.ordinary.page);
    expect(decodePage(bytes(vector.ordinary.page))).toEqual(ordinary);
  });

  test.each(vector.invalid)('refused: %s', (page) => {
    expect(refusal(() => decodePage(bytes(page)))).toBe('manifest_invalid');
  });
});

describe('the summary', () => {
  const vector = vectors<{
    secret: string;
    share: string;
    valid: (Summary & { nonce: string; sealed: string })[];
    invalid: string[];
  }>('summary');
  const key = new SummaryKey(new LinkSecret(bytes(vector.secret)), share(vector.share));

  test.each(vector.valid)('$name', ({ nonce, sealed, ...summary }) => {
    expect(key.seal(summary, bytes(nonce))).toBe(sealed);
    expect(key.open(sealed)).toEqual(summary);
  });

  test.each(vector.invalid)('refused: %s', (text) => {
    expect(key.open(text)).toBeUndefined();
  });
});

describe.each([
  ['JavaScript', pureProvider],
  ['WebCrypto', webProvider(crypto.subtle)],
])('records, sealed by %s', (_, provider) => {
  const vector = vectors<{
    session_key: string;
    records: { request: number; entry: number; chunk: number; plaintext: string; record: string }[];
  }>('records');
  const session = new Key(bytes(vector.session_key));

  test.each(vector.records)('chunk $chunk of entry $entry in request $request', async (record) => {
    const { request, entry, chunk } = record;
    const plaintext = bytes(record.plaintext);
    const header = { entry, chunk, len: plaintext.length };
    const cipher = new FileCipher(provider, session, request, entry);
    const sealed = await cipher.seal(header, plaintext);
    expect(hex(headerBytes(header)) + hex(sealed)).toBe(record.record);
    expect(hex((await cipher.open(header, sealed)) ?? bytes(''))).toBe(record.plaintext);
    sealed[0] = (sealed[0] ?? 0) ^ 1;
    expect(await cipher.open(header, sealed)).toBeUndefined();
    expect(await cipher.open(header, sealed.slice(0, 7))).toBeUndefined();
  });
});
