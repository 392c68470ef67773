import { type ErrorTreatment, errorCatalogue } from '../../core/errors.ts';

const treatments: Readonly<Record<ErrorTreatment, string>> = {
  'retry-batch': 'The whole batch waits and is tried again until it succeeds; nothing is lost.',
  'retry-record': 'The record becomes a dead letter that is tried again by itself with growing waits.',
  'park-record': 'The record becomes a dead letter that waits for a human; what is behind it goes on.',
  refuse: 'Whoever asked is told at once; nothing was accepted.',
};

export function errorsPage(): string {
  const entries = Object.entries(errorCatalogue).map(([code, { summary, fix, treatment }]) =>
    [`## \`${code}\``, summary, `**What to do:** ${fix}`, `**What happens:** ${treatments[treatment]}`].join('\n\n'),
  );
  return [
    '# Errors',
    'Every failure a user can meet carries one of these codes: in answers of the API, in dead letters and in the log.',
    ...entries,
  ]
    .join('\n\n')
    .concat('\n');
}
