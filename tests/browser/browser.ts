// A real Chromium with profiles of its own, and the page in it as a person sees it.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';

// Debian's, or another by its path.
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Starts the browser. Ended with the test. */
export async function start(...args: string[]): Promise<Browser & AsyncDisposable> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`${CHROMIUM} is not there: cargo xtask setup installs it`);
  }
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    // As root, in containers too.
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
  });
  return Object.assign(browser, { [Symbol.asyncDispose]: () => browser.close() });
}

/** The processes of a browser that draw its pages, or carry its network. */
export async function processesOf(
  browser: Browser,
  part: 'network' | 'renderer',
): Promise<number[]> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const commands = await Promise.all(
    processInfo.map(async ({ id }) => [id, await readFile(`/proc/${id}/cmdline`, 'utf8')] as const),
  );
  const word = part === 'network' ? 'network.mojom.NetworkService' : '--type=renderer';
  return commands.filter(([, command]) => command.includes(word)).map(([id]) => id);
}

/** A person with a profile of their own, in English. What goes wrong in their pages is kept in `errors`. */
export class Person {
  readonly errors: string[] = [];

  private constructor(readonly context: BrowserContext) {
    context.on('page', (page) => {
      page.on('pageerror', (error) => this.errors.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') {
          this.errors.push(message.text());
        }
      });
    });
  }

  static async of(
    browser: Browser,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Person> {
    return new Person(
      await browser.newContext({ locale: 'en-GB', acceptDownloads: true, ...options }),
    );
  }

  /** Opens an address in a tab of its own. */
  async open(url: string): Promise<Page> {
    const page = await this.context.newPage();
    await page.goto(url);
    return page;
  }
}
