// Which slot each receiver of a share is drawn in: one's own for as long as one is there.
import type { ReceiverView as Tile } from '../shared/share/receiver';
import type { ReceiverView } from './page';

/** Receivers as tiles, each in the slot of `before` or else in the first that is free. */
export function seated(
  receivers: readonly ReceiverView[],
  before: ReadonlyMap<string, number>,
): Tile[] {
  const kept = receivers.flatMap(({ peer }) => before.get(peer) ?? []);
  const taken = new Set(kept);
  return receivers.map((receiver) => {
    let slot = before.get(receiver.peer) ?? 0;
    while (!before.has(receiver.peer) && taken.has(slot)) {
      slot += 1;
    }
    taken.add(slot);
    return {
      id: receiver.peer,
      slot,
      name: receiver.name,
      state: receiver.at,
      path: receiver.path,
      bytes: receiver.bytes,
      total: receiver.totalBytes,
      rate: receiver.rate,
      secondsLeft: receiver.secondsLeft,
      failed: 0,
    };
  });
}
