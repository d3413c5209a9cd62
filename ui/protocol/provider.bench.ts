// @vitest-environment node
// How fast content is opened, a chunk at a time and several at once: `npx vitest bench protocol`.
import { bench, describe } from 'vitest';
import type { Bytes } from './bytes';
import { type CryptoProvider, pureProvider, webProvider } from './provider';

const AT_ONCE = 8;
const nonce = new Uint8Array(12);
const associated = new Uint8Array(12);
const key = new Uint8Array(32).fill(7);

async function openSome(provider: CryptoProvider, sealed: Bytes): Promise<void> {
  const cipher = provider.cipher(key);
  const opened = Array.from({ length: AT_ONCE }, () => cipher.open(nonce, associated, sealed));
  if ((await Promise.all(opened)).includes(undefined)) {
    throw new Error('a chunk does not open');
  }
}

describe.each([4, 64, 256])('eight chunks of %i KiB', async (kibibytes) => {
  const plaintext = new Uint8Array(kibibytes * 1024).fill(3);
  const sealed = await pureProvider.cipher(key).seal(nonce, associated, plaintext);
  bench('WebCrypto', () => openSome(webProvider(crypto.subtle), sealed));
  bench('JavaScript', () => openSome(pureProvider, sealed));
});
