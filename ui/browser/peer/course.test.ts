// A receiver's way through the tiers, step by step, without a server.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Code, type Place, SENTENCES, type Tier } from '../../protocol/bindings';
import { Course, type Step } from './course';

const place = (tier: Tier, ahead: number): Place => ({
  tier,
  ahead,
  slots: 2,
  sender_here: true,
  version: `${tier}${ahead.toString()}`,
});
const promoted: Place = { ...place('active', 0), lease_ms: 30_000, version: 'promoted' };
const poll = ({ version }: Place): Step => ({ type: 'poll', after: version });
const listen = ({ version }: Place): Step => ({ type: 'listen', last: version });
const claim: Step = { type: 'claim' };
const join: Step = { type: 'join' };

/** One that has joined and is told this place. */
function at(where: Place): Course {
  const course = new Course();
  expect(course.pollStep(0)).toEqual(join);
  course.handlePlace(where, 0, 0.5);
  return course;
}

function pauseOf(course: Course, now: number): number {
  const step = course.pollStep(now);
  if (step.type !== 'pause') {
    throw new Error(`no pause but ${step.type}`);
  }
  return step.until;
}

test('each tier has its way to hear news', () => {
  expect(at(place('far', 9)).pollStep(0)).toEqual(listen(place('far', 9)));
  expect(at(place('near', 2)).pollStep(0)).toEqual(poll(place('near', 2)));
  expect(at(place('active', 0)).pollStep(0)).toEqual(claim);
  expect(at(promoted).pollStep(0)).toEqual(claim);
});

test('one walks from far to its slot on one ticket', () => {
  const course = at(place('far', 6));
  let now = 5;
  for (const [next, step] of [
    [place('far', 5), listen(place('far', 5))],
    [place('near', 4), poll(place('near', 4))],
    [place('near', 0), poll(place('near', 0))],
    [promoted, claim],
  ] as const) {
    course.handlePlace(next, now, 0.5);
    expect(course.pollStep(now)).toEqual(step);
    now += 2000;
  }
  course.handleAdmitted(now);
  // Its socket drops: it takes its slot again, after a moment.
  expect(course.handleFailed(claim, 'server_unreachable', undefined, now, 0.5)).toBe(true);
  expect(pauseOf(course, now)).toBe(now + 250);
  expect(course.pollStep(now + 250)).toEqual(claim);
});

test('one that claims too early waits for another place', () => {
  const course = at(place('active', 0));
  expect(course.handleFailed(claim, 'not_your_turn', undefined, 1, 0.5)).toBe(false);
  expect(pauseOf(course, 1)).toBe(201);
  expect(course.pollStep(201)).toEqual(poll(place('active', 0)));
  // Ten seconds later nothing has changed, and it is worth a try.
  course.handlePlace(place('active', 0), 10_201, 0.5);
  expect(course.pollStep(10_201)).toEqual(claim);
});

test.each([claim, poll(place('near', 1)), listen(place('far', 9))])(
  'a lost place is asked for again and a refused proof is not: $type',
  (step) => {
    const course = at(place('near', 1));
    expect(course.handleFailed(step, 'not_authorised', undefined, 1, 0.5)).toBe(false);
    expect(course.pollStep(251)).toEqual(join);
    expect(course.handleFailed(join, 'not_authorised', undefined, 252, 0.5)).toBe(false);
    expect(course.pollStep(252)).toEqual({ type: 'over', code: 'not_authorised' });
  },
);

test.each([join, claim, poll(place('near', 1)), listen(place('far', 9))])(
  'one that is let go does not come back: $type',
  (step) => {
    const course = at(place('near', 1));
    expect(course.handleFailed(step, 'let_go', undefined, 1, 0.5)).toBe(false);
    expect(course.pollStep(1)).toEqual({ type: 'over', code: 'let_go' });
  },
);

test('a share that is not there yet is joined when it is', () => {
  const course = at(place('near', 1));
  let now = 1;
  for (let time = 0; time < 20; time += 1) {
    expect(course.handleFailed(join, 'share_not_found', undefined, now, 0.5)).toBe(true);
    const until = pauseOf(course, now);
    expect(until - now).toBeLessThanOrEqual(5000);
    now = until;
    expect(course.pollStep(now)).toEqual(join);
  }
  course.handleEnded('sender_gone', now, 0.5);
  expect(course.pollStep(now).type).toBe('pause');
  course.handleEnded('share_ended', now, 0.5);
  expect(course.pollStep(now)).toEqual({ type: 'over', code: 'share_ended' });
});

