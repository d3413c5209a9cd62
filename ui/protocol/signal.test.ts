// @vitest-environment node
// Signaling messages: what the server says is read as the Rust code reads it.
import { expect, test } from 'vitest';
import type { ClientMessage, IceServers, Place, ShareCreated, ShareJoined } from './bindings';
import { ProtocolError } from './error';
import {
  isWithinLimits,
  parseError,
  parseIceServers,
  parsePlace,
  parseSealedSummary,
  parseServerMessage,
  parseShareCreated,
  parseShareJoined,
} from './signal';
import { vectors } from './testing/vectors';

const vector = vectors<{
  from_server: { text: string; message?: unknown; code?: string }[];
  from_client: ClientMessage[];
  place: Place;
  joined: ShareJoined;
  created: ShareCreated;
  ice: IceServers;
}>('signal');

const refused = (code: string): unknown =>
  expect.objectContaining({ name: 'ProtocolError', code }) as unknown;

test.each(vector.from_server)('$text', ({ text, message, code }) => {
  if (code === undefined) {
    expect(parseServerMessage(text)).toEqual(message);
  } else {
    expect(() => parseServerMessage(text)).toThrow(refused(code) as Error);
  }
});

test('answers over HTTP', () => {
  const { place, joined, created, ice } = vector;
  expect(parsePlace(JSON.stringify(place))).toEqual(place);
  expect(parseShareJoined(JSON.stringify(joined))).toEqual(joined);
  expect(parseShareCreated(JSON.stringify(created))).toEqual(created);
  expect(parseIceServers(JSON.stringify(ice))).toEqual(ice);
  expect(parseSealedSummary('{"summary":"c2Vh"}')).toEqual({ summary: 'c2Vh' });
  expect(() => parseSealedSummary('{}')).toThrow(ProtocolError);
  const elsewhere = JSON.stringify({ ...place, tier: 'nowhere' });
  expect(() => parsePlace(elsewhere)).toThrow(ProtocolError);
});

test('what a later server says is passed over, or read as the nearest word', () => {
  expect(parseServerMessage('{"type":"later"}')).toBeUndefined();
  expect(parseError('{"code":"later","message":"x"}')).toEqual({
    code: 'server_failed',
    message: 'x',
  });
  expect(parseError('{"code":"share_ended"}')).toEqual({ code: 'share_ended', message: '' });
  expect(parseError('{"code":"toString","message":""}').code).toBe('server_failed');
});

test('limits are of bytes', () => {
  for (const message of vector.from_client) {
    expect(message.type === 'relay' && isWithinLimits(message.signal)).toBe(true);
  }
  const offer = (sdp: string): boolean => isWithinLimits({ type: 'offer', attempt: 1, sdp });
  expect([offer('ä'.repeat(8192)), offer('ä'.repeat(8192) + 'a')]).toEqual([true, false]);
  expect(() => parseServerMessage(' '.repeat(65_537))).toThrow(ProtocolError);
});
