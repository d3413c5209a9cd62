// @vitest-environment node
// A transfer against the real sending session: what it keeps, asks for again, and says at its end.
import { expect, test, vi } from 'vitest';
import { CHUNK_SIZE, CREDIT_WINDOW } from '../../protocol/bindings';
import { ProtocolError } from '../../protocol/error';
import { Sender, Shelf, entry, link, psk } from './testing';
import { type Stop, type Target, Transfer, type TransferEvent } from './transfer';

const entries = [
  entry('a/'),
  entry('a/one', 2 * CHUNK_SIZE + 5),
  entry('a/none'),
  entry('b', 7),
  entry('c', CHUNK_SIZE),
];
const total = 3 * CHUNK_SIZE + 12;
const all = { timeout: 30_000 };

const targetOf = (shelf: Shelf): Target => ({
  destination: shelf,
  takes: shelf.takes,
  counted: undefined,
});

function begin(
  sender: Sender,
  target?: Target,
): { transfer: Transfer; events: TransferEvent[]; types: () => string[] } {
  const events: TransferEvent[] = [];
  const options = { link, psk, name: 'browser', target, isSenderHere: true };
  const transfer = new Transfer(options, sender, (event) => events.push(event));
  return { transfer, events, types: () => events.map(({ type }) => type) };
}

const receive = (sender: Sender, shelf: Shelf): Promise<Stop> =>
  begin(sender, targetOf(shelf)).transfer.ended;

test('a share is listed, chosen from and received', all, async () => {
  const sender = new Sender(entries);
  const { transfer, events, types } = begin(sender);
  await vi.waitFor(() => {
    expect(types()).toContain('all_listed');
  }, all);
  expect(events[0]).toEqual({ type: 'opened', name: 'Photos', listing: true });
  const listed = events.flatMap((event) => (event.type === 'listed' ? event.entries : []));
  expect(listed).toEqual(entries);
  expect(sender.sent).toEqual([]);
  const shelf = new Shelf((path) => path !== 'c');
  transfer.choose({ ...targetOf(shelf), counted: { bytes: total - CHUNK_SIZE, entries: 4 } });
  const stop = await transfer.ended;
  expect(stop.type).toBe('finished');
  expect(sender.sent).toEqual(['1/0', '1/1', '1/2', '3/0']);
  expect(shelf.holds(entries.slice(0, 4))).toBe(true);
  expect(sender.session.isDone(), 'the sender has heard it').toBe(true);
  const last = events.filter((event) => event.type === 'progress').at(-1);
  expect(last).toMatchObject({
    progress: {
      bytes: total - CHUNK_SIZE,
      totalBytes: total - CHUNK_SIZE,
      totalEntries: 4,
      complete: true,
    },
  });
});

test('after a loss nothing that is there is asked for again', all, async () => {
  const [first, shelf] = [new Sender(entries), new Shelf()];
  first.onRead = (number) => {
    if (number === 3) {
      first.change('lost');
    }
    return undefined;
  };
  expect(await receive(first, shelf)).toMatchObject({ type: 'lost', error: { code: 'peer_left' } });
  expect(first.isClosed).toBe(true);
  const kept = [...shelf.chunks.keys()];
  expect(kept).toContain('a/one/0');
  const second = new Sender(entries);
  expect((await receive(second, shelf)).type).toBe('finished');
  expect(shelf.holds(entries)).toBe(true);
  const count = (sender: Sender): number => sender.sent.length;
  expect(count(second)).toBe(5 - kept.length);
});

test('a chunk that was changed on its way ends it, and is not kept', all, async () => {
  const [sender, shelf] = [new Sender(entries), new Shelf()];
  let frames = 0;
  sender.spoil = (frame) => {
    // The sixth frame of content is in the second chunk.
    frames += frame[0] === 3 ? 1 : 0;
    return frames === 6 && frame[0] === 3
      ? frame.map((byte, at) => (at === 99 ? byte ^ 1 : byte))
      : frame;
  };
  const stop = await receive(sender, shelf);
  expect(stop).toMatchObject({ type: 'lost', error: { code: 'chunk_forged' } });
  expect([...shelf.chunks.keys()]).toEqual(['a/one/0']);
  expect(sender.refused?.code, 'the sender is told').toBe('chunk_forged');
});

