// From the command line into a browser: every way of saving, bit for bit, and whatever happens in between.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person, processesOf, start } from './browser';
import { Scratch, contents, digest, fill, write } from './lab';
import { Sender, Server, SharedFile } from './processes';
import { ReceivingPage, digestOf } from './receiving';

const run = promisify(execFile);
let browser: Browser;

beforeAll(async () => {
  browser = await start();
});
afterAll(() => browser.close());

test('a folder arrives in a folder, with its empty one and its names', async () => {
  await using scratch = await Scratch.make();
  await fill(scratch.at('photos'), 300, [5_000_000, 262_144]);
  await using server = await Server.start(scratch.path);
  await using sender = await Sender.start(scratch.path, server.url, scratch.at('photos'));
  const person = await Person.of(browser);
  const receiver = await ReceivingPage.open(person, sender.link);
  await receiver.page.getByRole('button', { name: 'Open in Sluice' }).waitFor();
  expect(sender.events.some(({ event }) => event === 'receiver_joined')).toBe(false);

  await receiver.begin();
  await receiver.saveToFolder();
  await receiver.done();
  const sent = [...(await contents(scratch.at('photos')))];
  const wanted = new Map([
    ['photos', '/'],
    ...sent.map(([path, hash]) => [`photos/${path}`, hash] as const),
  ] as [string, string][]);
  expect(await receiver.contents()).toEqual(wanted);
  const { bytes } = await sender.until('receiver_done');
  expect(bytes).toBeGreaterThan(5_000_000);
  expect(person.errors).toEqual([]);
});

test('one file comes as it is through the downloads of the browser', async () => {
  await using shared = await SharedFile.start('Ferien 2026 – Ü.bin', 3, 7_000_001);
  const { sender } = shared;
  const person = await Person.of(browser);
  const receiver = await ReceivingPage.open(person, sender.link);
  await receiver.begin();
  const download = await receiver.saveAsDownload();
  expect(download.suggestedFilename()).toBe('Ferien 2026 – Ü.bin');
  expect(await digestOf(download)).toBe(await shared.digest());
  await receiver.done();
  await sender.until('receiver_done');
  expect(person.errors).toEqual([]);
});

test('a folder comes as one zip that others can read', async () => {
  await using scratch = await Scratch.make();
  await fill(scratch.at('photos'), 60, [3_000_000]);
  await using server = await Server.start(scratch.path);
  await using sender = await Sender.start(scratch.path, server.url, scratch.at('photos'));
  const receiver = await ReceivingPage.open(await Person.of(browser), sender.link);
  await receiver.begin();
  const download = await receiver.saveAsDownload();
  expect(download.suggestedFilename()).toBe('photos.zip');
  await download.saveAs(scratch.at('photos.zip'));
  await receiver.done();
  await run('python3', [
    '-m',
    'zipfile',
    '-e',
    scratch.at('photos.zip'),
    await scratch.folder('out'),
  ]);
  expect(await contents(scratch.at('out', 'photos'))).toEqual(await contents(scratch.at('photos')));
});

test('what stays in the storage of the browser is handed over at the end', async () => {
  await using shared = await SharedFile.start('film.bin', 4, 3_000_000);
  const { sender } = shared;
  const receiver = await ReceivingPage.open(await Person.of(browser), sender.link);
  await receiver.begin();
  await receiver.choose('private');
  await receiver.go.click();
  await receiver.done();
  const [download] = await Promise.all([
    receiver.page.waitForEvent('download'),
    receiver.page.getByRole('link', { name: 'Save film.bin' }).click(),
  ]);
  expect(await digestOf(download)).toBe(await shared.digest());
});

