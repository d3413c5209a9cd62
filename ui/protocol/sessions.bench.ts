// @vitest-environment node
// How fast content goes through a sending and a receiving session in one thread: `npx vitest bench protocol`.
import { bench, describe } from 'vitest';
import { MIN_MESSAGE_LEN } from './bindings';
import { Key } from './crypto';
import { chunkCount } from './frame';
import { SenderKeys } from './handshake';
import { type ShareId, toId } from './id';
import { PageBuilder } from './manifest';
import { parsePath } from './path';
import { type CryptoProvider, pureProvider, webProvider } from './provider';
import { ReceiveSession } from './receive';
import { SendSession } from './send';

const SIZE = 32 * 1024 * 1024;
const content = new Uint8Array(256 * 1024).fill(9);

/** Sends one file of {@link SIZE} bytes from one session to the other. */
async function transfer(provider: CryptoProvider): Promise<void> {
  const context = {
    share: toId<ShareId>(new Uint8Array(16)),
    psk: new Key(new Uint8Array(32)),
    binding: new Uint8Array(32),
  };
  const keys = new SenderKeys(new Uint8Array(32).fill(4));
  const [name, seed, maxMessage] = ['', new Uint8Array(64), 4 * MIN_MESSAGE_LEN + 8];
  const receiver = new ReceiveSession(
    { context, sender: keys.hash(), name, seed: seed.slice(32), listFirst: false, provider },
    0,
  );
  const sender = new SendSession({ context, keys, name, maxMessage, seed, provider }, 0);
  let isDone = false;
  while (!isDone) {
    for (
      let frame = receiver.pollMessage(0);
      frame !== undefined;
      frame = receiver.pollMessage(0)
    ) {
      sender.handleMessage(frame, 0);
    }
    sender.handleTotals({ pages: 1, entries: 1, bytes: SIZE, unreadable: 0, complete: true });
    if (sender.pollPage() !== undefined) {
      sender.handlePage(0, page());
    }
    const batch = sender.pollRead(() => SIZE);
    const sealing = batch?.seal(({ len }) => Promise.resolve(content.subarray(0, len)));
    for (let frame = sender.pollMessage(0); frame !== undefined; frame = sender.pollMessage(0)) {
      receiver.handleMessage(frame, 0);
    }
    isDone = await take(receiver);
    if (sealing !== undefined) {
      sender.handleSealed(await sealing);
    }
  }
}

async function take(receiver: ReceiveSession): Promise<boolean> {
  for (let event = receiver.pollEvent(); event !== undefined; event = receiver.pollEvent()) {
    if (event.type === 'page') {
      receiver.handlePlan([{ entry: 0, ranges: [{ start: 0, end: chunkCount(SIZE) }] }]);
    } else if (event.type === 'chunk') {
      receiver.handleProgress((await event.chunk.open()).length, 0, 0, 0);
    } else if (event.type === 'all_received') {
      receiver.handleAllDurable(SIZE, 1);
    } else if (event.type === 'done') {
      return true;
    }
  }
  return false;
}

function page(): Uint8Array {
  const builder = new PageBuilder();
  const kind = { type: 'file' as const, size: SIZE, executable: false };
  builder.push({ path: parsePath('file'), kind, mtime: { seconds: 0, nanos: 0 } });
  return builder.take();
}

describe('32 MiB sent and received', () => {
  bench('WebCrypto', () => transfer(webProvider(crypto.subtle)));
  bench('JavaScript', () => transfer(pureProvider), { iterations: 3 });
});
