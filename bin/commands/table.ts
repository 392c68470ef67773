/** Rows of text in columns as wide as their widest cell; the last column runs free. `none`: what is said where there is no row. */
export function tableOf(heads: readonly string[], rows: readonly (readonly string[])[], none?: string): string {
  if (rows.length === 0 && none !== undefined) return none;
  const all = [heads, ...rows].map((row) => row.map(printable));
  const widths = heads.map((_head, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** What a record holds must not drive the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function sayJson(value: unknown): void {
  say(JSON.stringify(value, null, 2));
}