test('on plain HTTP, where browsers have next to nothing, it still comes, password and all', async () => {
  await using scratch = await Scratch.make();
  await using own = await start('--host-resolver-rules=MAP plain.local 127.0.0.1');
  await write(scratch.at('film.bin'), 13, 3_000_000);
  await writeFile(scratch.at('password'), 'tulip\n');
  await using server = await Server.start(scratch.path);
  await using sender = await Sender.start(
    scratch.path,
    server.url,
    '--password-file',
    scratch.at('password'),
    scratch.at('film.bin'),
  );
  // Not this machine by its name, and so no secure context.
  const link = sender.link.replace('127.0.0.1', 'plain.local');
  const person = await Person.of(own);
  // Chromium asks the person whether to keep what comes from such a page, and a driver can't answer: what the page hands
  // over is read instead.
  await person.context.addInitScript(() => {
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob: Blob) => {
      Object.assign(window, { handedOver: blob });
      return createObjectURL(blob);
    };
  });
  const receiver = await ReceivingPage.open(person, link);
  expect(await receiver.page.evaluate(() => typeof crypto.subtle)).toBe('undefined');
  await receiver.begin();
  const field = receiver.page.getByLabel('This share asks for a password');
  await field.fill('tulip');
  await field.press('Enter');
  // There is one way only, and so nothing to choose.
  await receiver.page.getByText('In the memory of this page').waitFor();
  await receiver.go.click();
  await receiver.done();
  await receiver.page.getByRole('link', { name: 'Save film.bin' }).waitFor();
  const text = await receiver.page.evaluate(async () => {
    const { handedOver } = window as unknown as { handedOver: Blob };
    const reader = new FileReader();
    reader.readAsDataURL(handedOver);
    await new Promise((resolve) => reader.addEventListener('load', resolve));
    return reader.result as string;
  });
  const got = Buffer.from(text.slice(text.indexOf(',') + 1), 'base64');
  expect(got.equals(await readFile(scratch.at('film.bin')))).toBe(true);
});

test('only what is ticked comes', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('share', 'yes.bin'), 5, 100_000);
  await write(scratch.at('share', 'no.bin'), 6, 100_000);
  await using server = await Server.start(scratch.path);
  await using sender = await Sender.start(scratch.path, server.url, scratch.at('share'));
  const receiver = await ReceivingPage.open(await Person.of(browser), sender.link);
  await receiver.begin();
  const tree = receiver.page.getByRole('tree');
  await tree.focus();
  // Opens the folder, goes to its second file, and takes its tick away; the first in it is "no.bin".
  await tree.press('ArrowRight');
  await tree.press('ArrowDown');
  await receiver.page.getByRole('treeitem', { name: /no\.bin/ }).waitFor();
  await tree.press(' ');
  await receiver.go.filter({ hasText: '100' }).waitFor();
  await receiver.saveToFolder();
  await receiver.done();
  expect([...(await receiver.contents()).keys()]).toEqual(['share', 'share/yes.bin']);
});

test('a password is asked for, and a wrong one is said to be wrong', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('note.bin'), 7, 10_000);
  await writeFile(scratch.at('password'), 'tulip\n');
  await using server = await Server.start(scratch.path);
  await using sender = await Sender.start(
    scratch.path,
    server.url,
    '--password-file',
    scratch.at('password'),
    scratch.at('note.bin'),
  );
  const receiver = await ReceivingPage.open(await Person.of(browser), sender.link);
  await receiver.begin();
  const field = receiver.page.getByLabel('This share asks for a password');
  await field.fill('rose');
  await field.press('Enter');
  await receiver.page.getByText('This password is wrong').waitFor();
  await field.fill('tulip');
  await field.press('Enter');
  await receiver.saveToFolder();
  await receiver.done();
  expect([...(await receiver.contents()).keys()]).toEqual(['note.bin']);
});

test('a sender that is killed and starts again goes on where it stopped', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 8, 12_000_000);
  await using server = await Server.start(scratch.path);
  const slow = await Sender.start(
    scratch.path,
    server.url,
    '--limit',
    '3MB',
    scratch.at('film.bin'),
  );
  const receiver = await ReceivingPage.open(await Person.of(browser), slow.link);
  await receiver.begin();
  await receiver.saveToFolder();
  await receiver.percent(25);
  await slow.kill();
  await using sender = await Sender.start(scratch.path, server.url, scratch.at('film.bin'));
  expect(sender.link).toBe(slow.link);
  await receiver.done();
  expect((await receiver.contents()).get('film.bin')).toBe(await digest(scratch.at('film.bin')));
});

