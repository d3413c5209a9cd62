// From a browser to everyone: the command line, other browsers, and both in one line.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person, start } from './browser';
import { Scratch, contents, digest, fill, write } from './lab';
import { Crowd, Sender, Server, Sluice } from './processes';
import { ReceivingPage } from './receiving';
import { SendingPage } from './sending';

let browser: Browser;

beforeAll(async () => {
  browser = await start();
});
afterAll(() => browser.close());

/** A `sluice receive` of this link into a folder of its own. */
function receive(scratch: Scratch, link: string, name: string): Sluice {
  return new Sluice(scratch.path, 'receive', link, '--out', scratch.at(name));
}

test('a folder goes from a page to the command line', async () => {
  await using scratch = await Scratch.make();
  await fill(scratch.at('photos'), 200, [4_000_000]);
  await using server = await Server.start(scratch.path);
  const person = await Person.of(browser);
  const sender = await SendingPage.share(person, server.url, { folder: scratch.at('photos') });
  await using receiver = receive(scratch, await sender.link(), 'out');
  expect(await receiver.ended()).toBe(0);
  // A directory input does not tell of empty folders.
  const sent = await contents(scratch.at('photos'));
  sent.delete('nothing here yet');
  expect(await contents(scratch.at('out', 'photos'))).toEqual(sent);
  expect(person.errors).toEqual([]);
});

test('a page sends 20 MiB to twenty at once, of whom ten are pages', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 20, 20 * 2 ** 20);
  await using server = await Server.start(scratch.path);
  const sender = await SendingPage.share(await Person.of(browser), server.url, {
    files: [scratch.at('film.bin')],
  });
  const link = await sender.link();
  await using crowd = new Crowd();
  const pages = await Promise.all(
    Array.from({ length: 10 }, async () => ReceivingPage.open(await Person.of(browser), link)),
  );
  const commands = Array.from({ length: 10 }, (_, n) =>
    crowd.add(receive(scratch, link, `out ${n}`)),
  );
  await Promise.all(
    pages.map(async (page) => {
      await page.begin();
      await page.saveToFolder();
    }),
  );
  const hash = await digest(scratch.at('film.bin'));
  for (const [n, command] of commands.entries()) {
    expect(await command.ended()).toBe(0);
    expect(await digest(scratch.at(`out ${n}`, 'film.bin'))).toBe(hash);
  }
  for (const page of pages) {
    await page.done(240_000);
    expect((await page.contents()).get('film.bin')).toBe(hash);
  }
}, 400_000);

test('a receiver that is killed and starts again goes on with what it has', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 21, 60_000_000);
  await using server = await Server.start(scratch.path);
  const sender = await SendingPage.share(await Person.of(browser), server.url, {
    files: [scratch.at('film.bin')],
  });
  const link = await sender.link();
  const first = receive(scratch, link, 'out');
  await first.until('progress', ({ durable_bytes }) => Number(durable_bytes) > 10_000_000);
  await first.kill();
  await using second = receive(scratch, link, 'out');
  expect(await second.ended()).toBe(0);
  const { bytes } = await second.until('resumed');
  expect(bytes).toBeGreaterThan(5_000_000);
  expect(await digest(scratch.at('out', 'film.bin'))).toBe(await digest(scratch.at('film.bin')));
});

test('a server that is killed comes back to the same link, and transfers go on', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 22, 60_000_000);
  await using first = await Server.start(scratch.path);
  const sender = await SendingPage.share(await Person.of(browser), first.url, {
    files: [scratch.at('film.bin')],
  });
  const link = await sender.link();
  await using receiver = receive(scratch, link, 'out');
  await receiver.until('progress', ({ bytes }) => Number(bytes) > 5_000_000);
  await using second = await first.restart(scratch.path);
  expect(second.url).toBe(first.url);
  expect(await receiver.ended()).toBe(0);
  await using later = receive(scratch, link, 'later');
  expect(await later.ended()).toBe(0);
});

test('twenty are served and ten wait, pages and commands in one line, in the order in which they came', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 23, 2_000_000);
  await using server = await Server.start(scratch.path);
  // So slow that nobody is done before all are there.
  await using sender = await Sender.start(
    scratch.path,
    server.url,
    '--limit',
    '600KB',
    scratch.at('film.bin'),
  );
  await using crowd = new Crowd();
  const hash = await digest(scratch.at('film.bin'));
  const ends: Promise<void>[] = [];
  for (let n = 0; n < 30; n += 1) {
    if (n % 2 === 0) {
      const page = await ReceivingPage.open(await Person.of(browser), sender.link);
      await page.begin();
      ends.push(
        page.saveToFolder(300_000).then(async () => {
          await page.done(300_000);
          expect((await page.contents()).get('film.bin')).toBe(hash);
          await page.page.context().close();
        }),
      );
    } else {
      const command = crowd.add(receive(scratch, sender.link, `out ${n}`));
      await command.until('place');
      ends.push(
        command.ended().then(async (code) => {
          expect(code).toBe(0);
          expect(await digest(scratch.at(`out ${n}`, 'film.bin'))).toBe(hash);
        }),
      );
    }
  }
  await sender.until('waiting', ({ count }) => Number(count) >= 10);
  await Promise.all(ends);
  const done = sender.events.filter(({ event }) => event === 'receiver_done');
  expect(done).toHaveLength(30);
  // Nobody was let in while twenty were.
  let inside = 0;
  for (const { event } of sender.events) {
    inside += event === 'receiver_joined' ? 1 : event === 'receiver_left' ? -1 : 0;
    expect(inside).toBeLessThanOrEqual(20);
  }
}, 500_000);