test('what the destination refuses ends it, with its reason', all, async () => {
  const [sender, shelf] = [new Sender(entries), new Shelf()];
  shelf.onWrite = (key) =>
    key === 'b/0' ? Promise.reject(new ProtocolError('disk_full')) : Promise.resolve();
  const stop = await receive(sender, shelf);
  expect(stop).toMatchObject({ type: 'failed', error: { code: 'disk_full' } });
  expect(sender.refused?.code).toBe('disk_full');
});

test('no more is out than the destination has taken, and a window', all, async () => {
  const big = [entry('big', 3 * CREDIT_WINDOW)];
  const [sender, shelf] = [new Sender(big), new Shelf()];
  // Writes that may end, and those that wait to.
  let allowed = 0;
  const waiting: (() => void)[] = [];
  shelf.onWrite = () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      waiting.splice(0, allowed - shelf.chunks.size).forEach((end) => {
        end();
      });
    });
  const allow = (count: number): void => {
    allowed += count;
    waiting.splice(0, count).forEach((end) => {
      end();
    });
  };
  const ended = receive(sender, shelf);
  const window = CREDIT_WINDOW / CHUNK_SIZE;
  const isOut = async (count: number): Promise<void> => {
    await vi.waitFor(() => {
      expect(sender.sent.length).toBe(count);
    }, all);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sender.sent.length).toBe(count);
  };
  await isOut(window);
  allow(window / 4);
  await isOut(window + window / 4);
  allow(3 * window);
  expect((await ended).type).toBe('finished');
  expect(shelf.holds(big)).toBe(true);
});

test(
  'an entry that fails at the sender is told to the destination, and the rest comes',
  all,
  async () => {
    const [sender, shelf] = [new Sender(entries), new Shelf()];
    sender.onRead = (number) => (number === 1 ? 'changed' : undefined);
    const ended = receive(sender, shelf);
    expect((await ended).type).toBe('finished');
    expect(shelf.failed).toEqual(['a/one']);
    expect(shelf.chunks.has('c/0')).toBe(true);
  },
);

test('once everything has come no connection is needed to put it in its place', all, async () => {
  const [sender, shelf] = [new Sender(entries), new Shelf()];
  shelf.onFinish = async () => {
    sender.change('lost');
    await new Promise((resolve) => setTimeout(resolve, 10));
  };
  expect((await receive(sender, shelf)).type).toBe('finished');
});

test('what was already asked of the destination is done before it is over', all, async () => {
  const [sender, shelf] = [new Sender(entries), new Shelf()];
  let isWritten = false;
  shelf.onWrite = async () => {
    if (!isWritten) {
      sender.change('lost');
      await new Promise((resolve) => setTimeout(resolve, 50));
      isWritten = true;
    }
  };
  expect((await receive(sender, shelf)).type).toBe('lost');
  expect(isWritten).toBe(true);
});

test('another run of the sender is not waited for on the old connection', all, async () => {
  const sender = new Sender([entry('big', 64 * CREDIT_WINDOW)]);
  sender.session.handlePaused(true);
  const { transfer } = begin(sender, targetOf(new Shelf()));
  await vi.waitFor(() => {
    expect(transfer.isOpened).toBe(true);
  }, all);
  transfer.handleSender(false);
  sender.change('interrupted');
  transfer.handleSender(true);
  expect((await transfer.ended).type).toBe('replaced');
});

test('a wrong key is refused before anything is told', all, async () => {
  const sender = new Sender(entries);
  const events: TransferEvent[] = [];
  const wrong = { ...link, sender: new Uint8Array(16) } as typeof link;
  const options = { link: wrong, psk, name: '', target: undefined, isSenderHere: true };
  const transfer = new Transfer(options, sender, (event) => events.push(event));
  expect(await transfer.ended).toMatchObject({
    type: 'lost',
    error: { code: 'sender_not_authentic' },
  });
  expect([events, transfer.isOpened]).toEqual([[], false]);
});

test('the person goes, and the sender hears why', all, async () => {
  const sender = new Sender(entries);
  const { transfer, types } = begin(sender);
  await vi.waitFor(() => {
    expect(types()).toContain('all_listed');
  }, all);
  transfer.stop('peer_left');
  expect((await transfer.ended).type).toBe('stopped');
  expect(sender.refused?.code).toBe('peer_left');
});
