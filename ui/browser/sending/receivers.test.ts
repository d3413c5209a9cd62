// The receivers as they are shown.
import { describe, expect, test } from 'vitest';
import { Receivers } from './receivers';

const stages = (receivers: Receivers, paused = false): string =>
  receivers
    .views(paused, 0)
    .map(({ peer, at }) => `${peer}:${at}`)
    .join(' ');

describe('receivers', () => {
  test('come, move and are done', () => {
    const receivers = new Receivers();
    receivers.join('a', 2);
    receivers.connect('a', 'Ana');
    receivers.setPath('a', 'direct');
    expect(receivers.progress('a', 500, undefined, 0)).toBe(0);
    expect(receivers.progress('a', 1_500, 4_500, 1_000)).toBe(1_000);
    expect(receivers.progress('a', 1_000, undefined, 1_100)).toBe(0);
    const [view] = receivers.views(false, 2_000);
    expect(view).toMatchObject({
      peer: 'a',
      name: 'Ana',
      at: 'active',
      path: 'direct',
      bytes: 1_500,
      totalBytes: 4_500,
      rate: 1_000,
      secondsLeft: 3,
    });
    expect(receivers.finish('a', 4_500)).toEqual({ fresh: 3_000, isNews: true });
    expect(receivers.finish('a', 4_500)).toEqual({ fresh: 0, isNews: false });
    receivers.lose('a', 3_000);
    expect(stages(receivers)).toBe('a:done');
  });

  test('are paused together or alone', () => {
    const receivers = new Receivers();
    for (const peer of ['a', 'b']) {
      receivers.join(peer, 20);
      receivers.connect(peer, peer);
    }
    receivers.join('c', 20);
    receivers.pause('a', true);
    expect(stages(receivers)).toBe('a:paused b:active c:connecting');
    expect(stages(receivers, true)).toBe('a:paused b:paused c:connecting');
  });

  test('keep their slots, and stay in view for a moment when they leave', () => {
    const receivers = new Receivers();
    receivers.join('a', 20);
    receivers.join('b', 20);
    receivers.connect('a', 'Ana');
    receivers.finish('a', 1);
    receivers.leave('a', 1_000);
    receivers.leave('b', 1_000);
    expect(stages(receivers)).toBe('a:done');
    receivers.join('c', 20);
    expect(stages(receivers)).toBe('a:done c:connecting');
    receivers.handleTime(10_000);
    expect(stages(receivers)).toBe('c:connecting');
    receivers.join('d', 20);
    expect(stages(receivers)).toBe('d:connecting c:connecting');
  });

  test('one that is still looked at makes room for the next', () => {
    const receivers = new Receivers();
    receivers.join('a', 1);
    receivers.connect('a', 'Ana');
    receivers.leave('a', 0);
    receivers.join('b', 1);
    expect(stages(receivers)).toBe('b:connecting');
  });

  test('come back after they were lost', () => {
    const receivers = new Receivers();
    receivers.join('a', 1);
    receivers.connect('a', 'Ana');
    receivers.lose('a', 0);
    expect(stages(receivers)).toBe('a:lost');
    receivers.connect('a', 'Ana');
    expect(stages(receivers)).toBe('a:active');
    receivers.leave('a', 0);
    receivers.lose('a', 1);
    expect(receivers.isEmpty()).toBe(true);
  });
});
