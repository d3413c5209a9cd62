// What tests of views in every room need: to wait for what is drawn, and to ask axe.
import axe from 'axe-core';
import { tick } from 'svelte';

/** Waits until answers have come and are drawn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await Promise.resolve();
    await tick();
  }
}

/** What axe finds wrong, as far as it can be seen without layout and colours. */
export async function violations(container: Element): Promise<string[]> {
  const { violations } = await axe.run(container, {
    rules: { 'color-contrast': { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
}