test('a server that restarts is asked again soon and in the same way', () => {
  const course = at(place('far', 9));
  course.handleRestart(500, 1, 0);
  expect(pauseOf(course, 1)).toBe(251);
  course.handleRestart(500, 1, 0.999);
  const until = pauseOf(course, 1);
  expect(until).toBeGreaterThan(700);
  expect(until).toBeLessThan(752);
  const step = listen(place('far', 9));
  expect(course.pollStep(until)).toEqual(step);
  // It may take a while; then it is trouble after all.
  expect(course.handleFailed(step, 'server_unreachable', undefined, until, 0.5)).toBe(false);
  expect(course.handleFailed(step, 'server_unreachable', undefined, until + 5000, 0.5)).toBe(true);
  // No server can send a client away for a day.
  course.handleRestart(86_400_000, 1, 0);
  expect(pauseOf(course, 1)).toBeLessThan(60_000);
});

test.each(['rate_limited', 'share_full', 'server_full', 'store_unavailable'] as const)(
  'a busy server says when to come back: %s',
  (code) => {
    const course = new Course();
    expect(course.handleFailed(join, code, 7000, 1, 0.5)).toBe(true);
    expect(pauseOf(course, 1)).toBeGreaterThan(7000);
  },
);

test.each([
  [place('near', 1), { type: 'poll', after: undefined }, poll(place('near', 1))],
  [place('far', 9), { type: 'listen', last: undefined }, listen(place('far', 9))],
] as const)(
  'one that was cut off asks for its place although it may know it',
  (where, once, then) => {
    const course = at(where);
    expect(course.pollStep(1)).toEqual(then);
    expect(course.handleFailed(then, 'server_unreachable', undefined, 1, 0.5)).toBe(true);
    expect(course.pollStep(251)).toEqual(once);
    // It is the same, and may come at once without being taken for a server that does not wait.
    course.handlePlace(where, 252, 0.5);
    expect(course.pollStep(252)).toEqual(then);
  },
);

test('a poll that does not wait is not hammered', () => {
  const near = place('near', 1);
  const course = at(near);
  expect(course.pollStep(1)).toEqual(poll(near));
  course.handlePlace(near, 2, 0.5);
  expect(course.pollStep(2).type).toBe('pause');
  // One that waited is asked again at once, and so is one that has news.
  expect(course.pollStep(300)).toEqual(poll(near));
  course.handlePlace(near, 10_300, 0.5);
  expect(course.pollStep(10_300)).toEqual(poll(near));
  course.handlePlace(place('near', 0), 10_301, 0.5);
  expect(course.pollStep(10_301)).toEqual(poll(place('near', 0)));
});

test('when the network is back nothing is waited for', () => {
  const course = at(place('near', 1));
  course.handleFailed(claim, 'server_unreachable', undefined, 1, 0.5);
  course.handleFailed(claim, 'server_unreachable', undefined, 1, 0.5);
  expect(pauseOf(course, 2)).toBe(501);
  course.handleOnline(3);
  expect(course.pollStep(3).type).toBe('poll');
});

test('failures are always followed by a pause or the end', () => {
  const codes = Object.keys(SENTENCES) as Code[];
  const told = fc.oneof(
    fc.record({
      is: fc.constant('place' as const),
      tier: fc.constantFrom<Tier>('active', 'near', 'far'),
      ahead: fc.nat(8),
    }),
    fc.constant({ is: 'admitted' as const }),
    fc.record({ is: fc.constant('restart' as const), retry: fc.option(fc.nat(100_000)) }),
    fc.record({ is: fc.constant('ended' as const), code: fc.constantFrom(...codes) }),
    fc.record({
      is: fc.constant('failed' as const),
      code: fc.constantFrom(...codes),
      after: fc.option(fc.nat(100_000)),
    }),
  );
  const jitter = fc.double({ min: 0, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(told, fc.nat(20_000), jitter)), (all) => {
      const course = new Course();
      let now = 0;
      for (const [news, later, chance] of all) {
        now += later;
        let step = course.pollStep(now);
        if (step.type === 'pause') {
          expect(step.until).toBeGreaterThan(now);
          now = step.until;
          step = course.pollStep(now);
          expect(step.type, 'paused twice').not.toBe('pause');
        }
        if (step.type === 'over') {
          expect(course.pollStep(now + 100_000)).toEqual(step);
          return;
        }
        if (news.is === 'place') {
          course.handlePlace(place(news.tier, news.ahead), now, chance);
        } else if (news.is === 'admitted') {
          course.handleAdmitted(now);
        } else {
          if (news.is === 'restart') {
            course.handleRestart(news.retry ?? undefined, now, chance);
          } else if (news.is === 'ended') {
            course.handleEnded(news.code, now, chance);
          } else {
            course.handleFailed(step, news.code, news.after ?? undefined, now, chance);
          }
          expect(['pause', 'over']).toContain(course.pollStep(now).type);
        }
      }
    }),
  );
});
