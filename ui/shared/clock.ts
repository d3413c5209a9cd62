// The time, for what counts down or ages while it is looked at.
import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => {
    clearInterval(timer);
  };
});

/** Seconds since 1970. What is drawn with it is drawn anew each second. */
export function now(): number {
  subscribe();
  return Math.floor(Date.now() / 1000);
}
