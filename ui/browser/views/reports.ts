// What became of single entries, in words.
import type { Language } from '../../shared/language.svelte';
import type { SavingReport } from '../save/destination';

/** One entry that is not simply there. */
export interface Report {
  path: string;
  outcome: string;
  failed: boolean;
}

/** Those that failed first, then those that have another name. */
export function reportsOf(report: SavingReport, language: Language): Report[] {
  const failed = report.failed.map(({ path, failure }) => ({
    path,
    outcome: reason(failure, language),
    failed: true,
  }));
  const renamed = report.renamed.map(({ path, as }) => ({
    path,
    outcome: language.say('report.renamed', { name: as }),
    failed: false,
  }));
  return [...failed, ...renamed];
}

type Failure = SavingReport['failed'][number]['failure'];

function reason(failure: Failure, language: Language): string {
  switch (failure) {
    case 'changed':
    case 'symlink':
    case 'disk':
      return language.say(`page.lost.${failure}`);
    // Of the sender's, and of this browser's: neither can say the name.
    case 'name':
      return language.say('page.lost.name');
    default:
      return language.say(`skip.unreadable_${failure}`);
  }
}
