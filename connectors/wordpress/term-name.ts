const escapes: readonly (readonly [string, string])[] = [
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
];

/** WordPress keeps the names of terms escaped for a page. */
export function shownTerm(stored: string): string {
  return [...escapes].reverse().reduce((text, [escaped, plain]) => text.replaceAll(escaped, plain), stored);
}

export function storedTerm(shown: string): string {
  return escapes.reduce((text, [escaped, plain]) => text.replaceAll(plain, escaped), shown);
}
