// A share's terms in a few words, for the line beneath its name.
import type { Language } from '../../shared/language.svelte';
import type { ShareTerms } from '../bindings';

/** What ends it, what guards it and what slows it; the least that a person must know, if nothing does. */
export function termsInWords(terms: ShareTerms, language: Language, now: number): string {
  const words: string[] = [];
  if (terms.endsAt !== null) {
    words.push(language.say('terms.ends', { when: language.relative(terms.endsAt, now) }));
  }
  if (terms.downloads !== null) {
    words.push(language.say('terms.endsAfter', { count: terms.downloads }));
  }
  if (words.length === 0) {
    words.push(language.say('terms.endless'));
  }
  words.push(language.say(terms.password === null ? 'terms.open' : 'terms.guarded'));
  if (terms.limit !== null) {
    words.push(language.say('terms.limited', { rate: language.rate(terms.limit) }));
  }
  return words.join(' · ');
}
