// A person who sends from a browser: what they choose, and the link that they get.
import type { Page } from 'playwright-core';
import type { Person } from './browser';

/** A tab that shares files. */
export class SendingPage {
  private constructor(readonly page: Page) {}

  /** Shares these files of the disk, or what is in this one folder, in so many slots. */
  static async share(
    person: Person,
    server: string,
    what: { files: string[] } | { folder: string },
    slots?: number,
  ): Promise<SendingPage> {
    const page = await person.open(`${server}/send`);
    if (slots !== undefined) {
      await page.getByText('Slots and password').click();
      await page.getByRole('spinbutton').fill(String(slots));
    }
    // Two inputs that the buttons open; a browser that is driven opens no dialogs.
    const [input, paths] =
      'files' in what
        ? [page.locator('input[type=file]:not([webkitdirectory])'), what.files]
        : [page.locator('input[type=file][webkitdirectory]'), what.folder];
    await input.setInputFiles(paths);
    return new SendingPage(page);
  }

  /** The link, once there is one. */
  async link(): Promise<string> {
    const text = this.page.getByText(/^https?:\/\/\S+\/s\/\S+#\S+$/);
    await text.waitFor();
    return (await text.textContent()) ?? '';
  }
}
