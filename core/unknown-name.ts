import { nearestName } from './config/suggestion.ts';
import { SyncError } from './errors.ts';

const namesShownMax = 30;

/** Somebody named what there is not: says what there is. `what` is a noun, `of` what it would belong to. */
export function unknownName(what: string, name: string, known: Iterable<string>, of?: string): SyncError {
  const names = [...new Set(known)].sort();
  const near = nearestName(name, names);
  const hint = near === undefined ? '' : `, did you mean ${near}?`;
  return new SyncError(
    'request.unknown-name',
    `there is no ${what} ${name}${of === undefined ? '' : ` of ${of}`}${hint} ${listOf(names)}`,
    {
      details: { name, known: names.slice(0, namesShownMax) },
    },
  );
}

function listOf(names: readonly string[]): string {
  if (names.length === 0) return '(there is none)';
  const more = names.length > namesShownMax ? `, and ${names.length - namesShownMax} more` : '';
  return `(there ${names.length === 1 ? 'is' : 'are'}: ${names.slice(0, namesShownMax).join(', ')}${more})`;
}
