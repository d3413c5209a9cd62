// What became of single entries, in words.
import type { Language } from '../../shared/language.svelte';
import { CODES, type Code, type ReportView } from '../bindings';

/** Why the engine does not write an entry: its stable texts. */
export const SKIPS = [
  'identical',
  'exists',
  'unsafe_link',
  'duplicate',
  'unreadable_denied',
  'unreadable_special',
  'unreadable_name',
  'unreadable_failed',
] as const;

/** What became of an entry; a reason that this window does not know stands as it came. */
export function outcomeOf(report: ReportView, language: Language): string {
  const { outcome, detail } = report;
  if (outcome === 'renamed') {
    return language.say('report.renamed', { name: detail });
  }
  if (outcome === 'failed') {
    return CODES.includes(detail as Code) ? language.say(`error.${detail as Code}`) : detail;
  }
  const skip = SKIPS.find((known) => known === detail);
  return skip === undefined ? detail : language.say(`skip.${skip}`);
}
