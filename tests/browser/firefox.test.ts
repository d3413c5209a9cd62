// The page in Firefox, which has other ways of saving than Chromium: driven by WebDriver BiDi, as Playwright drives only a
// Firefox of its own.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Scratch, digest, write } from './lab';
import { Sender, Server, Sluice } from './processes';

const FIREFOX = process.env['FIREFOX'] ?? '/usr/bin/firefox-esr';
let profile: Scratch;
let browser: Browser;

beforeAll(async () => {
  if (!existsSync(FIREFOX)) {
    throw new Error(`${FIREFOX} is not there: cargo xtask setup installs it`);
  }
  profile = await Scratch.make();
  browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: {
      'browser.download.folderList': 2,
      'browser.download.dir': await profile.folder('downloads'),
      'browser.helperApps.neverAsk.saveToDisk': 'application/octet-stream,application/zip',
      'intl.accept_languages': 'en-GB',
    },
  });
});
afterAll(async () => {
  await browser.close();
  await profile[Symbol.asyncDispose]();
});

async function press(page: Page, role: string, name: RegExp): Promise<void> {
  await page.locator(`::-p-aria([role="${role}"][name="${name.source}"])`).click();
}

test('a file comes into Firefox through its downloads, bit for bit', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 30, 5_000_001);
  await using server = await Server.start(scratch.path);
  await using sender = await Sender.start(scratch.path, server.url, scratch.at('film.bin'));
  const page = await browser.newPage();
  await page.goto(sender.link);
  await press(page, 'button', /Download here/);
  await page.locator('fieldset input[value="stream"]').click();
  await page.locator('footer .go').click();
  await sender.until('receiver_done');
  const downloads = profile.at('downloads');
  // Firefox puts it under its name once it is whole.
  await expect.poll(() => readdir(downloads), { timeout: 30_000 }).toEqual(['film.bin']);
  expect(await digest(`${downloads}/film.bin`)).toBe(await digest(scratch.at('film.bin')));
  await page.close();
}, 90_000);

test('a file goes from Firefox to the command line, bit for bit', async () => {
  await using scratch = await Scratch.make();
  await write(scratch.at('film.bin'), 31, 5_000_001);
  await using server = await Server.start(scratch.path);
  const page = await browser.newPage();
  await page.goto(`${server.url}/send`);
  const input = await page.waitForSelector('input[type=file]:not([webkitdirectory])');
  await input?.uploadFile(scratch.at('film.bin'));
  const address = await page.waitForSelector('.address');
  const link = await address?.evaluate((element) => element.textContent);
  await using receiver = new Sluice(
    scratch.path,
    'receive',
    link ?? '',
    '--out',
    scratch.at('out'),
  );
  expect(await receiver.ended()).toBe(0);
  expect(await digest(scratch.at('out', 'film.bin'))).toBe(await digest(scratch.at('film.bin')));
  await page.close();
}, 90_000);
