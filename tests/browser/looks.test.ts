// What the page looks like where it really is: nothing for axe to find, light and dark, and nothing wider than a phone.
import { readFile } from 'node:fs/promises';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person, start } from './browser';
import { Scratch, fill, write } from './lab';
import { Sender, Server } from './processes';
import { ReceivingPage } from './receiving';
import { SendingPage } from './sending';

let browser: Browser;
let axe: string;

beforeAll(async () => {
  browser = await start();
  axe = await readFile(
    new URL('../../ui/node_modules/axe-core/axe.min.js', import.meta.url),
    'utf8',
  );
});
afterAll(() => browser.close());

/** Holds a view, as it is now, to what axe knows, and to its width. */
async function holds(page: Page, view: string): Promise<void> {
  await page.evaluate(axe);
  const { violations, width, room } = await page.evaluate(async () => ({
    violations: (
      await (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run()
    ).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
    width: document.documentElement.scrollWidth,
    room: document.documentElement.clientWidth,
  }));
  expect(violations, view).toEqual([]);
  expect(width, `${view} is wider than the screen`).toBeLessThanOrEqual(room);
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [360, 1280]) {
    test(`every view of the page, ${colorScheme}, ${width} pixels wide`, async () => {
      await using scratch = await Scratch.make();
      await fill(scratch.at('photos'), 30, [4_000_000]);
      await write(scratch.at('note.bin'), 40, 100_000);
      await using server = await Server.start(scratch.path);
      await using sender = await Sender.start(
        scratch.path,
        server.url,
        '--limit',
        '1MB',
        scratch.at('photos'),
      );
      const person = await Person.of(browser, { colorScheme, viewport: { width, height: 800 } });
      const receiver = await ReceivingPage.open(person, sender.link);
      await receiver.page.getByRole('button', { name: 'Download here' }).waitFor();
      await holds(receiver.page, 'the first look');
      await receiver.begin();
      await receiver.choose('folder');
      await holds(receiver.page, 'the choice');
      await receiver.go.click();
      await receiver.percent(5);
      await holds(receiver.page, 'the download');
      await receiver.done();
      await holds(receiver.page, 'the end');
      await holds(await person.open(`${server.url}/s/${'A'.repeat(22)}#broken`), 'a broken link');
      await holds(await person.open(`${server.url}/send`), 'sending, nothing chosen');
      const page = await SendingPage.share(person, server.url, { files: [scratch.at('note.bin')] });
      await page.link();
      await holds(page.page, 'a share');
      await person.context.close();
    });
  }
}
