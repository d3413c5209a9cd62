// The language of the page: that of the browser, of which alone the messages are loaded.
import { CATALOGUES, Language, nearest } from '../shared/language.svelte';

type Messages = Record<string, string>;

const catalogues = import.meta.glob<Messages>(
  ['../shared/messages/*.json', '!../shared/messages/en.json'],
  { import: 'default' },
);

/** Loads the messages of the language that is nearest to a tag of BCP 47. Where they can't be had, it is English. */
export async function load(tag: string): Promise<string> {
  const language = nearest(tag);
  const messages = catalogues[`../shared/messages/${language}.json`];
  if (messages === undefined) {
    return tag;
  }
  try {
    CATALOGUES[language] ??= await messages();
    return tag;
  } catch {
    return 'en';
  }
}

/** The language of the browser, followed when the person changes it there. */
export async function speak(): Promise<Language> {
  const language = new Language(await load(navigator.language));
  addEventListener('languagechange', () => {
    void load(navigator.language).then((tag) => {
      language.tag = tag;
    });
  });
  return language;
}