test('a server that is killed in the middle is not missed', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 9, 12_000_000);
  await using first = await Server.start(scratch.path);
  await using sender = await Sender.start(
    scratch.path,
    first.url,
    '--limit',
    '3MB',
    scratch.at('film.bin'),
  );
  const receiver = await ReceivingPage.open(await Person.of(browser), sender.link);
  await receiver.begin();
  await receiver.saveToFolder();
  await receiver.percent(10);
  await using second = await first.restart(scratch.path);
  expect(second.url).toBe(first.url);
  await receiver.done();
  expect((await receiver.contents()).get('film.bin')).toBe(await digest(scratch.at('film.bin')));
  expect(sender.events.filter(({ event }) => event === 'receiver_connected')).toHaveLength(1);
});

test('a page that is reloaded in the middle goes on, and asks for nothing twice', async () => {
  await using shared = await SharedFile.start('film.bin', 10, 40_000_000, '--limit', '8MB');
  const { sender } = shared;
  const person = await Person.of(browser);
  const receiver = await ReceivingPage.open(person, sender.link);
  await receiver.begin();
  await receiver.saveToFolder();
  await receiver.percent(60);
  await receiver.page.reload();
  const before = sender.events.length;
  // It takes its place again by itself, and asks for the folder again.
  await receiver.page.getByText(/Continue where you stopped: \d/).waitFor();
  await receiver.saveToFolder();
  await receiver.done();
  expect((await receiver.contents()).get('film.bin')).toBe(await shared.digest());
  const joined = sender.events.slice(before);
  const told = joined.filter(({ event }) => event === 'receiver_progress');
  // Until the choice is made again nothing is durable by the page's account.
  const first = told.map(({ bytes }) => Number(bytes)).find((bytes) => bytes > 0);
  expect(first).toBeGreaterThan(15_000_000);
});

// The network as the browser has it, and the page's own process, stand still. Its sender has given the connection up then.
// How long it lasts is what is tried, so nothing ends the wait but time.
for (const [name, part] of [
  ['half a minute without a network', 'network'],
  ['half a minute of sleep', 'renderer'],
] as const) {
  test(`${name}, and it goes on`, async () => {
    await using own = await start();
    await using shared = await SharedFile.start('film.bin', 11, 12_000_000, '--limit', '2MB');
    const { sender } = shared;
    const receiver = await ReceivingPage.open(await Person.of(own), sender.link);
    await receiver.begin();
    await receiver.saveToFolder();
    await receiver.percent(10);
    const stopped = await processesOf(own, part);
    expect(stopped.length).toBeGreaterThan(0);
    const since = performance.now();
    stopped.forEach((pid) => process.kill(pid, 'SIGSTOP'));
    await sender.until('receiver_lost');
    await new Promise((resolve) => setTimeout(resolve, 30_000 - (performance.now() - since)));
    expect(sender.events.some(({ event }) => event === 'receiver_done')).toBe(false);
    stopped.forEach((pid) => process.kill(pid, 'SIGCONT'));
    await receiver.done();
    const hash = await shared.digest();
    expect((await receiver.contents()).get('film.bin')).toBe(hash);
  });
}

test('a page that is closed frees its slot after the grace period', async () => {
  await using shared = await SharedFile.start(
    'film.bin',
    12,
    20_000_000,
    '--slots',
    '1',
    '--limit',
    '1MB',
  );
  const { sender } = shared;
  const first = await ReceivingPage.open(await Person.of(browser), sender.link);
  await first.begin();
  await first.saveToFolder();
  await first.percent(5);
  const second = await ReceivingPage.open(await Person.of(browser), sender.link);
  await second.begin();
  await second.page.getByText(/next in line|1st|You are next/i).waitFor();
  await first.page.context().close();
  await second.choose('folder');
  await second.go.waitFor();
});
