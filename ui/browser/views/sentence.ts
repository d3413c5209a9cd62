// What happened, in a sentence: that of every view, but where it names what a page does not have.
import type { Code } from '../../protocol/bindings';
import type { Language } from '../../shared/language.svelte';

// Those of the app name its settings, or its folders.
const OWN = ['relay_refused', 'request_invalid', 'no_connection', 'destination_busy'] as const;

/** The sentence for a code, as a page says it. */
export function sentence(code: Code, language: Language): string {
  const own = OWN.find((known) => known === code);
  return own === undefined ? language.say(`error.${code}`) : language.say(`page.error.${own}`);
}
