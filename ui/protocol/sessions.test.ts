// @vitest-environment node
// Whole sessions: the calls that were made on the Rust sessions, on those of ours, byte for byte.
import { describe, expect, test } from 'vitest';
import { pureProvider, webProvider } from './provider';
import { type Recording, play } from './testing/play';
import { vectors } from './testing/vectors';

const recording = vectors<Recording>('sessions');

describe.each([
  ['JavaScript', pureProvider],
  ['WebCrypto', webProvider(crypto.subtle)],
])('sessions, sealed by %s', (_, provider) => {
  test.each(recording.sessions)('$name', async (recorded) => {
    expect(recorded.steps.length).toBeGreaterThan(2);
    await play(recording, recorded, provider);
  });
});
