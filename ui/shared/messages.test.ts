// The catalogue: nothing is missing in any language, and nothing is there that no view says.
import { expect, test } from 'vitest';
import { CATALOGUES, Language, nearest, translate } from './language.svelte';

const { en = {}, ...others } = CATALOGUES;
const languages = Object.keys(CATALOGUES);

/** Plural forms that whole numbers of a usual size take. */
function formsOf(language: string): string[] {
  const rules = new Intl.PluralRules(language);
  const forms = Array.from({ length: 200 }, (_, count) => rules.select(count));
  return [...new Set(forms)].sort();
}

function stem(key: string): string {
  return key.replace(/_(one|other)$/, '');
}

function isPlural(key: string): boolean {
  return stem(key) !== key;
}

function placeholders(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(/\{(\w+)\}/g), ([, name = '']) => name))].sort();
}

test('there are five languages, and a tag leads to the nearest', () => {
  expect(languages).toEqual(['en', 'de', 'fr', 'es', 'zh']);
  expect(['de-AT', 'zh-Hans-CN', 'FR', 'es_MX', 'pt-BR', ''].map(nearest)).toEqual([
    'de',
    'zh',
    'fr',
    'es',
    'en',
    'en',
  ]);
});

test.each(Object.entries(others))(
  '%s has every message of English, and no other',
  (_language, messages) => {
    const stems = (keys: Record<string, string>): string[] =>
      [...new Set(Object.keys(keys).map(stem))].sort();
    expect(stems(messages)).toEqual(stems(en));
  },
);

test.each(Object.entries(CATALOGUES))(
  '%s has the plural forms that its numbers take',
  (language, messages) => {
    const plurals = [...new Set(Object.keys(messages).filter(isPlural).map(stem))];
    expect(plurals.length).toBeGreaterThan(10);
    for (const plural of plurals) {
      const forms = Object.keys(messages).filter((key) => isPlural(key) && stem(key) === plural);
      expect(forms.map((key) => key.slice(plural.length + 1)).sort(), plural).toEqual(
        formsOf(language),
      );
    }
  },
);

test.each(Object.entries(CATALOGUES))(
  '%s fills the same places as English',
  (_language, messages) => {
    for (const [key, text] of Object.entries(messages)) {
      const english = en[key] ?? en[`${stem(key)}_other`] ?? '';
      expect(placeholders(text), key).toEqual(placeholders(english));
      expect(text.trim(), key).not.toBe('');
      expect(text, key).not.toMatch(/!|¡|！|\.\.\.$/);
    }
  },
);

test.each(Object.entries(others))('%s is no English', (_language, messages) => {
  const words = (key: string): string => (en[key] ?? '').replace(/\{\w+\}/g, '').trim();
  const same = Object.keys(messages).filter(
    (key) => words(key).length > 10 && messages[key] === en[key],
  );
  expect(same).toEqual([]);
});

test('every message is said somewhere', () => {
  const sources = import.meta.glob<string>(
    ['../{app,browser,shared}/**/*.{svelte,ts}', '!**/*.test.ts'],
    {
      query: '?raw',
      import: 'default',
      eager: true,
    },
  );
  const text = Object.values(sources).join('\n');
  const made = Array.from(text.matchAll(/`([a-zA-Z.]*)\$\{/g), ([, start = '']) => start).filter(
    (start) => start.includes('.'),
  );
  const unsaid = Object.keys(en)
    .map(stem)
    .filter((key) => !text.includes(`'${key}'`) && !made.some((start) => key.startsWith(start)));
  expect(unsaid).toEqual([]);
});

test('numbers choose the plural, and are written in the language', () => {
  const say = (tag: string, count: number): string => translate(tag, 'waiting.ahead', { count });
  expect([say('en', 1), say('en', 1200)]).toEqual(['1 ahead of you', '1,200 ahead of you']);
  expect([say('fr', 0), say('de', 3000), say('zh', 1)]).toEqual([
    '0 devant vous',
    '3.000 vor dir',
    '前面还有 1 人',
  ]);
});

test('what is given is put in as it is', () => {
  const language = new Language('en');
  expect(language.say('receive.from', { server: '{name}$&' })).toBe('from {name}$&');
  expect([language.rate(84_200_000), language.size(512)]).toEqual(['84.2\u00a0MB/s', '512\u00a0B']);
  language.tag = 'fr';
  expect(language.size(38_200_000_000)).toBe('38,2\u00a0Go');
});
