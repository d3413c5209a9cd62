// The language that a view speaks: its messages, and its way of writing numbers, sizes and times.
import { getContext, setContext } from 'svelte';
import * as format from './format';
import en from './messages/en.json';

/** The languages that there are. */
export const LANGUAGES: readonly string[] = ['en', 'de', 'fr', 'es', 'zh'];

/** Every message of each language that is loaded, by its key; English always is, and has all of them. */
export const CATALOGUES: Record<string, Record<string, string>> = { en };

/** The key of a message, without the plural's ending. */
export type Key = Base<keyof typeof en>;
type Base<K> = K extends `${infer Stem}_one` ? Stem : K extends `${string}_other` ? never : K;

/** What stands for `{name}` in a message. A number is written in the language, and `count` chooses the plural. */
export type Values = Record<string, string | number>;

/** The language of ours that is nearest to a tag of BCP 47. */
export function nearest(tag: string): string {
  const language = tag.toLowerCase().split(/[-_]/)[0] ?? '';
  return LANGUAGES.includes(language) ? language : 'en';
}

const plurals = new Map<string, Intl.PluralRules>();

function pluralOf(tag: string, count: number): string {
  let rules = plurals.get(tag);
  if (rules === undefined) {
    rules = new Intl.PluralRules(tag);
    plurals.set(tag, rules);
  }
  return rules.select(count);
}

/** The message with this key in this language. */
export function translate(tag: string, key: Key, values: Values = {}): string {
  const catalogue: Record<string, string> = CATALOGUES[nearest(tag)] ?? en;
  const { count } = values;
  const text =
    catalogue[key] ??
    catalogue[`${key}_${typeof count === 'number' ? pluralOf(tag, count) : 'other'}`] ??
    catalogue[`${key}_other`] ??
    key;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return typeof value === 'number' ? format.count(tag, value) : (value ?? whole);
  });
}

/** A language that can be changed while everything that speaks it is drawn. */
export class Language {
  /** A tag of BCP 47. Its region matters for numbers, its language for words. */
  tag = $state('en');
  /** The tag for numbers: another language's region would write them unlike the words around them. */
  readonly #numbers = $derived(
    nearest(this.tag) === 'en' && !/^en/i.test(this.tag) ? 'en' : this.tag,
  );

  constructor(tag = 'en') {
    this.tag = tag;
  }

  /** The message with this key. */
  say(key: Key, values: Values = {}): string {
    return translate(this.#numbers, key, values);
  }

  /** A whole number. */
  count(value: number): string {
    return format.count(this.#numbers, value);
  }

  /** A part of one, as percents. */
  percent(part: number): string {
    return format.percent(this.#numbers, part);
  }

  /** A size in bytes. */
  size(bytes: number): string {
    const { value, unit } = format.measure(this.#numbers, bytes);
    return this.say(`unit.${unit}`, { value });
  }

  /** Bytes a second. */
  rate(bytes: number): string {
    return this.say('unit.rate', { size: this.size(bytes) });
  }

  /** Seconds, in few letters or in words. */
  duration(seconds: number, display: 'short' | 'long' = 'short'): string {
    return format.duration(this.#numbers, seconds, display);
  }

  /** When something is, as seen from now. */
  relative(time: number, now: number): string {
    return format.relative(this.#numbers, time, now);
  }

  /** A time of today, or else a date. */
  moment(time: number, now: number): string {
    return format.moment(this.#numbers, time, now);
  }
}

const CONTEXT = Symbol('language');

/** Lets every component below this one speak a language. */
export function setLanguage(language: Language): void {
  setContext(CONTEXT, language);
}

/** The language of the components above, or English. */
export function useLanguage(): Language {
  return getContext<Language | undefined>(CONTEXT) ?? new Language();
}
